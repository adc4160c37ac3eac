"""Make-believe processes on one loop in virtual time, each of which can be stopped and go on.

What a process does is told by its context: whatever is started in `inside(name)`, and whatever that
starts, is the process's. While it is stopped none of its callbacks runs; time passes for all. Once
it goes on it runs what has become due, late, in the order in which it became due: as after SIGSTOP
and SIGCONT.
"""

import asyncio
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from contextvars import Context, ContextVar, copy_context
from typing import Any

from tests.support.virtual_time import VirtualLoop

_process: ContextVar[str] = ContextVar("process", default="")


@contextmanager
def inside(name: str) -> Iterator[None]:
    """What the block starts is this process's."""
    token = _process.set(name)
    try:
        yield
    finally:
        _process.reset(token)


def elsewhere() -> Context:
    """The context of no process: for a server, which goes on while its clients stand still."""
    return Context()


class _Due:
    """A callback that may have to wait until its process goes on."""

    def __init__(self, callback: Callable[..., Any], args: tuple[Any, ...]) -> None:
        self._callback = callback
        self._args = args
        self.handle: asyncio.Handle | None = None

    def run(self) -> None:
        if self.handle is None or not self.handle.cancelled():
            self._callback(*self._args)


class StallingLoop(VirtualLoop):
    """A loop in virtual time whose processes can be stopped."""

    def __init__(self) -> None:
        self._stopped: dict[str, list[tuple[_Due, Context]]] = {}
        super().__init__()

    def stop_process(self, name: str) -> None:
        """None of its callbacks runs from now on. Idempotent."""
        self._stopped.setdefault(name, [])

    def continue_process(self, name: str) -> None:
        """Its callbacks run again, first those that became due meanwhile. Idempotent."""
        for due, context in self._stopped.pop(name, []):
            super().call_soon(self._run, due, context, context=context)

    def is_stopped(self, name: str) -> bool:
        """It was stopped and has not gone on."""
        return name in self._stopped

    def call_soon(  # type: ignore[override]  # as it is used
        self, callback: Callable[..., Any], *args: Any, context: Context | None = None
    ) -> asyncio.Handle:
        context = copy_context() if context is None else context
        due = _Due(callback, args)
        due.handle = super().call_soon(self._run, due, context, context=context)
        return due.handle

    def call_at(  # type: ignore[override]  # as it is used
        self, when: float, callback: Callable[..., Any], *args: Any, context: Context | None = None
    ) -> asyncio.TimerHandle:
        context = copy_context() if context is None else context
        due = _Due(callback, args)
        due.handle = timer = super().call_at(when, self._run, due, context, context=context)
        return timer

    def _run(self, due: _Due, context: Context) -> None:
        stopped = self._stopped.get(_process.get())
        if stopped is None:
            due.run()
        else:
            stopped.append((due, context))
