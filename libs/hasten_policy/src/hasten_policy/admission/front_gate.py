"""Is this call worth reading? The decision in front of admission.

A server takes calls from its transport in the order in which they came, each at a price. When more
come than it can take, they grow old in that queue, and whatever it then serves comes too late. The
gate refuses what can no longer be answered before anything of it is read, which is the cheapest
refusal that there is, so that the queue moves faster and the calls behind are younger.

It goes by evidence alone: a call is refused only if it has less time left than the fastest answer
of the last second took, and only while the server has had no idle moment for some time. A server
with time to spare lets all pass, for admission knows more: the model and its work. Calls without a
deadline, or with more time than that, always pass: what they may wait is bounded by the transport.
"""

from dataclasses import dataclass
from math import ceil, inf

from hasten_policy.reasons import Reason, Refusal


@dataclass(frozen=True, slots=True)
class FrontPolicy:
    """Parameters of FrontGate.

    Attributes:
        patience_s: The gate refuses nothing until the server has had no idle moment for so long.
        evidence_s: The fastest answer of so long is what a call must have time for; between this
            and twice this after the last answer the gate forgets it.
    """

    patience_s: float = 0.02
    evidence_s: float = 0.5

    def __post_init__(self) -> None:
        """Refuses values out of range, naming the field."""
        for name in ("patience_s", "evidence_s"):
            value = getattr(self, name)
            if not 0.0 < value < inf:
                raise ValueError(f"{name} must be positive and finite, is {value}")


class FrontGate:
    """Refuses what can no longer be answered, as long as there is more to do than can be done.

    Args:
        policy: Parameters.
    """

    __slots__ = ("_before_s", "_fastest_s", "_policy", "_until_s")

    def __init__(self, policy: FrontPolicy) -> None:
        self._policy = policy
        # The least of this stretch of time, and of the one before: answers grow old with them.
        self._fastest_s = inf
        self._before_s = inf
        self._until_s = -inf

    def answered(self, took_s: float, *, now_s: float) -> None:
        """A call was answered `took_s` after it was taken from the transport."""
        if now_s >= self._until_s:
            self._turn(now_s)
        self._fastest_s = min(self._fastest_s, took_s)

    def need_s(self, now_s: float) -> float:
        """What a call must have left: what the fastest answer took of late; 0 without any."""
        if now_s >= self._until_s:
            self._turn(now_s)
        fastest_s = min(self._fastest_s, self._before_s)
        return fastest_s if fastest_s < inf else 0.0

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
            f"too much to do: {left_ms} ms are left, the fastest answer of late took {need_ms} ms",
            metadata=(("left_ms", left_ms), ("fastest_ms", need_ms)),
        )

    def _turn(self, now_s: float) -> None:
        """Begins a new stretch."""
        stretch_s = self._policy.evidence_s
        recent = now_s < self._until_s + stretch_s
        self._before_s = self._fastest_s if recent else inf
        self._fastest_s = inf
        self._until_s = (self._until_s if recent else now_s) + stretch_s
