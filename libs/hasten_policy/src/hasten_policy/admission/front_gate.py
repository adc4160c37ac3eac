"""Is this call worth reading? The decision in front of admission.

A server takes calls from its transport in the order in which they came, each at a price. When more
come than it can take, they grow old in that queue, and whatever it then serves comes too late. The
gate refuses what can no longer be answered before anything of it is read, which is the cheapest
refusal that there is, so that the queue moves faster and the calls behind are younger.

It goes by evidence alone: a call is refused only if it has less time left than most answers of the
last half second took, and only while the server has had no idle moment for some time. A server
with time to spare lets all pass, for admission knows more: the model and its work. Calls without a
deadline, or with more time than that, always pass: what they may wait is bounded by the transport.
The fastest answer would be too good an example: a call that has just its time is late as a rule.
"""

from collections import deque
from dataclasses import dataclass
from math import ceil, inf
from typing import Final

from hasten_policy.reasons import Reason, Refusal

ANSWERS_MAX: Final = 64
"""Newest answers that count."""
LOOK_S: Final = 0.005
"""Least seconds between two looks at them."""
SPREAD_MAX: Final = 32.0
"""A call needs no more than so many times the fastest answer; slow ones may be of other models."""


@dataclass(frozen=True, slots=True)
class FrontPolicy:
    """Parameters of FrontGate.

    Attributes:
        patience_s: The gate refuses nothing until the server has had no idle moment for so many
            seconds.
        evidence_s: The answers of so many seconds say what a call must have time for. The gate lets
            all calls pass after so many seconds without an answer.
        quantile: A call must have more time left than this share of those answers took.
    """

    patience_s: float = 0.01
    evidence_s: float = 0.5
    quantile: float = 0.9

    def __post_init__(self) -> None:
        """Refuses values out of range, naming the field."""
        for name in ("patience_s", "evidence_s"):
            value = getattr(self, name)
            if not 0.0 < value < inf:
                raise ValueError(f"{name} must be positive and finite, is {value}")
        if not 0.0 <= self.quantile < 1.0:
            raise ValueError(f"quantile must lie in [0, 1), is {self.quantile}")


class FrontGate:
    """Refuses what can no longer be answered, as long as there is more to do than can be done.

    Args:
        policy: Parameters.
    """

    __slots__ = ("_answers", "_look_s", "_need_s", "_policy")

    def __init__(self, policy: FrontPolicy) -> None:
        self._policy = policy
        self._answers: deque[tuple[float, float]] = deque(maxlen=ANSWERS_MAX)
        self._need_s = 0.0
        self._look_s = -inf

    def answered(self, took_s: float, *, now_s: float) -> None:
        """A call was answered `took_s` after it was taken from the transport."""
        self._answers.append((now_s, took_s))

    def need_s(self, now_s: float) -> float:
        """What a call must have left: what most answers of late took; 0 without any."""
        if now_s >= self._look_s:
            self._look_s = now_s + LOOK_S
            since_s = now_s - self._policy.evidence_s
            took = sorted([took_s for at_s, took_s in self._answers if at_s > since_s])
            self._need_s = 0.0
            if took:
                usual_s = took[int(self._policy.quantile * len(took))]
                self._need_s = min(usual_s, SPREAD_MAX * took[0])
        return self._need_s

    def bar(self, *, busy_s: float, now_s: float) -> tuple[float, Refusal] | None:
        """What calls must have left, for a transport that looks at each of them itself, and what
        those with less hear; None to let all pass. See `refuses`.
        """
        if busy_s < self._policy.patience_s or not (need_s := self.need_s(now_s)):
            return None
        need_ms = str(ceil(need_s * 1e3))
        return need_s, Refusal(
            Reason.OVERLOADED,
            f"too much to do: less is left than the {need_ms} ms that most answers of late took",
            metadata=(("usual_ms", need_ms),),
        )

    def refuses(self, left_s: float | None, *, busy_s: float, now_s: float) -> Refusal | None:
        """Why the call is not even read; None to let it pass.

        Args:
            left_s: Seconds until its deadline; None or infinite for none.
            busy_s: Seconds that the server has had no idle moment.
            now_s: Now; never goes back.
        """
        if left_s is None or busy_s < self._policy.patience_s:
            return None
        need_s = self.need_s(now_s)
        if not left_s < need_s:
            return None
        # In whole milliseconds, so that many refusals are one and the same.
        left_ms, need_ms = str(int(left_s * 1e3)), str(ceil(need_s * 1e3))
        return Refusal(
            Reason.OVERLOADED,
            f"too much to do: {left_ms} ms are left, most answers of late took {need_ms} ms",
            metadata=(("left_ms", left_ms), ("usual_ms", need_ms)),
        )
