"""An event loop whose clock is moved by its own selector: a test of minutes takes no time.

While anything can run, time stands still. When nothing can, the clock jumps to the next timer.
When there is no timer either, whoever waits would wait for ever: that is a `Deadlock`, which names
what waits. A machine that stands still for ten seconds in the middle of a test changes nothing.

`@pytest.mark.virtual_time` runs a test and its fixtures on such a loop; the services' SystemClock
shows the loop's time. Connections stay inside the loop (`tests/support/network.py`); real
sockets, and with them grpc.aio, are refused. Work in threads counts as taking no time, as long as
it is awaited: `asyncio.to_thread` and `run_in_executor`.
"""

import asyncio
import selectors
from collections.abc import Callable, Mapping
from typing import Any, Final

from tests.support.network import Network

ORIGIN_S: Final = 1000.0
TURNS_MAX: Final = 1_000_000
"""Turns of the loop while time stands still: more can only be a loop that waits by turning."""
THREADS_S_MAX: Final = 60.0
"""Longest real wait for work in threads."""


class Deadlock(AssertionError):  # noqa: N818  (the word for it)
    """Nothing can ever run again, and the test is not over."""


class RealSocket(RuntimeError):  # noqa: N818  (what it is about)
    """Something wants a real socket, whose peer knows nothing of this loop's time."""


class VirtualLoop(asyncio.SelectorEventLoop):
    """An asyncio loop in virtual time, with a network of its own.

    Attributes:
        network: What `create_server` and `create_connection` use.
    """

    def __init__(self) -> None:
        self._now_s = ORIGIN_S
        self._in_threads = 0
        self._selector_of_time = _Selector(self._nothing_ready)
        super().__init__(self._selector_of_time)
        self._selector_of_time.sealed = True
        self.network = Network(self)

    def time(self) -> float:
        """Virtual seconds."""
        return self._now_s

    def run_in_executor(  # type: ignore[override]  # as it is used
        self, executor: Any, func: Callable[..., Any], *args: Any
    ) -> "asyncio.Future[Any]":
        """Time stands still until the work is done."""
        future = super().run_in_executor(executor, func, *args)
        self._in_threads += 1
        future.add_done_callback(self._left_thread)
        return future

    def _left_thread(self, _: object) -> None:
        self._in_threads -= 1

    async def shutdown_default_executor(self) -> None:
        """A thread of asyncio's own says when the others have ended."""
        self._in_threads += 1
        await super().shutdown_default_executor()
        self._in_threads -= 1

    async def create_server(self, protocol_factory: Any, *args: Any, **options: Any) -> Any:
        """Listens in the network of this loop."""
        return self.network.listen(protocol_factory, *args, **options)

    async def create_connection(self, protocol_factory: Any, *args: Any, **options: Any) -> Any:
        """Connects in the network of this loop."""
        return await self.network.connect(protocol_factory, *args, **options)

    def _nothing_ready(self, timeout_s: float | None) -> bool:
        """Moves the clock; False when threads have to be waited for instead."""
        if self._in_threads:
            return False
        if timeout_s is None:
            raise Deadlock(f"nothing can ever run again; what waits:\n{_waiting(self)}")
        # Exactly to the timer: a sum of differences may fall short of it.
        self._now_s = max(self._now_s, self._scheduled[0].when())  # type: ignore[attr-defined]
        return True


class _Selector(selectors.BaseSelector):
    """Knows the loop's own waker and no other file.

    Args:
        nothing_ready: Told how long the loop would wait; returns False when it really has to.
    """

    def __init__(self, nothing_ready: Callable[[float | None], bool]) -> None:
        self.sealed = False
        self._real = selectors.DefaultSelector()
        self._nothing_ready = nothing_ready
        self._turns = 0

    def select(self, timeout: float | None = None) -> list[tuple[selectors.SelectorKey, int]]:
        ready = self._real.select(0)
        if ready or (timeout is not None and timeout <= 0):
            self._turns += 1
            if self._turns > TURNS_MAX:
                self._turns = 0
                raise Deadlock(f"{TURNS_MAX} turns of the loop, and no time has passed")
            return ready
        self._turns = 0
        if self._nothing_ready(timeout):
            return []
        ready = self._real.select(THREADS_S_MAX)
        if not ready:
            raise Deadlock(f"work in a thread takes over {THREADS_S_MAX:g} s")
        return ready

    def register(self, fileobj: Any, events: int, data: Any = None) -> selectors.SelectorKey:
        if self.sealed:
            raise RealSocket(f"no real socket on a loop in virtual time: {fileobj!r}")
        return self._real.register(fileobj, events, data)

    def unregister(self, fileobj: Any) -> selectors.SelectorKey:
        return self._real.unregister(fileobj)

    def modify(self, fileobj: Any, events: int, data: Any = None) -> selectors.SelectorKey:
        return self._real.modify(fileobj, events, data)

    def get_key(self, fileobj: Any) -> selectors.SelectorKey:
        return self._real.get_key(fileobj)

    def get_map(self) -> Mapping[Any, selectors.SelectorKey]:
        return self._real.get_map()

    def close(self) -> None:
        self._real.close()


def _waiting(loop: asyncio.AbstractEventLoop) -> str:
    """One line for each task: its name, and where it waits."""
    lines = []
    for task in sorted(asyncio.all_tasks(loop), key=asyncio.Task.get_name):
        frames = task.get_stack()
        at = (
            f"{frames[-1].f_code.co_filename}:{frames[-1].f_lineno} {frames[-1].f_code.co_qualname}"
            if frames
            else "not begun"
        )
        lines.append(f"  {task.get_name()}: {at}")
    return "\n".join(lines) or "  (no task)"


def loop_time_s(_: object = None) -> float:
    """The running loop's seconds: what SystemClock shows in a test in virtual time."""
    return asyncio.get_running_loop().time()


async def elapse(seconds: float) -> None:
    """Lets virtual time pass. On a loop in real time it fails: there a test waits for something."""
    loop = asyncio.get_running_loop()
    assert isinstance(loop, VirtualLoop), "mark the test virtual_time, or wait for a condition"
    await asyncio.sleep(seconds)
