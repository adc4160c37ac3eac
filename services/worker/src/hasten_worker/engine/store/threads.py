"""The store's two threads: one that loads, one for short work that must not wait for it."""

import asyncio
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from typing import ParamSpec, TypeVar

_P = ParamSpec("_P")
_T = TypeVar("_T")


class StoreThreads:
    """Runs blocking work off the event loop; on each thread one piece after the other."""

    def __init__(self) -> None:
        self._load = ThreadPoolExecutor(1, thread_name_prefix="model-load")
        self._chore = ThreadPoolExecutor(1, thread_name_prefix="model-chore")

    async def load(self, work: Callable[_P, _T], *args: _P.args, **kwargs: _P.kwargs) -> _T:
        """Work that may take minutes; goes on if the caller is cancelled."""
        loop = asyncio.get_running_loop()
        return await loop.run_in_executor(self._load, partial(work, *args, **kwargs))

    async def chore(self, work: Callable[_P, _T], *args: _P.args, **kwargs: _P.kwargs) -> _T:
        """Short work: looking at folders, freeing sessions."""
        loop = asyncio.get_running_loop()
        return await loop.run_in_executor(self._chore, partial(work, *args, **kwargs))

    async def close(self) -> None:
        """Waits for what is under way and ends the threads."""
        await asyncio.to_thread(self._load.shutdown)
        await asyncio.to_thread(self._chore.shutdown)
