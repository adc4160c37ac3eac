"""DAGOR, overload control of WeChat (Zhou et al., SoCC 2018).

A window is overloaded when calls waited 20 ms in the mean. Calls have a compound level, class
first and within the class a number drawn for the user, anew each hour; below a cut they are
refused. After an overloaded window the cut is set so that 5 % fewer would have come in than did,
after any other so that 1 % of all offered would have come in more, by a histogram of the levels.
"""

from typing import Final

from hasten_policy.admission.gate import Asking, Gate
from hasten_policy.fleet.subset import affinity_score
from hasten_policy.priorities import CLASSES

WAIT_S: Final = 0.02
WINDOW_S: Final = 1.0
WINDOW_CALLS: Final = 2000
LESS: Final = 0.05
MORE: Final = 0.01
USERS: Final = 128
HOUR_S: Final = 3600.0


class Dagor(Gate):
    """Cuts by priority class and user. It takes many windows to come back after a spike."""

    __slots__ = ("_admitted", "_cut", "_levels", "_offered", "_until_s", "_waited_s", "_waits")

    def __init__(self) -> None:
        self._cut = CLASSES * USERS - 1
        self._until_s = 0.0
        self._begin()

    @property
    def cut(self) -> int:
        """The last level that is admitted."""
        return self._cut

    def refuses(self, call: Asking, held: int, now_s: float) -> str:
        """As `Gate.refuses`."""
        del held
        if now_s >= self._until_s or self._offered >= WINDOW_CALLS:
            self._turn()
            self._until_s = now_s + WINDOW_S
        # Who names no tenant counts as a user of his own.
        user = call.tenant or str(call.call_id)
        drawn = affinity_score(user, str(int(now_s // HOUR_S))) % USERS
        level = call.priority * USERS + drawn
        self._levels[level] += 1
        self._offered += 1
        if level <= self._cut:
            self._admitted += 1
            return ""
        return f"level {level} is beyond the cut of {self._cut}"

    def drops(self, waited_s: float, now_s: float) -> bool:
        """As `Gate.drops`; only listens."""
        del now_s
        self._waits += 1
        self._waited_s += waited_s
        return False

    def _begin(self) -> None:
        self._levels = [0] * (CLASSES * USERS)
        self._offered = 0
        self._admitted = 0
        self._waits = 0
        self._waited_s = 0.0

    def _turn(self) -> None:
        if self._waits and self._waited_s > WAIT_S * self._waits:
            wanted = self._admitted * (1.0 - LESS)
        else:
            wanted = self._admitted + self._offered * MORE
        if self._offered:
            let_in = 0
            cut = -1
            for level, count in enumerate(self._levels):
                let_in += count
                if let_in > wanted:
                    break
                cut = level
            # Never shut altogether: what is never let in can never show that there is room.
            self._cut = max(0, cut)
        self._begin()
