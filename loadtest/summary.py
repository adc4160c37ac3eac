"""Figures of a set of outcomes, and how people read them."""

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass

from loadtest.call import Outcome


@dataclass(frozen=True, slots=True)
class Summary:
    """What became of the offered requests.

    Attributes:
        offered: Requests offered.
        answered: Answered in time.
        refused: Refused or late, by reason.
        answer_ms: p50 and p99 of the answers.
        refusal_ms: p50 and p99 of everything else.
    """

    offered: int
    answered: int
    refused: dict[str, int]
    answer_ms: tuple[float, float]
    refusal_ms: tuple[float, float]


def quantile(values: Sequence[float], q: float) -> float:
    """The q-quantile by nearest rank; 0 of nothing."""
    if not values:
        return 0.0
    ordered = sorted(values)
    return ordered[min(len(ordered) - 1, int(q * len(ordered)))]


def summarise(outcomes: Sequence[Outcome]) -> Summary:
    """Counts and percentiles."""
    answers = [outcome.took_s * 1e3 for outcome in outcomes if outcome.answered]
    others = [outcome.took_s * 1e3 for outcome in outcomes if not outcome.answered]
    reasons = Counter(o.reason or o.status for o in outcomes if not o.answered)
    return Summary(
        offered=len(outcomes),
        answered=len(answers),
        refused=dict(sorted(reasons.items())),
        answer_ms=(quantile(answers, 0.5), quantile(answers, 0.99)),
        refusal_ms=(quantile(others, 0.5), quantile(others, 0.99)),
    )
