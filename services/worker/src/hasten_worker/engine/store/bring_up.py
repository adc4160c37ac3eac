"""Bringing a model to what its folder, or a load request, holds.

A version that cannot be loaded changes nothing that serves; versions that are no longer wanted
leave only when enough wanted ones serve.
"""

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from hasten_runtime import logs
from hasten_runtime.clock import Clock
from hasten_worker.engine.config.rules import SYNTHETIC
from hasten_worker.engine.files.layout import VERSION_RULE, FolderState, look, wanted_versions
from hasten_worker.engine.loading.loader import Blueprint, Loader
from hasten_worker.engine.refusal import ModelRefused
from hasten_worker.engine.settings import StoreSettings
from hasten_worker.engine.store.entries import Entry, Mark, Serving
from hasten_worker.engine.store.shelf import Shelf
from hasten_worker.engine.store.threads import StoreThreads
from hasten_worker.model import Model

_log = logs.logger(__name__)

REASON_CHARS_MAX: Final = 1000
"""Of a reason that names one folder after the other."""


@dataclass(frozen=True, slots=True)
class Source:
    """Where a model is loaded from.

    Attributes:
        folder: The model's folder.
        root: The repository, inside of which links are followed; None: nowhere.
        config_json: Configuration instead of the folder's.
        override: Number of the load request that sent configuration or files; 0 for none.
        again: Try also what was refused before and has not changed.
    """

    folder: Path
    root: Path | None = None
    config_json: str | None = None
    override: int = 0
    again: bool = False


@dataclass(frozen=True, slots=True)
class Plan:
    """What is to serve.

    Attributes:
        blueprint: The model's configuration.
        marks: What each candidate version is loaded from, best candidate first.
        count: Versions that should serve.
        odd: Folders that look like versions and are none.
        notes: What the model's owner should know, one sentence each.
    """

    blueprint: Blueprint
    marks: dict[str, Mark]
    count: int
    odd: tuple[str, ...]
    notes: tuple[str, ...]


class BringUp:
    """Loads on the load thread and puts on the shelf what has loaded.

    Args:
        settings: Of the store.
        loader: Loads versions.
        shelf: Where they serve.
        threads: Where blocking work is done.
        clock: For load times and retries.
        follow: Told of what serves.
    """

    def __init__(
        self,
        settings: StoreSettings,
        loader: Loader,
        shelf: Shelf,
        threads: StoreThreads,
        clock: Clock,
        follow: Callable[[Model], None],
    ) -> None:
        self._settings = settings
        self._clock = clock
        self._loader = loader
        self._shelf = shelf
        self._threads = threads
        self._follow = follow
        self._stopping = False

    def stop(self) -> None:
        """What is still loading is not put into service any more."""
        self._stopping = True
        self._loader.stop()

    async def bring_up(self, entry: Entry, source: Source) -> str:
        """Loads what is wanted and closes what is not. The entry's lock is held.

        Returns:
            Why a wanted version was refused, and what serves nevertheless; "" when none was.
        """
        entry.retry_at_s = None
        try:
            plan = await self._planned(entry.name, source)
        except ModelRefused as error:
            entry.reason = str(error)
            self._note(entry, "", error)
            return entry.reason
        entry.reason = ""
        entry.odd = dict.fromkeys(plan.odd, VERSION_RULE)
        for version in entry.refused.keys() - plan.marks.keys():
            entry.forget(version)
        good: list[str] = []
        refused: list[str] = []
        for version, mark in plan.marks.items():
            if len(good) >= plan.count or self._stopping:
                break
            failure = await self._version(entry, plan.blueprint, version, mark, again=source.again)
            if failure:
                refused.append(f"version {version}: {failure}")
            if version in entry.serving:
                good.append(version)
        if len(good) >= plan.count:
            for version in entry.serving.keys() - set(good):
                self._shelf.close(entry, version)
        if refused and entry.serving:
            refused.append(f"version {', '.join(sorted(entry.serving, key=int))} serves")
        return "; ".join(refused)

    async def _planned(self, name: str, source: Source) -> Plan:
        plan = await self._threads.load(plan_of, name, source, self._settings, self._loader)
        for note in plan.notes:
            _log.warning("model.note", model=name, note=note)
        return plan

    async def _version(
        self, entry: Entry, blueprint: Blueprint, version: str, mark: Mark, *, again: bool
    ) -> str:
        """Makes a version serve what the mark stands for; why not, if it does not."""
        serving = entry.serving.get(version)
        if serving is not None and serving.mark == mark:
            entry.forget(version)
            return ""
        if entry.refused_marks.get(version) == mark and not again:
            return entry.refused[version]
        # A predecessor under the same key may still answer its last calls.
        await self._shelf.wait_gone(f"{entry.name}/{version}")
        entry.busy[version] = "LOADING"
        _log.info("model.loading", model=entry.name, version=version)
        began_s = self._clock.now_s()
        try:
            loaded = await self._threads.load(self._loader.load, blueprint, version)
        except ModelRefused as error:
            entry.refuse(version, str(error), mark)
            self._note(entry, version, error)
            return str(error)
        except Exception as error:  # noqa: BLE001  (a fault of ours must not end the store)
            entry.refuse(version, f"a fault in Hasten: {type(error).__name__}", mark)
            _log.exception("model.load_crashed", model=entry.name, version=version)
            return entry.refused[version]
        finally:
            entry.busy.pop(version, None)
        if self._stopping:
            loaded.model.close()
            return "the worker is stopping"
        entry.forget(version)
        self._shelf.open(entry, version, Serving(loaded.model, mark, loaded.notes))
        self._follow(loaded.model)
        for note in loaded.notes:
            _log.warning("model.note", model=entry.name, version=version, note=note)
        _say_ready(loaded.model, self._clock.now_s() - began_s)
        return ""

    def _note(self, entry: Entry, version: str, error: ModelRefused) -> None:
        if error.passing:
            entry.retry_at_s = self._clock.now_s() + self._settings.retry_s
        if not self._stopping:
            _log.error("model.refused", model=entry.name, version=version, reason=str(error))


def plan_of(name: str, source: Source, settings: StoreSettings, loader: Loader) -> Plan:
    """What is to serve of a model, as its folder and configuration say. It only looks.

    Raises:
        ModelRefused: Nothing of it can serve.
    """
    state = look(source.folder, settings.files, source.root)
    blueprint = loader.blueprint(name, state.folder, source.config_json, source.root)
    present = list(state.versions)
    if not present and blueprint.backend == SYNTHETIC:
        # A synthetic model has no file, and git keeps no empty folder.
        present = ["1"]
    wanted, count = wanted_versions(blueprint.written.config, present)
    if not wanted:
        raise ModelRefused(
            "; ".join(
                (
                    "the model has no version: expected a folder named by a whole number",
                    *state.ignored,
                )
            )[:REASON_CHARS_MAX]
        )
    marks = {version: _mark(state, version, source) for version in wanted}
    return Plan(blueprint, marks, count, state.odd, (*state.ignored, *blueprint.notes))


def _mark(state: FolderState, version: str, source: Source) -> Mark:
    return (state.common, state.versions.get(version), source.override)


def _say_ready(model: Model, load_s: float) -> None:
    spec = model.spec
    _log.info(
        "model.ready",
        model=spec.name,
        version=spec.version,
        load_s=round(load_s, 3),
        memory_bytes=model.memory_bytes,
        batch_max=spec.batch_max,
        row_ms=round(min((took_s for _, _, took_s in spec.profile), default=0.0) * 1e3, 3),
    )
