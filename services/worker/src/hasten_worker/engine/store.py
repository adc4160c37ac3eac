"""The worker's model store: a repository on disk, kept as loaded, warm models.

Files are read and models loaded on a thread, one at a time, and examined in a child process
before that; the event loop only swaps finished models. Whatever goes wrong with a new version
leaves what serves as it is.
"""

import asyncio
import contextlib
import itertools
import time
from collections.abc import Callable, Mapping
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import ParamSpec, TypeVar

from hasten_policy.reasons import Reason
from hasten_runtime import logs
from hasten_worker.engine.entries import (
    Entry,
    IndexEntry,
    Mark,
    Serving,
    StoreListener,
)
from hasten_worker.engine.layout import (
    FolderState,
    check_name,
    look,
    wanted_versions,
)
from hasten_worker.engine.loader import Blueprint, Loader
from hasten_worker.engine.refusal import ModelRefused
from hasten_worker.engine.settings import StoreSettings
from hasten_worker.engine.shelf import Shelf, refuse
from hasten_worker.engine.snapshot import private_folder, write_upload
from hasten_worker.engine.watching import Watch
from hasten_worker.model import Model

__all__ = ["IndexEntry", "ModelStore", "StoreListener", "StoreSettings"]

_P = ParamSpec("_P")
_T = TypeVar("_T")
_log = logs.logger(__name__)


@dataclass(frozen=True, slots=True)
class _Source:
    """Where a model is loaded from.

    Attributes:
        folder: The model's folder.
        config_json: Configuration instead of the folder's.
        override: Number of the load request that sent configuration or files; 0 for none.
        again: Try also what was refused before and has not changed.
    """

    folder: Path
    config_json: str | None = None
    override: int = 0
    again: bool = False


class ModelStore:
    """See the module. Methods are for the event loop's thread.

    Args:
        settings: Where and how.
        listener: Told of models that come and go.
    """

    def __init__(self, settings: StoreSettings, listener: StoreListener) -> None:
        self._settings = settings
        self._loader = Loader(settings)
        self._shelf = Shelf(listener, self._close_model, settings.unload_wait_s)
        self._present: list[str] = []
        self._following: asyncio.Task[None] | None = None
        self._overrides = itertools.count(1)
        self._stopping = False
        # Loads may take minutes; looking and closing must not wait for them.
        self._load_thread = ThreadPoolExecutor(1, thread_name_prefix="model-load")
        self._chore_thread = ThreadPoolExecutor(1, thread_name_prefix="model-chores")

    # --- life -------------------------------------------------------------------------

    async def start(self) -> None:
        """Loads what the control mode says, then follows the folder if it says so.

        A model that is refused is in the index with its reason and stops nothing.

        Raises:
            ModelRefused: The repository cannot be read.
        """
        watch = Watch(self._settings)
        try:
            looks = await self._chore(watch.look)
        except OSError as error:
            raise ModelRefused(
                f"the model repository {self._settings.models_dir} cannot be read: {error.strerror}"
            ) from None
        self._present = watch.names
        names = self._wanted_at_start()
        if names:
            await self._on_load_thread(self._loader.prepare)
        for name in names:
            watch.taken_up(name, looks.get(name))
            await self._reconcile(name, again=True)
        await self._chore(self._loader.rest)
        if self._settings.control != "none":
            self._following = asyncio.get_running_loop().create_task(
                self._follow(watch), name="follow-repository"
            )

    async def stop(self) -> None:
        """Gives up what is loading and lets every model go. No run may be active."""
        self._stopping = True
        self._loader.stop()
        if self._following is not None:
            self._following.cancel()
            await asyncio.gather(self._following, return_exceptions=True)
        await self._shelf.clear()
        await asyncio.to_thread(self._load_thread.shutdown)
        await asyncio.to_thread(self._chore_thread.shutdown)

    # --- questions --------------------------------------------------------------------

    def resolve(self, name: str, version: str) -> Model:
        """The model that answers for this name and version ("" for the highest).

        Raises:
            MeshError: MODEL_NOT_FOUND, VERSION_NOT_FOUND or MODEL_LOADING.
        """
        return self._shelf.resolve(name, version)

    def ready(self, name: str, version: str) -> bool:
        """The version ("" for any) serves."""
        return self._shelf.ready(name, version)

    def index(self) -> list[IndexEntry]:
        """Every model and version that is known, by name and version."""
        return self._shelf.index(self._present)

    # --- control ----------------------------------------------------------------------

    async def load(
        self,
        name: str,
        *,
        config_json: str | None = None,
        files: Mapping[str, bytes] | None = None,
    ) -> None:
        """Loads a model or brings it to its newest files; returns when it serves.

        Args:
            name: The model.
            config_json: Configuration to use instead of the folder's.
            files: Files to use instead of the folder, by path as "1/model.onnx" or
                "file:1/model.onnx"; need config_json.

        Raises:
            MeshError: CONTROL_MODE, MODEL_NOT_FOUND, or MODEL_REFUSED with the reason; what
                served before still does.
        """
        self._check_control("load")
        self._check_name(name)
        if files and config_json is None:
            refuse(
                Reason.MODEL_REFUSED,
                f"model {name}: files are taken only together with the parameter config",
            )
        number = next(self._overrides) if files or config_json is not None else 0
        entry = self._shelf.entry(name)
        try:
            async with contextlib.AsyncExitStack() as stack:
                await stack.enter_async_context(entry.lock)
                folder = self._settings.models_dir / name
                if files:
                    folder = stack.enter_context(private_folder(self._settings.snapshot_dir))
                    await self._chore(write_upload, folder, files, self._settings.files)
                elif not await self._chore(folder.is_dir):
                    refuse(Reason.MODEL_NOT_FOUND, f"there is no model {name} in the repository")
                refused = await self._bring_up(
                    entry, _Source(folder, config_json, number, again=True)
                )
        except ModelRefused as error:
            refused = str(error)
        finally:
            self._drop_if_empty(entry)
            await self._chore(self._loader.rest)
        if refused:
            refuse(Reason.MODEL_REFUSED, f"model {name}: {refused}")

    async def unload(self, name: str, *, unload_dependents: bool = False) -> None:
        """Takes a model out of service; returns when its last call has ended.

        Args:
            name: The model.
            unload_dependents: Of no effect: no model depends on another.

        Raises:
            MeshError: CONTROL_MODE or MODEL_NOT_FOUND.
        """
        del unload_dependents
        self._check_control("unload")
        self._check_name(name)
        entry = self._shelf.entries.get(name)
        if entry is None:
            if name not in self._present:
                refuse(Reason.MODEL_NOT_FOUND, f"there is no model {name}")
            return
        await self._take_down(entry, "unloaded")

    def release(self, model_key: str) -> None:
        """The last call to a closed key has ended: its sessions may go."""
        self._shelf.release(model_key)

    # --- bringing up ------------------------------------------------------------------

    async def _reconcile(self, name: str, *, again: bool) -> None:
        """Brings a model to what its folder holds; never raises for the model's faults."""
        entry = self._shelf.entry(name)
        async with entry.lock:
            source = _Source(self._settings.models_dir / name, again=again)
            with contextlib.suppress(ModelRefused):
                await self._bring_up(entry, source)

    async def _bring_up(self, entry: Entry, source: _Source) -> str:
        """Loads what is wanted and closes what is not. The entry's lock is held.

        Returns:
            Why a wanted version was refused; "" when none was.

        Raises:
            ModelRefused: The model as a whole cannot be loaded.
        """
        entry.retry_at_s = None
        try:
            state = await self._chore(look, source.folder, self._settings.files)
            blueprint, wanted, count = await self._on_load_thread(self._plan, entry, source, state)
        except ModelRefused as error:
            self._note_refusal(entry, "", error)
            entry.reason = str(error)
            raise
        entry.reason = ""
        for version in entry.refused.keys() - state.versions.keys():
            entry.forget(version)
        good: list[str] = []
        refused: list[str] = []
        for version in wanted:
            if len(good) >= count:
                break
            mark: Mark = (state.common, state.versions.get(version), source.override)
            failure = await self._bring_up_version(entry, blueprint, version, mark, source)
            if failure:
                refused.append(f"version {version}: {failure}")
            if version in entry.serving:
                good.append(version)
        if len(good) >= count:
            for version in entry.serving.keys() - set(good):
                self._shelf.close(entry, version)
        return "; ".join(refused)

    def _plan(
        self, entry: Entry, source: _Source, state: FolderState
    ) -> tuple[Blueprint, list[str], int]:
        blueprint = self._loader.blueprint(entry.name, source.folder, source.config_json)
        for note in (*state.ignored, *blueprint.notes):
            _log.warning("model_note", model=entry.name, note=note)
        present = list(state.versions)
        if not present and blueprint.backend == "synthetic":
            # A synthetic model has no file, and git keeps no empty folder.
            present = ["1"]
        wanted, count = wanted_versions(blueprint.written.config, present)
        if not wanted:
            raise ModelRefused("it has no version: expected a folder named by a whole number")
        return blueprint, wanted, count

    async def _bring_up_version(
        self, entry: Entry, blueprint: Blueprint, version: str, mark: Mark, source: _Source
    ) -> str:
        """Makes a version serve what the mark stands for; why not, if it does not."""
        serving = entry.serving.get(version)
        if serving is not None and serving.mark == mark:
            entry.forget(version)
            return ""
        if entry.refused_marks.get(version) == mark and not source.again:
            return entry.refused[version]
        # A predecessor under the same key may still answer its last calls.
        await self._shelf.wait_gone(f"{entry.name}/{version}")
        entry.busy[version] = "LOADING"
        began_s = time.monotonic()
        try:
            model = await self._on_load_thread(self._loader.load, blueprint, version)
        except ModelRefused as error:
            entry.refuse(version, str(error), mark)
            self._note_refusal(entry, version, error)
            return str(error)
        except Exception as error:  # noqa: BLE001  (a fault of ours must not end the store)
            entry.refuse(version, f"a fault in Hasten: {type(error).__name__}", mark)
            _log.exception("model_load_fault", model=entry.name, version=version)
            return entry.refused[version]
        finally:
            del entry.busy[version]
        if self._stopping:
            model.close()
            return "the worker is stopping"
        entry.forget(version)
        self._shelf.open(entry, version, Serving(model, mark))
        _log.info(
            "model_ready",
            model=entry.name,
            version=version,
            load_s=round(time.monotonic() - began_s, 3),
            memory_bytes=model.memory_bytes,
            batch_max=model.spec.batch_max,
            run_s=round(min((took for _, took in model.spec.profile), default=0.0), 6),
        )
        return ""

    def _note_refusal(self, entry: Entry, version: str, error: ModelRefused) -> None:
        if error.passing:
            entry.retry_at_s = time.monotonic() + self._settings.retry_s
        if not self._stopping:
            _log.error("model_refused", model=entry.name, version=version, reason=str(error))

    async def _take_down(self, entry: Entry, reason: str) -> None:
        async with entry.lock:
            gone = [self._shelf.close(entry, version) for version in list(entry.serving)]
            entry.refused.clear()
            entry.refused_marks.clear()
            entry.reason = reason
            entry.retry_at_s = None
            for event in gone:
                await event.wait()

    # --- following the folder -----------------------------------------------------------

    async def _follow(self, watch: Watch) -> None:
        while True:
            await asyncio.sleep(self._settings.poll_interval_s)
            try:
                await self._chore(watch.look)
            except OSError as error:
                # A repository that is away for a while takes no model with it.
                _log.warning("repository_unreadable", reason=str(error))
                continue
            self._present = watch.names
            if self._settings.control == "poll":
                await self._take_up(watch)

    async def _take_up(self, watch: Watch) -> None:
        now_s = time.monotonic()
        due = {
            name
            for name, entry in self._shelf.entries.items()
            if entry.retry_at_s is not None and now_s >= entry.retry_at_s
        }
        changed = watch.settled()
        for name in watch.gone():
            entry = self._shelf.entries.get(name)
            if entry is not None:
                await self._take_down(entry, "its folder was removed")
                del self._shelf.entries[name]
        for name in changed | (due & set(watch.names)):
            watch.taken_up(name, watch.seen(name))
            await self._reconcile(name, again=name in due)
        if changed or due:
            await self._chore(self._loader.rest)

    # --- helpers ------------------------------------------------------------------------

    def _wanted_at_start(self) -> list[str]:
        if self._settings.control != "explicit" or "*" in self._settings.load_models:
            return list(self._present)
        return list(dict.fromkeys(self._settings.load_models))

    def _drop_if_empty(self, entry: Entry) -> None:
        """Forgets a name that came in a request and is no model."""
        if entry.name not in self._present and not (entry.serving or entry.refused or entry.busy):
            self._shelf.entries.pop(entry.name, None)

    def _check_control(self, verb: str) -> None:
        if self._settings.control != "explicit":
            refuse(
                Reason.CONTROL_MODE,
                f"{verb} requests are obeyed only with model control explicit, and this worker "
                f"has {self._settings.control}",
            )

    def _check_name(self, name: str) -> None:
        try:
            check_name(name)
        except ModelRefused as error:
            refuse(Reason.MODEL_NOT_FOUND, str(error))

    async def _close_model(self, model: Model) -> None:
        await self._chore(model.close)

    async def _chore(self, work: Callable[_P, _T], *args: _P.args, **kwargs: _P.kwargs) -> _T:
        loop = asyncio.get_running_loop()
        return await loop.run_in_executor(self._chore_thread, partial(work, *args, **kwargs))

    async def _on_load_thread(
        self, work: Callable[_P, _T], *args: _P.args, **kwargs: _P.kwargs
    ) -> _T:
        loop = asyncio.get_running_loop()
        return await loop.run_in_executor(self._load_thread, partial(work, *args, **kwargs))
