"""Calls in flight whose input a worker may have died of."""

from dataclasses import dataclass
from typing import TYPE_CHECKING

from hasten_policy.fleet.workers import WorkerRecord

if TYPE_CHECKING:
    from hasten_policy.content import Content
    from hasten_policy.router.calls import CallRecord


@dataclass(slots=True)
class Trial:
    """Those with one input.

    Attributes:
        worker: Where all of them are.
        calls: Their number.
    """

    worker: WorkerRecord
    calls: int = 0


class Trials:
    """All of them.

    Attributes:
        by_content: Those with one input, by input.
    """

    __slots__ = ("_by_worker", "by_content")

    def __init__(self) -> None:
        self.by_content: dict[Content, Trial] = {}
        self._by_worker: dict[WorkerRecord, int] = {}

    def __len__(self) -> int:
        return len(self.by_content)

    def at(self, worker: WorkerRecord) -> int:
        """Calls on trial at a worker."""
        return self._by_worker.get(worker, 0)

    def begin(self, call: "CallRecord", worker: WorkerRecord) -> None:
        """Such a call goes to the worker."""
        call.on_trial = True
        self._by_worker[worker] = self.at(worker) + 1
        if call.content is not None:
            self.by_content.setdefault(call.content, Trial(worker)).calls += 1

    def end(self, call: "CallRecord", worker: WorkerRecord) -> None:
        """It is there no more."""
        call.on_trial = False
        self._by_worker[worker] -= 1
        if not self._by_worker[worker]:
            del self._by_worker[worker]
        if call.content is not None:
            trial = self.by_content[call.content]
            trial.calls -= 1
            if not trial.calls:
                del self.by_content[call.content]

    def may_have(self, call: "CallRecord", worker: WorkerRecord) -> bool:
        """Whether a call that is doubted may go there now. Each runs in a batch of its own, and
        workers tell which one runs. So equal ones that ran go to one worker, and may end that one
        only, while those that did not run wait for what becomes of these; and where runs go on side
        by side no two different ones meet, so that it is known which of them did it.
        """
        if not call.alone:
            return True
        content = call.content
        there = self.by_content.get(content) if content is not None else None
        if there is not None and (there.worker is not worker or not call.deaths):
            return False
        equal = there.calls if there is not None else 0
        return worker.lanes == 1 or self.at(worker) == equal
