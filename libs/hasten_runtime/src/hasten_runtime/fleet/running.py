"""What a worker was running when its link ended."""

from collections.abc import Collection

from hasten.worker.v1 import worker_service_pb2 as pb


class RunningCalls:
    """The calls that a worker has said it runs, and whether it died with them.

    A link belongs to one connection at a time; each begins anew.
    """

    def __init__(self) -> None:
        self._last: pb.Running | None = None
        self._died = False

    def opened(self) -> None:
        """A connection was opened: nothing of the one before counts."""
        self._last, self._died = None, False

    def heard(self, running: pb.Running) -> None:
        """The worker tells what it runs now."""
        self._last = running

    def ended(self, error: Exception | None) -> None:
        """The connection ended; None as by an orderly end.

        So the system ends the connections of a process that is gone. Whatever else ends one, our
        own giving up of a silent worker included, does not tell that it is.
        """
        self._died = error is None or isinstance(error, ConnectionResetError | BrokenPipeError)

    def among(self, unanswered: Collection[int]) -> list[int]:
        """Unanswered calls that ran when the worker died, as far as it has told; none when it may
        not have died.
        """
        if not self._died:
            return []
        if self._last is None or not self._last.others_wait:
            return list(unanswered)
        return [call_id for call_id in self._last.call_ids if call_id in unanswered]
