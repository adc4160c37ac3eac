"""The front of a router whose CPU is not for nothing: calls wait before it decides about them."""

from collections.abc import Callable
from typing import Any, Final

from hasten_sim.ask import Ask
from hasten_sim.cpu import Process
from hasten_sim.loop import Act, Loop
from hasten_sim.scenario import HostShape
from hasten_sim.thread import LEAST_S, Thread

FREE: Final = HostShape(cores=1.0, run_threads=1.0)
"""Nothing takes more than the least; of a router whose CPU is only stolen at times."""

Decide = Callable[[Ask], None]


class Front:
    """The thread of one router, and what each thing costs it.

    Args:
        process: Its CPU.
        host: Costs and bounds.
        loop: Virtual time.
        decide: Lets the machine decide about a call.
    """

    __slots__ = ("_decide", "_host", "_loop", "_process", "_thread", "_waiting")

    def __init__(
        self, process: Process, host: HostShape | None, loop: Loop, decide: Decide
    ) -> None:
        self._host = host or FREE
        self._process = process
        self._loop = loop
        self._decide = decide
        self._waiting: set[int] = set()
        self._thread = Thread(process, self._host.pending_max)

    def call(self, ask: Ask) -> bool:
        """A call came in; False where no more may wait."""
        if not self._thread.let_in(self._take, ask):
            if self._host.cut_s:
                self._process.start(self._host.cut_s, 1, _nothing, None)
            return False
        self._waiting.add(ask.call_id)
        return True

    def undecided(self, call_id: int) -> bool:
        """The machine has not heard of the call."""
        return call_id in self._waiting

    def do(self, act: Act, payload: Any) -> None:  # noqa: ANN401  (whatever the act takes)
        """Something that costs next to nothing."""
        self._thread.do(LEAST_S, act, payload)

    def refuse(self, ask: Ask, act: Act, payload: Any) -> None:  # noqa: ANN401  (as above)
        """Makes and sends a refusal, and then does `act`."""
        # That of a call that was dead on arrival is in the price of looking at it.
        dead = ask.deadline_s <= self._loop.now_s
        self._thread.do_next(LEAST_S if dead else self._host.refuse_s, act, payload)

    def hear(self, answers: int, act: Act, payload: Any) -> None:  # noqa: ANN401  (as above)
        """Reads what a worker sent, and sends the answers in it on."""
        self._thread.do(self._host.answer_s * answers, act, payload)

    def _take(self, ask: Ask) -> None:
        dead = ask.deadline_s <= self._loop.now_s
        self._thread.do_next(self._host.dead_s if dead else self._host.accept_s, self._taken, ask)

    def _taken(self, ask: Ask) -> None:
        self._waiting.discard(ask.call_id)
        self._decide(ask)


def _nothing(_: object) -> None:
    """What comes of a call that the transport has cut."""
