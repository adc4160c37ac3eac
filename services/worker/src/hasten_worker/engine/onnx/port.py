"""What runs the batches of one model version on one device, wherever that is."""

from collections.abc import Sequence
from typing import Protocol

from hasten_worker.model import Array, Run, Tell


class ModelRunner(Protocol):
    """Of one session: in this process (`OnnxRunner`) or in one of its own (`IsolatedRunner`)."""

    @property
    def away_s(self) -> float:
        """Seconds after which it will run batches again, about; 0 when it does."""
        ...

    def new_run(self) -> Run:
        """A fresh run; cheap."""
        ...

    def settle(self, seen: Sequence[dict[str, Array]]) -> None:
        """Learns from some answers which outputs have the sizes that they declare."""
        ...

    def serve(self, tell: Tell) -> None:
        """It is in service from now on; `tell` hears, from any thread, what becomes of its
        process.
        """
        ...

    def close(self) -> None:
        """Lets the session go. No run is active."""
        ...
