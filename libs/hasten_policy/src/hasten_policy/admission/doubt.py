"""When to doubt what was learned, and not the call.

All that admission goes by, the time on the wire, theta, the service time, is learned from calls
that were admitted. Once it has come to refuse all of them nothing is learned any more, and a bad
minute would last for ever. So after a number of refusals in a row, and some time without any
outcome, one call is let through to an idle worker, where it is in nobody's way. If it is answered
in time, what was learned has been disproved.
"""

from hasten_policy.machines.router_policy import RouterPolicy


class Doubt:
    """The doubt in what was learned of one model.

    Args:
        policy: Says how many refusals and how much time it takes.
    """

    __slots__ = ("_pause_s", "_policy", "_refused", "_since_s")

    def __init__(self, policy: RouterPolicy) -> None:
        self._policy = policy
        self._refused = 0
        self._since_s = 0.0
        self._pause_s = policy.probe_after_s

    def refused(self, now_s: float) -> None:
        """A call was refused because it was predicted to be late."""
        if not self._refused:
            self._since_s = now_s
        self._refused += 1

    def heard(self) -> None:
        """An admitted call has ended: there is something to learn from."""
        self._refused = 0
        self._pause_s = self._policy.probe_after_s

    def due(self, now_s: float) -> bool:
        """A call may be let through that is predicted to be late."""
        return (
            self._refused >= self._policy.probe_refusals and now_s - self._since_s >= self._pause_s
        )

    def begin(self) -> None:
        """One is let through. The next one, if it fails, must wait twice as long."""
        self._refused = 0
        self._pause_s = min(2.0 * self._pause_s, self._policy.probe_s_max)
