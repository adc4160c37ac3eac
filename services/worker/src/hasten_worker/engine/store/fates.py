"""What becomes of the processes of models that serve: back soon, or out of rotation for a while."""

import asyncio
import weakref
from collections.abc import Awaitable, Callable
from contextlib import suppress
from functools import partial
from typing import Final

from hasten_runtime import logs
from hasten_worker.engine.store.entries import StoreListener
from hasten_worker.engine.store.shelf import Shelf
from hasten_worker.model import Fate, Model

REST_S: Final = 60.0
"""A model whose processes ended too often is out of rotation for so long."""
_log = logs.logger(__name__)


class Fates:
    """Follows the models that serve. For the event loop's thread.

    Args:
        listener: Told of models that come and go.
        shelf: Where they serve.
        load: Loads a model again, by name.
    """

    def __init__(
        self, listener: StoreListener, shelf: Shelf, load: Callable[[str], Awaitable[None]]
    ) -> None:
        self._listener = listener
        self._shelf = shelf
        self._load = load
        self._tasks: set[asyncio.Task[None]] = set()

    def follow(self, model: Model) -> None:
        """The model serves from now on."""
        loop = asyncio.get_running_loop()
        # A model that was replaced ends with the last call that holds it.
        held = weakref.ref(model)

        def tell(fate: Fate) -> None:
            # A loop that has closed serves nothing any more.
            with suppress(RuntimeError):
                loop.call_soon_threadsafe(self._happened, held, fate)

        model.serve(tell)

    async def stop(self) -> None:
        """Nothing comes back any more."""
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)

    def _happened(self, held: "weakref.ref[Model]", fate: Fate) -> None:
        model = held()
        if model is None:
            return
        spec = model.spec
        entry = self._shelf.entries.get(spec.name)
        serving = entry.serving.get(spec.version) if entry is not None else None
        if entry is None or serving is None or serving.model is not model:
            return
        match fate.kind:
            case "lost":
                self._listener.paused(model, fate.away_s)
            case "back":
                self._listener.resumed(spec.key)
            case "spent":
                reason = f"{fate.reason}; it is tried again after {REST_S:g} s"
                _log.error("model.left_rotation", model=spec.key, reason=reason)
                self._shelf.close(entry, spec.version)
                entry.refuse(spec.version, reason, serving.mark)
                task = asyncio.get_running_loop().create_task(
                    self._rest(spec.name, spec.version), name=f"rest-{spec.key}"
                )
                self._tasks.add(task)
                task.add_done_callback(partial(self._tasks.discard))

    async def _rest(self, name: str, version: str) -> None:
        await asyncio.sleep(REST_S)
        entry = self._shelf.entries.get(name)
        if entry is not None and entry.wanted and version in entry.refused:
            await self._load(name)
