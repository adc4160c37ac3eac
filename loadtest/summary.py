"""Figures of a set of outcomes, and how people read them."""

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

from loadtest.call import Outcome

MISSED: Final = frozenset(
    {"SHED_BEFORE_START", "DEADLINE_PASSED", "DEADLINE_EXCEEDED", "WORKER_LOST", "CANCELLED"}
)
"""Ways to end that are no refusal on arrival; the status alone is this side's own clock."""


@dataclass(frozen=True, slots=True)
class Summary:
    """What became of the offered requests.

    Attributes:
        offered: Requests offered.
        answered: Answered in time.
        refused: Refused on arrival, by reason.
        missed: Neither refused on arrival nor answered in time, by reason.
        answer_ms: p50 and p99 of the answers.
        refusal_ms: p50 and p99 of the refusals.
        sent_late_ms: p50 and p99 of the sender's own lateness: when it is not small, the figures
            are the sender's and not the server's.
    """

    offered: int
    answered: int
    refused: dict[str, int]
    missed: dict[str, int]
    answer_ms: tuple[float, float]
    refusal_ms: tuple[float, float]
    sent_late_ms: tuple[float, float]

    @property
    def missed_share(self) -> float:
        """Of what was not refused on arrival, the share that was not answered in time."""
        missed = sum(self.missed.values())
        return missed / max(1, missed + self.answered)


def quantile(values: Sequence[float], q: float) -> float:
    """The q-quantile by nearest rank; 0 of nothing."""
    if not values:
        return 0.0
    ordered = sorted(values)
    return ordered[min(len(ordered) - 1, int(q * len(ordered)))]


def summarise(outcomes: Sequence[Outcome]) -> Summary:
    """Counts and percentiles."""
    answers = [outcome.took_s * 1e3 for outcome in outcomes if outcome.answered]
    sent_late = [outcome.sent_late_s * 1e3 for outcome in outcomes]
    ended = [outcome for outcome in outcomes if not outcome.answered]
    refused = [outcome for outcome in ended if outcome.why not in MISSED]
    refusals = [outcome.took_s * 1e3 for outcome in refused]
    reasons = Counter(outcome.why for outcome in refused)
    missed = Counter(outcome.why for outcome in ended if outcome.why in MISSED)
    return Summary(
        offered=len(outcomes),
        answered=len(answers),
        refused=dict(sorted(reasons.items())),
        missed=dict(sorted(missed.items())),
        answer_ms=(quantile(answers, 0.5), quantile(answers, 0.99)),
        refusal_ms=(quantile(refusals, 0.5), quantile(refusals, 0.99)),
        sent_late_ms=(quantile(sent_late, 0.5), quantile(sent_late, 0.99)),
    )


def normal_after_s(outcomes: Sequence[Outcome], *, window_s: float = 0.5) -> float:
    """Seconds from the first outcome on until in all windows nine calls in ten are answered."""
    if not outcomes:
        return 0.0
    begin_s = outcomes[0].due_s
    asked: Counter[int] = Counter()
    answered: Counter[int] = Counter()
    for outcome in outcomes:
        window = int((outcome.due_s - begin_s) / window_s)
        asked[window] += 1
        answered[window] += outcome.answered
    bad = [window for window, calls in asked.items() if answered[window] < 0.9 * calls]
    return (max(bad) + 1) * window_s if bad else 0.0
