"""What is to go to one worker, until it leaves."""

from collections import OrderedDict
from collections.abc import Iterable, Iterator
from typing import Generic, TypeVar

from hasten_policy.load import LoadSample

C = TypeVar("C")


class Outbox(Generic[C]):
    """Calls and cancels for one worker, in order.

    A call that is revoked before it has left is taken back: it would cost its bytes and a place in
    a batch, and nobody waits for it. Who decides has counted it as sent, though, and compares that
    with what the worker says it has received: so every call that stays here counts as received, or
    the worker would seem to have a call on its way for as long as the link lives.

    A cancel never overtakes its call: only a call that has left is cancelled.
    """

    __slots__ = ("_calls", "_cancels", "_kept")

    def __init__(self) -> None:
        self._calls: OrderedDict[int, C] = OrderedDict()
        self._cancels: list[int] = []
        self._kept = 0

    def __len__(self) -> int:
        return len(self._calls) + len(self._cancels)

    def __iter__(self) -> Iterator[C]:
        """The calls that wait, in order."""
        return iter(self._calls.values())

    @property
    def calls(self) -> int:
        """Calls that wait."""
        return len(self._calls)

    def put(self, call_id: int, call: C) -> None:
        """Adds a call."""
        self._calls[call_id] = call

    def revoke(self, call_id: int) -> None:
        """Nobody waits for the call any more."""
        if self._calls.pop(call_id, None) is None:
            self._cancels.append(call_id)
        else:
            self._kept += 1

    def keep(self, call_id: int) -> None:
        """The call will not leave."""
        del self._calls[call_id]
        self._kept += 1

    def leave(self, call_ids: Iterable[int]) -> None:
        """These calls leave."""
        for call_id in call_ids:
            del self._calls[call_id]

    def take_cancels(self) -> list[int]:
        """Calls to cancel with the next message, before its calls."""
        cancels, self._cancels = self._cancels, []
        return cancels

    def counted(self, load: LoadSample) -> LoadSample:
        """The worker's load, as if it had received what stayed here."""
        load.received += self._kept
        load.arrived += self._kept
        return load

    def clear(self) -> None:
        """The link is new, and nothing has been sent over it."""
        self._calls.clear()
        self._cancels.clear()
        self._kept = 0
