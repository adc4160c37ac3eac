"""Retries in proportion to calls, so that failures never multiply the load.

The rule of Finagle's retry budget: each call earns a share of a retry, a few a second are free,
and what was earned expires.
"""


class RetryBudget:
    """Tokens for extra attempts. The life of tokens is kept in ten slots."""

    __slots__ = ("_earned", "_per_s", "_share", "_slot", "_slot_s", "_spent")

    SLOTS = 10

    def __init__(self, share: float, per_s: float, life_s: float) -> None:
        self._share = share
        self._per_s = per_s
        self._slot_s = life_s / self.SLOTS
        self._earned = [0.0] * self.SLOTS
        self._spent = [0.0] * self.SLOTS
        self._slot = 0

    def earn(self, now_s: float) -> None:
        """One call came."""
        self._turn(now_s)
        self._earned[self._slot % self.SLOTS] += self._share

    def try_spend(self, now_s: float) -> bool:
        """Takes one token if there is one."""
        self._turn(now_s)
        free = self._per_s * self._slot_s * self.SLOTS
        if sum(self._earned) + free - sum(self._spent) < 1.0:
            return False
        self._spent[self._slot % self.SLOTS] += 1.0
        return True

    def _turn(self, now_s: float) -> None:
        slot = int(now_s / self._slot_s) if self._slot_s > 0 else 0
        stale = min(slot - self._slot, self.SLOTS)
        for step in range(stale):
            at = (slot - step) % self.SLOTS
            self._earned[at] = 0.0
            self._spent[at] = 0.0
        self._slot = max(self._slot, slot)
