"""Who leaves: the worker whose going costs least."""

from collections import Counter
from collections.abc import Collection, Iterable, Mapping
from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Candidate:
    """A worker that could go.

    Attributes:
        worker_id: Its name.
        ready: It serves; one that only starts has nothing to lose but its start.
        calls: Running and waiting there.
        backlog_s: Predicted seconds until they are done.
        since_s: When it became what it is.
        models: What it serves.
        price_per_h: What it costs an hour.
        pool: Where it is.
    """

    worker_id: str
    ready: bool
    calls: int
    backlog_s: float
    since_s: float
    models: tuple[str, ...] = ()
    price_per_h: float = 0.0
    pool: str = ""


def who_leaves(
    candidates: Iterable[Candidate],
    count: int,
    wanted_models: Collection[str],
    spare: Mapping[str, int] | None = None,
) -> list[Candidate]:
    """The `count` workers that go, the cheapest first; fewer where the others may not.

    One that starts goes before one that serves, a dear one before a cheap one, an idle one before a
    busy one, and of alike ones the newest. The last ready worker with a model that is asked for
    stays.

    Args:
        candidates: All that could go.
        count: How many are to.
        wanted_models: Models that are asked for.
        spare: Pool to how many may leave it by its floor; a pool that is not in it has none.
    """
    left = Counter(spare or {})
    ordered = sorted(candidates, key=_cost)
    copies = Counter(model for each in ordered if each.ready for model in each.models)
    found: list[Candidate] = []
    for each in ordered:
        if len(found) == count:
            break
        if each.pool in left and left[each.pool] <= 0:
            continue
        if each.ready:
            held = set(each.models) & set(wanted_models)
            if any(copies[model] <= 1 for model in held):
                continue
            copies.subtract(each.models)
        if each.pool in left:
            left[each.pool] -= 1
        found.append(each)
    return found


def _cost(each: Candidate) -> tuple[bool, float, int, float, float, str]:
    return each.ready, -each.price_per_h, each.calls, each.backlog_s, -each.since_s, each.worker_id
