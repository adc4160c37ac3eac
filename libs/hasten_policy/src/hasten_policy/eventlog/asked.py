"""What else changes a machine, or comes of an event, and so belongs into its log."""

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class LoadAsked:
    """WorkerMachine.load was called: it counts its samples."""

    link_id: int


@dataclass(frozen=True, slots=True)
class ReportAsked:
    """WorkerMachine.report was called: it also lets stale predictions go."""

    link_id: int
    incarnation: str


@dataclass(frozen=True, slots=True)
class CheckpointRestored:
    """RouterMachine.restore was called.

    Attributes:
        value: The checkpoint, UTF-8 with surrogate escapes for what is none.
    """

    value: str


@dataclass(frozen=True, slots=True)
class Raised:
    """The machine raised an exception instead of answering.

    Attributes:
        error: Its class.
        message: What it said.
    """

    error: str
    message: str
