"""The models that serve now: swapped in and out without a gap. For the event loop's thread."""

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from typing import Final, NoReturn

from hasten_policy.reasons import Reason, Refusal
from hasten_policy.short import short
from hasten_runtime import logs
from hasten_runtime.errors import MeshError
from hasten_worker.engine.files.layout import is_version
from hasten_worker.engine.store.entries import (
    Entry,
    Gap,
    IndexEntry,
    Serving,
    StoreListener,
    with_unversioned,
)
from hasten_worker.model import Model

LOADING_RETRY_S: Final = 1.0
"""Hint to callers of a model that is loading."""
_log = logs.logger(__name__)


@dataclass(slots=True)
class _Leaving:
    """A closed version whose last calls still run.

    Attributes:
        idle: Set when its last call has ended.
        gone: Set when its sessions are gone.
    """

    idle: asyncio.Event = field(default_factory=asyncio.Event)
    gone: asyncio.Event = field(default_factory=asyncio.Event)


class Shelf:
    """Entries, and routes to the serving ones.

    Args:
        listener: Told of models that come and go.
        close: Frees a model's sessions, off the event loop.
        unload_wait_s: Longest wait for the calls of a closed version to end.

    Attributes:
        entries: By model.
        present: Models of the repository.
        unusable: What else lies in the repository, with the reason why it is no model.
    """

    def __init__(
        self,
        listener: StoreListener,
        close: Callable[[Model], Awaitable[None]],
        unload_wait_s: float,
    ) -> None:
        self.entries: dict[str, Entry] = {}
        self.present: list[str] = []
        self.unusable: dict[str, str] = {}
        self._listener = listener
        self._close_model = close
        self._unload_wait_s = unload_wait_s
        self._routes: dict[tuple[str, str], Model] = {}
        self._leaving: dict[str, _Leaving] = {}
        self._tasks: set[asyncio.Task[None]] = set()

    def entry(self, name: str) -> Entry:
        """The model's entry, made if there is none."""
        return self.entries.setdefault(name, Entry(name))

    @asynccontextmanager
    async def changing(self, name: str) -> AsyncIterator[Entry]:
        """Holds the model for a change; one at a time.

        An entry of which nothing is left, and that nobody wants nor the repository has, is
        dropped at the end: names that come in requests must not pile up.
        """
        entry = self.entry(name)
        entry.changers += 1
        try:
            async with entry.lock:
                yield entry
        finally:
            entry.changers -= 1
            if entry.empty and not entry.wanted and name not in self.present:
                self.entries.pop(name, None)

    def resolve(self, name: str, version: str) -> Model:
        """See `ModelStore.resolve`."""
        model = self._routes.get((name, version))
        if model is None:
            self._refuse_unknown(name, version)
        return model

    def ready(self, name: str, version: str) -> bool:
        """The version ("" for any) serves."""
        return (name, version) in self._routes

    def index(self) -> list[IndexEntry]:
        """Every known model and version; models that are only `present` on disk have no state.

        A folder that cannot be a model is listed too, so that nobody misses it in vain.
        """
        lines = [IndexEntry(name, "", "", "") for name in self.present if name not in self.entries]
        lines += [
            IndexEntry(name, "", "UNAVAILABLE", reason)
            for name, reason in self.unusable.items()
            if name not in self.entries
        ]
        for entry in self.entries.values():
            lines.extend(entry.lines())
        # Stable: an entry's versions stay in their order.
        return sorted(lines, key=lambda line: line.name)

    def gaps(self) -> list[Gap]:
        """What should serve and does not, by model."""
        return [gap for name in sorted(self.entries) for gap in self.entries[name].gaps()]

    @property
    def serves(self) -> bool:
        """Some version serves."""
        return bool(self._routes)

    def open(self, entry: Entry, version: str, serving: Serving) -> None:
        """Puts a version into service; the one it replaces ends with its last run."""
        entry.serving[version] = serving
        with_unversioned(serving.model, serves=entry.unversioned() == version)
        self._listener.opened(serving.model)
        self._routes[entry.name, version] = serving.model
        self._route_unversioned(entry)

    def close(self, entry: Entry, version: str) -> asyncio.Event:
        """Takes a version out of service; the event is set when its sessions are gone."""
        serving = entry.serving.pop(version)
        key = serving.model.spec.key
        del self._routes[entry.name, version]
        self._route_unversioned(entry)
        leaving = self._leaving[key] = _Leaving()
        entry.busy[version] = "UNLOADING"
        self._listener.closed(key)
        task = asyncio.get_running_loop().create_task(
            self._see_off(entry, version, serving.model, leaving), name=f"close-{key}"
        )
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)
        return leaving.gone

    def release(self, model_key: str) -> None:
        """The last call to a closed key has ended."""
        leaving = self._leaving.get(model_key)
        if leaving is not None:
            leaving.idle.set()

    async def wait_gone(self, model_key: str) -> None:
        """Returns when no closed version under this key has calls left."""
        leaving = self._leaving.get(model_key)
        if leaving is not None:
            await leaving.gone.wait()

    async def clear(self) -> None:
        """Lets every model go without a word to the listener."""
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)
        self._routes.clear()
        for entry in self.entries.values():
            models = [serving.model for serving in entry.serving.values()]
            entry.serving.clear()
            for model in models:
                await self._close_model(model)

    def _route_unversioned(self, entry: Entry) -> None:
        chosen = entry.unversioned()
        if chosen is None:
            self._routes.pop((entry.name, ""), None)
            return
        self._routes[entry.name, ""] = entry.serving[chosen].model
        # The chosen one first: at no time does no version answer.
        for version, serving in sorted(entry.serving.items(), key=lambda item: item[0] != chosen):
            if with_unversioned(serving.model, serves=version == chosen):
                self._listener.opened(serving.model)

    async def _see_off(self, entry: Entry, version: str, model: Model, leaving: _Leaving) -> None:
        try:
            async with asyncio.timeout(self._unload_wait_s):
                await leaving.idle.wait()
            await self._close_model(model)
            _log.info("model.closed", model=entry.name, version=version)
        except TimeoutError:
            # Its runs hold what they need; the rest goes with them.
            _log.warning("model.still_running", model=entry.name, version=version)
        finally:
            entry.busy.pop(version, None)
            if self._leaving.get(model.spec.key) is leaving:
                del self._leaving[model.spec.key]
            leaving.gone.set()

    def _refuse_unknown(self, name: str, version: str) -> NoReturn:
        entry = self.entries.get(name)
        if entry is None and name in self.present:
            refuse(Reason.MODEL_NOT_FOUND, f"model {name} is in the repository but not loaded")
        if entry is None:
            refuse(Reason.MODEL_NOT_FOUND, f"there is no model {short(name)!r}")
        loading = [key for key, state in entry.busy.items() if state == "LOADING"]
        if entry.awaited or version in loading or (loading and not version):
            refusal = Refusal(
                Reason.MODEL_LOADING, f"model {name} is loading", retry_after_s=LOADING_RETRY_S
            )
            raise MeshError(refusal)
        if entry.serving:
            known = ", ".join(sorted(entry.serving, key=int))
            hint = "" if is_version(version) else "; a version is a whole number"
            refuse(
                Reason.VERSION_NOT_FOUND,
                f"model {name} serves version {known}, not {short(version)!r}{hint}",
            )
        why = entry.reason or "; ".join(entry.refused.values()) or "it was closed"
        refuse(Reason.MODEL_NOT_FOUND, f"model {name} does not serve: {why[:500]}")


def refuse(reason: Reason, message: str) -> NoReturn:
    """Raises the refusal."""
    raise MeshError(Refusal(reason, message))
