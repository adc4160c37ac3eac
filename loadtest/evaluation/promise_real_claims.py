"""What the page promise_real claims, and the figures that decide it."""

from typing import Final, NamedTuple

from loadtest.evaluation import promise_real_cases as cases
from loadtest.evaluation.page import Claim, percent

SHARE_MIN: Final = 0.9
LATE_MAX: Final = 0.02
STOLEN_LATE_MAX: Final = 0.03
STOLEN_REFUSAL_MS_MAX: Final = 25.0
BACK_MIN: Final = 0.99


class Cell(NamedTuple):
    """What stands in a row and a column."""

    case: str
    load: float


class Seen(NamedTuple):
    """Means over the seeds.

    Attributes:
        share: Answers in time, of the capacity.
        late: Not in time, of what was not refused.
        idle: Refused for want of time while nothing else was there, of the offered.
        refusal_ms: Refusals, 99th percentile.
        in_vain: Calls whose run began after their deadline.
        at_first: In time of those that came in the first second, which the others leave out.
    """

    share: float
    late: float
    idle: float
    refusal_ms: float
    in_vain: int
    at_first: float


def reaches(
    where: str, names: dict[str, cases.Case], seen: dict[Cell, Seen], could: dict[Cell, float]
) -> Claim:
    """Goodput of some cases, of what could be."""
    shares = {
        cell: seen[cell].share / max(best, 1e-9)
        for cell, best in could.items()
        if cell.case in names
    }
    worst = min(shares, key=lambda cell: shares[cell])
    under = sum(share < SHARE_MIN for share in shares.values())
    return Claim(
        f"{where}: at least {SHARE_MIN} of what exact knowledge and one next batch answer in time",
        f"least {shares[worst]:.2f} ({worst.case}, {worst.load:g}x); "
        f"{under} of {len(shares)} below",
        not under,
    )


def _worst(cells: dict[Cell, float]) -> str:
    cell = max(cells, key=lambda one: cells[one])
    return f"worst {percent(cells[cell], 2)} ({cell.case}, {cell.load:g}x)"


def late(seen: dict[Cell, Seen]) -> Claim:
    """Lateness of all cases with CPU enough."""
    shares = {cell: one.late for cell, one in seen.items() if cell.case not in cases.SHORT}
    return Claim(
        f"not in time is at most {percent(LATE_MAX, 0)} of what was not refused, with CPU enough",
        _worst(shares),
        max(shares.values()) <= LATE_MAX,
    )


def idle(seen: dict[Cell, Seen]) -> Claim:
    """Refusals of meshes with nothing else to do, of the same."""
    shares = {cell: one.idle for cell, one in seen.items() if cell.case not in cases.SHORT}
    return Claim(
        "no mesh that has nothing else to do refuses for want of time, with CPU enough",
        _worst(shares),
        not any(shares.values()),
    )


def wanted(case: str, least: tuple[float, ...], seen: dict[Cell, Seen]) -> Claim:
    """Goodput of one case, of what is wanted."""
    found = [seen[Cell(case, load)].share for load in cases.LOADS[: len(least)]]
    shares = " / ".join(f"{share:.2f}" for share in least)
    loads = " / ".join(f"{load:g}" for load in cases.LOADS[: len(least)])
    return Claim(
        f"{case}: at least {shares} of the capacity in time at {loads} times it",
        " / ".join(f"{share:.2f}" for share in found),
        all(share >= wants for share, wants in zip(found, least, strict=True)),
    )


def stolen(seen: dict[Cell, Seen]) -> Claim:
    """What busy neighbours do."""
    one = seen[Cell(cases.STOLEN, 2.0)]
    met = one.late <= STOLEN_LATE_MAX and one.refusal_ms <= STOLEN_REFUSAL_MS_MAX
    return Claim(
        f"two burners a core, 2x: at most {percent(STOLEN_LATE_MAX, 0)} of what was not refused is "
        f"not in time, nothing is run in vain, refusals within {STOLEN_REFUSAL_MS_MAX:g} ms (p99)",
        f"{percent(one.late)}, {one.in_vain} in vain, {one.refusal_ms:.1f} ms",
        met and not one.in_vain,
    )


def comes_back(back: dict[str, float]) -> Claim:
    """What is left a second after something bad."""
    worst = min(back, key=lambda name: back[name])
    return Claim(
        f"a second after something bad at least {percent(BACK_MIN, 0)} are in time again",
        f"least {percent(back[worst])} ({worst})",
        back[worst] >= BACK_MIN,
    )
