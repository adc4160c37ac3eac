"""The worker's model store: a repository on disk, kept as loaded, warm models.

Files are read and models loaded on a thread, one at a time, and examined in a child process
before that; the event loop only swaps finished models. Whatever goes wrong with a new version
leaves what serves as it is.
"""

import asyncio
import contextlib
import itertools
from collections.abc import Mapping

from hasten_policy.reasons import Reason
from hasten_runtime import logs
from hasten_runtime.clock import Clock, SystemClock
from hasten_worker.engine.files.layout import check_name
from hasten_worker.engine.files.snapshot import private_folder, write_upload
from hasten_worker.engine.isolation.host import Use
from hasten_worker.engine.loading.loader import Loader
from hasten_worker.engine.refusal import ModelRefused
from hasten_worker.engine.settings import StoreSettings
from hasten_worker.engine.store.bring_up import BringUp, Source
from hasten_worker.engine.store.entries import Gap, IndexEntry, StoreListener
from hasten_worker.engine.store.fates import Fates
from hasten_worker.engine.store.shelf import Shelf, refuse
from hasten_worker.engine.store.threads import StoreThreads
from hasten_worker.engine.store.watching import Watch
from hasten_worker.model import Model

__all__ = ["Gap", "IndexEntry", "ModelStore", "StoreListener", "StoreSettings"]

_log = logs.logger(__name__)


class ModelStore:
    """See the module. Methods are for the event loop's thread.

    Args:
        settings: Where and how.
        listener: Told of models that come and go.
        clock: For load times, retries and the batch profile.
    """

    def __init__(
        self, settings: StoreSettings, listener: StoreListener, clock: Clock | None = None
    ) -> None:
        self._settings = settings
        self._clock = clock or SystemClock()
        self._threads = StoreThreads()
        self._loader = Loader(settings, self._clock)
        self._shelf = Shelf(listener, self._close_model, settings.unload_wait_s)
        self._fates = Fates(listener, self._shelf, self._load_again)
        self._bring_up = BringUp(
            settings, self._loader, self._shelf, self._threads, self._clock, self._fates.follow
        )
        self._following: asyncio.Task[None] | None = None
        self._loads: set[asyncio.Task[str]] = set()
        self._overrides = itertools.count(1)
        self._stopping = False

    # --- life -------------------------------------------------------------------------

    async def start(self) -> None:
        """Loads what the control mode says, then follows the folder if it says so.

        A model that is refused is in the index with its reason and stops nothing.

        Raises:
            ModelRefused: The repository cannot be read.
        """
        watch = Watch(self._settings)
        try:
            await self._threads.chore(watch.look)
        except OSError as error:
            raise ModelRefused(
                f"the model repository {self._settings.models_dir} cannot be read: {error.strerror}"
            ) from None
        self._note(watch)
        names = self._wanted_at_start()
        for name in names:
            entry = self._shelf.entry(name)
            entry.awaited = entry.wanted = True
        if names:
            await self._threads.load(self._loader.prepare)
        for name in names:
            watch.taken_up(name)
            await self._reconcile(name, again=True)
        await self._rest()
        if self._settings.control != "none" and not self._stopping:
            self._following = asyncio.get_running_loop().create_task(
                self._follow(watch), name="follow-repository"
            )

    async def stop(self) -> None:
        """Gives up what is loading and lets every model go. No run may be active."""
        self._stopping = True
        self._bring_up.stop()
        if self._following is not None:
            self._following.cancel()
            await asyncio.gather(self._following, return_exceptions=True)
        await asyncio.gather(*self._loads, return_exceptions=True)
        await self._fates.stop()
        await self._shelf.clear()
        await self._threads.chore(self._loader.close)
        await self._threads.close()

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
        return self._shelf.index()

    def gaps(self) -> list[Gap]:
        """What should serve and does not: models and versions that were refused or are still
        loading, and what in a repository that is to be served whole cannot be a model.
        """
        unusable: list[Gap] = []
        if self._settings.control != "explicit" or "*" in self._settings.load_models:
            unusable = [Gap(name, "", why) for name, why in sorted(self._shelf.unusable.items())]
        return self._shelf.gaps() + unusable

    def use(self) -> Use:
        """What the processes that run models use."""
        return self._loader.use()

    @property
    def warm_up_s(self) -> float:
        """Seconds for which models were warmed up and measured, of all loads."""
        return self._loader.warm_up_s

    @property
    def serves(self) -> bool:
        """Some model serves."""
        return self._shelf.serves

    # --- control ----------------------------------------------------------------------

    async def load(
        self,
        name: str,
        *,
        config_json: str | None = None,
        files: Mapping[str, bytes] | None = None,
    ) -> None:
        """Loads a model or brings it to its newest files; returns when it serves.

        Once begun, the load goes on even if the caller is cancelled.

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
        _check_name(name)
        if files and config_json is None:
            refuse(
                Reason.MODEL_REFUSED,
                f"model {name}: files are taken only together with the parameter config",
            )
        if not files and not await self._threads.chore((self._settings.models_dir / name).is_dir):
            refuse(Reason.MODEL_NOT_FOUND, f"there is no model {name} in the repository")
        self._check_room(name)
        task = asyncio.get_running_loop().create_task(
            self._load(name, config_json, files or {}), name=f"load-{name}"
        )
        self._loads.add(task)
        task.add_done_callback(self._loads.discard)
        refused = await asyncio.shield(task)
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
        _check_name(name)
        if name in self._shelf.entries:
            await self._take_down(name, "it was unloaded")
        elif name not in self._shelf.present:
            refuse(Reason.MODEL_NOT_FOUND, f"there is no model {name}")

    def release(self, model_key: str) -> None:
        """The last call to a closed key has ended: its sessions may go."""
        self._shelf.release(model_key)

    # --- changing what serves -----------------------------------------------------------

    async def _load(self, name: str, config_json: str | None, files: Mapping[str, bytes]) -> str:
        """Why the load was refused; "" if it was not."""
        override = next(self._overrides) if files or config_json is not None else 0
        folder = self._settings.models_dir / name
        try:
            async with self._shelf.changing(name) as entry:
                with contextlib.ExitStack() as stack:
                    if files:
                        folder = stack.enter_context(private_folder(self._settings.snapshot_dir))
                        limits = self._settings.files
                        await self._threads.chore(write_upload, folder, files, limits)
                    root = None if files else self._settings.models_dir
                    source = Source(folder, root, config_json, override, again=True)
                    refused = await self._bring_up.bring_up(entry, source)
                    # An order that failed was answered so; it leaves no wish behind.
                    entry.wanted = entry.wanted or bool(entry.serving)
                    return refused
        except ModelRefused as error:
            return str(error)
        finally:
            await self._rest()

    async def _reconcile(self, name: str, *, again: bool) -> None:
        """Brings a model to what its folder holds."""
        async with self._shelf.changing(name) as entry:
            root = self._settings.models_dir
            source = Source(root / name, root, again=again)
            entry.wanted = True
            await self._bring_up.bring_up(entry, source)
            entry.awaited = False

    async def _load_again(self, name: str) -> None:
        """A model whose processes ended too often has rested."""
        await self._reconcile(name, again=True)
        await self._rest()

    async def _take_down(self, name: str, reason: str) -> None:
        async with self._shelf.changing(name) as entry:
            gone = [self._shelf.close(entry, version) for version in list(entry.serving)]
            entry.clear(reason)
            for event in gone:
                await event.wait()

    async def _rest(self) -> None:
        """Ends the trial process, behind the loads that still use it."""
        if not self._stopping:
            await self._threads.load(self._loader.rest)

    async def _close_model(self, model: Model) -> None:
        await self._threads.chore(model.close)

    # --- following the folder -----------------------------------------------------------

    async def _follow(self, watch: Watch) -> None:
        while True:
            await asyncio.sleep(self._settings.poll_interval_s)
            try:
                await self._threads.chore(watch.look)
            except OSError as error:
                # A repository that is away for a while takes no model with it.
                _log.warning("repository.unreadable", reason=str(error))
                continue
            self._note(watch)
            if self._settings.control == "poll":
                await self._take_up(watch)

    def _note(self, watch: Watch) -> None:
        self._shelf.present = watch.names
        self._shelf.unusable = watch.unusable

    async def _take_up(self, watch: Watch) -> None:
        for name in watch.gone():
            await self._take_down(name, "its folder was removed")
        due = self._due() & set(watch.names)
        names = watch.settled() | due
        for name in sorted(names):
            watch.taken_up(name)
            await self._reconcile(name, again=name in due)
        if names:
            await self._rest()

    def _due(self) -> set[str]:
        """Models whose load failed for a passing reason, and for which it is time again."""
        now_s = self._clock.now_s()
        return {
            name
            for name, entry in self._shelf.entries.items()
            if entry.retry_at_s is not None and now_s >= entry.retry_at_s
        }

    # --- helpers ------------------------------------------------------------------------

    def _wanted_at_start(self) -> list[str]:
        if self._settings.control != "explicit" or "*" in self._settings.load_models:
            return list(self._shelf.present)
        return list(dict.fromkeys(self._settings.load_models))

    def _check_control(self, verb: str) -> None:
        if self._settings.control != "explicit":
            refuse(
                Reason.CONTROL_MODE,
                f"{verb} requests are obeyed only with model control explicit, and this worker "
                f"has {self._settings.control}",
            )

    def _check_room(self, name: str) -> None:
        limit = self._settings.files.models_max
        if name not in self._shelf.entries and len(self._shelf.entries) >= limit:
            refuse(Reason.MODEL_REFUSED, f"model {name}: the worker has {limit} models, its limit")


def _check_name(name: str) -> None:
    try:
        check_name(name)
    except ModelRefused as error:
        refuse(Reason.MODEL_NOT_FOUND, str(error))
