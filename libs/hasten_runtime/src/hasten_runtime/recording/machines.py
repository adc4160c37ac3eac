"""The machines, with everything that they are told and asked going into a log."""

from collections.abc import Callable
from random import Random
from typing import TypeVar

from hasten_policy.eventlog import CheckpointRestored, LoadAsked, Raised, ReportAsked
from hasten_policy.load import LoadSample, WorkerReport
from hasten_policy.router.events import RouterEffect, RouterEvent
from hasten_policy.router.machine import RouterMachine
from hasten_policy.router.policy import RouterPolicy
from hasten_policy.worker.events import WorkerEffect, WorkerEvent
from hasten_policy.worker.machine import WorkerMachine
from hasten_policy.worker.policy import WorkerPolicy
from hasten_runtime.recording.recorder import Recorder

Effect = TypeVar("Effect")


class RecordedRouterMachine(RouterMachine):
    """A RouterMachine that records.

    Args:
        settings: Parameters.
        rng: Source of tie-breaks and jitter, with the seed that the log's header names.
        recorder: Where to.
    """

    __slots__ = ("_recorder",)

    def __init__(self, settings: RouterPolicy, *, rng: Random, recorder: Recorder) -> None:
        super().__init__(settings, rng=rng)
        self._recorder = recorder

    def on(self, event: RouterEvent, *, now_s: float) -> list[RouterEffect]:
        """As RouterMachine."""
        return _recorded(self._recorder, super().on, event, now_s)

    def restore(self, value: bytes) -> None:
        """As RouterMachine."""
        super().restore(value)
        text = value.decode("utf-8", "surrogateescape")
        # It has no time: a checkpoint is restored before the first event.
        self._recorder.record(CheckpointRestored(text), [], now_s=0.0)


class RecordedWorkerMachine(WorkerMachine):
    """A WorkerMachine that records.

    Args:
        settings: Parameters.
        recorder: Where to.
    """

    __slots__ = ("_recorder",)

    def __init__(self, settings: WorkerPolicy, *, recorder: Recorder) -> None:
        super().__init__(settings)
        self._recorder = recorder

    def on(self, event: WorkerEvent, *, now_s: float) -> list[WorkerEffect]:
        """As WorkerMachine."""
        return _recorded(self._recorder, super().on, event, now_s)

    def load(self, link_id: int, *, now_s: float) -> LoadSample:
        """As WorkerMachine."""
        sample = super().load(link_id, now_s=now_s)
        self._recorder.record(LoadAsked(link_id), [sample], now_s=now_s)
        return sample

    def report(self, link_id: int, *, now_s: float, incarnation: str) -> WorkerReport:
        """As WorkerMachine."""
        report = super().report(link_id, now_s=now_s, incarnation=incarnation)
        self._recorder.record(ReportAsked(link_id, incarnation), [report], now_s=now_s)
        return report


def _recorded(
    recorder: Recorder, on: Callable[..., list[Effect]], event: object, now_s: float
) -> list[Effect]:
    """What came of an event, be it an exception, after it was recorded."""
    try:
        effects = on(event, now_s=now_s)
    except Exception as error:
        recorder.record(event, Raised(type(error).__name__, str(error)), now_s=now_s)
        raise
    recorder.record(event, effects, now_s=now_s)
    return effects
