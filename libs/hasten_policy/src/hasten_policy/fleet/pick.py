"""Which worker gets a call: weighted least connections over piggybacked depth.

score = (calls there + own sends since its report + 1) * seconds per call / (weight * slow start)

The least score wins, ties are broken at random, and a worker without a free credit is out. A
full scan over a periodically shared snapshot herds; depth that rides on every reply does not.
"""

from typing import Final

from hasten_policy.chance import Chance
from hasten_policy.fleet.subset import affinity_score
from hasten_policy.fleet.workers import ModelEntry

FAR: Final = 1e300


def pick(entries: list[ModelEntry], rng: Chance) -> ModelEntry | None:
    """The open entry with the least score among those with a free credit; None if all are full."""
    best: ModelEntry | None = None
    best_score = FAR
    ties = 1
    for entry in entries:
        worker = entry.worker
        if len(worker.calls) >= worker.window:
            continue
        score = (worker.queue + 1) * entry.cost_s * worker.inverse_share
        if score < best_score:
            best_score = score
            best = entry
            ties = 1
        elif score == best_score:
            # Every entry of a tie ends up with the same chance.
            ties += 1
            if rng.random() * ties < 1.0:
                best = entry
    return best


def pick_blind(entries: list[ModelEntry], rng: Chance) -> ModelEntry | None:
    """Two random choices by own calls in flight, when most reports are stale.

    Stale depths mislead an argmin; two choices degrade softly (Mitzenmacher, 2001).
    """
    free = [entry for entry in entries if len(entry.worker.calls) < entry.worker.window]
    if not free:
        return None
    weights = [1.0 / (entry.cost_s * entry.worker.inverse_share + 1e-9) for entry in free]
    one, two = rng.choices(free, weights, k=2)
    return one if _own_load_s(one) <= _own_load_s(two) else two


def _own_load_s(entry: ModelEntry) -> float:
    return (len(entry.worker.calls) + 1) * entry.cost_s * entry.worker.inverse_share


def pick_affine(entries: list[ModelEntry], key: str) -> ModelEntry | None:
    """The worker that a sequence stays on as long as it is open."""
    return max(
        entries,
        key=lambda entry: (affinity_score(key, entry.worker.worker_id), entry.worker.worker_id),
        default=None,
    )
