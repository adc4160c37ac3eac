"""Whether a set of periodic tasks keeps its deadlines on one worker that cannot be interrupted.

The set is served by fixed priorities, the shortest deadline first ("deadline monotonic"; Leung and
Whitehead, 1982). Three tests, each of which accepts what the next one accepts and more:

- Response times, exact for runs that cannot be interrupted: the longest time from a task's turn to
  its end, over all its turns in the longest busy period (George, Rivierre and Spuri, 1996; Davis,
  Burns, Bril and Lukkien, 2007, who showed that the first turn is not always the worst).
- The hyperbolic bound (Bini, Buttazzo and Buttazzo, 2003), and
- the bound of Liu and Layland (1973), both with a blocking term, for deadlines equal to periods.

Times are whole numbers, in any one unit; every comparison is exact.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from fractions import Fraction
from typing import Final

TURNS_MAX: Final = 10_000
"""Turns of one task that are looked at. More belong to sets that use all of a worker."""
STEPS_MAX: Final = 100_000
"""Steps of one search for a fixed point."""


@dataclass(frozen=True, slots=True)
class Need:
    """A periodic task.

    Attributes:
        name: Settles ties.
        run: Its longest run.
        period: No two of its turns are closer.
        deadline: It must end so long after its turn; at most the period.
        jitter: It may be ready so long after its turn, as work on the way varies.
    """

    name: str
    run: int
    period: int
    deadline: int
    jitter: int = 0

    @property
    def share(self) -> Fraction:
        """Of a worker's time."""
        return Fraction(self.run, self.period)


def by_rank(needs: Sequence[Need]) -> list[Need]:
    """The most urgent first."""
    return sorted(needs, key=lambda need: (need.deadline, need.period, need.name))


def response(needs: Sequence[Need], name: str, block: int) -> int | None:
    """The longest time from a turn of a task to its end.

    Args:
        needs: The set.
        name: The task.
        block: The longest run of what does not belong to the set.

    Returns:
        None when there is no bound, or none that could be found.
    """
    ranked = by_rank(needs)
    at = [need.name for need in ranked].index(name)
    own, above, below = ranked[at], ranked[:at], ranked[at + 1 :]
    block = max([block, *(need.run for need in below)])
    busy = _busy(own, above, block)
    if busy is None:
        return None
    turns = -(-(busy + own.jitter) // own.period)
    if turns > TURNS_MAX:
        return None
    worst = 0
    start = block
    for turn in range(turns):
        found = _start(above, block + turn * own.run, max(start, block + turn * own.run))
        if found is None:
            return None
        start = found
        worst = max(worst, start + own.run + own.jitter - turn * own.period)
    return worst


def _busy(own: Need, above: Sequence[Need], block: int) -> int | None:
    """How long a worker is busy at most with these and one run of something else."""
    tasks = [*above, own]
    if sum((need.share for need in tasks), Fraction(0)) >= 1:
        return None
    length = block + own.run
    for _ in range(STEPS_MAX):
        onward = block + sum(-(-(length + need.jitter) // need.period) * need.run for need in tasks)
        if onward == length:
            return length
        length = onward
    return None


def _start(above: Sequence[Need], work: int, begin: int) -> int | None:
    """When a turn starts, if so much is before it apart from more urgent tasks: these also go first
    when they come at the very moment.
    """
    start = begin
    for _ in range(STEPS_MAX):
        onward = work + sum(((start + need.jitter) // need.period + 1) * need.run for need in above)
        if onward == start:
            return start
        start = onward
    return None


def late(needs: Sequence[Need], block: int) -> tuple[Need, int | None] | None:
    """The first task, by rank, that can be late, with its response; None when all are in time."""
    for need in by_rank(needs):
        found = response(needs, need.name, block)
        if found is None or found > need.deadline:
            return need, found
    return None


def _blocked(needs: Sequence[Need], block: int) -> list[tuple[list[Fraction], Fraction]]:
    """Of each task: the shares of those above it, and its own with what blocks it."""
    ranked = by_rank(needs)
    shares = [need.share for need in ranked]
    return [
        (
            shares[:at],
            Fraction(need.run + max([block, *(low.run for low in ranked[at + 1 :])]), need.period),
        )
        for at, need in enumerate(ranked)
    ]


def _implicit(needs: Sequence[Need]) -> bool:
    return all(need.deadline == need.period and not need.jitter for need in needs)


def hyperbolic(needs: Sequence[Need], block: int) -> bool:
    """The hyperbolic bound holds for every task."""
    if not _implicit(needs):
        return False
    for shares, own in _blocked(needs, block):
        product = own + 1
        for share in shares:
            product *= share + 1
        if product > 2:
            return False
    return True


def liu_layland(needs: Sequence[Need], block: int) -> bool:
    """The bound of Liu and Layland holds for every task."""
    if not _implicit(needs):
        return False
    for shares, own in _blocked(needs, block):
        count = len(shares) + 1
        # Σ U ≤ n (2^(1/n) - 1), without a root.
        if (sum(shares, own) / count + 1) ** count > 2:
            return False
    return True
