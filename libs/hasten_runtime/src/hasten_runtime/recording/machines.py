"""A machine, with everything that it is told and that it asks for going into a log."""

from typing import Generic, TypeVar

from hasten_policy.eventlog import Raised
from hasten_policy.machines import Machine
from hasten_runtime.recording.recorder import Recorder

Event = TypeVar("Event")
Effect = TypeVar("Effect")


class Recorded(Generic[Event, Effect]):
    """A machine of any kind that records. Whoever only looks at it asks the machine itself.

    Args:
        machine: Made with the policy and the seed that the log's header names, and told nothing.
        recorder: Where to.
    """

    __slots__ = ("_machine", "_recorder")

    def __init__(self, machine: Machine[Event, Effect], recorder: Recorder) -> None:
        self._machine = machine
        self._recorder = recorder

    def on(self, event: Event, *, now_s: float) -> list[Effect]:
        """As the machine; what came of the event, be it an exception, is recorded."""
        try:
            effects = self._machine.on(event, now_s=now_s)
        except Exception as error:
            self._recorder.record(event, Raised(type(error).__name__, str(error)), now_s=now_s)
            raise
        self._recorder.record(event, effects, now_s=now_s)
        return effects


def recorded(machine: Machine[Event, Effect], recorder: Recorder | None) -> Machine[Event, Effect]:
    """The machine, recorded if there is a recorder."""
    return machine if recorder is None else Recorded(machine, recorder)
