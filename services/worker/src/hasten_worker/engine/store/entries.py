"""What the store knows of each model: versions that serve, versions that were refused."""

import asyncio
from collections.abc import Iterator
from dataclasses import dataclass, field, replace
from typing import Literal, Protocol

from hasten_worker.model import Model

State = Literal["READY", "LOADING", "UNLOADING", "UNAVAILABLE", ""]
Mark = tuple[object, ...]
"""Identity of what a version was loaded from; equal marks need no new load."""


@dataclass(frozen=True, slots=True)
class IndexEntry:
    """One line of the repository index.

    Attributes:
        name: Model.
        version: Version; "" for a model of which none was ever looked at.
        state: READY, LOADING, UNLOADING, UNAVAILABLE, or "" for one that nobody asked for.
        reason: Why it is not READY, why its newest files are not the ones that serve, or how
            it is served otherwise than one might expect: not in batches, or without a warm start.
    """

    name: str
    version: str
    state: State
    reason: str


@dataclass(frozen=True, slots=True)
class Gap:
    """A model version that should serve and does not.

    Attributes:
        name: Model.
        version: Version; "" when no version of the model serves.
        reason: Why.
    """

    name: str
    version: str
    reason: str


class StoreListener(Protocol):
    """Told of models that come and go, on the event loop."""

    def opened(self, model: Model) -> None:
        """The model may run now; a known key replaces the earlier model and specification."""
        ...

    def closed(self, model_key: str) -> None:
        """No new calls to this key; `ModelStore.release` is awaited when the last has ended."""
        ...

    def paused(self, model: Model, away_s: float) -> None:
        """A process of the model ended. With away_s, seconds, it runs nothing until `resumed`."""
        ...

    def resumed(self, model_key: str) -> None:
        """The model runs again."""
        ...


@dataclass(slots=True)
class Serving:
    """A version that serves.

    Attributes:
        model: Warm.
        mark: What it was loaded from.
        notes: What its owner should know of how it is served, one sentence each.
    """

    model: Model
    mark: Mark
    notes: tuple[str, ...] = ()


@dataclass(slots=True)
class Entry:
    """One model.

    Attributes:
        name: The model.
        lock: Held while the model changes: one load or unload of it at a time.
        serving: Versions that serve.
        refused: Why a version is not served, or not in its newest form.
        refused_marks: The files that were refused, so that they are not tried again in vain.
        busy: Versions that are loading or unloading.
        odd: Folders that look like versions and are none, with the reason.
        reason: Why the model as a whole cannot be loaded; "" if it can.
        retry_at_s: When to try again what failed for a passing reason; None for never.
        awaited: The model will be loaded as soon as the models before it are.
        changers: Requests that change the model, or wait to.
        wanted: It should serve: at the start or by the folder's doing, or by a load request that
            succeeded.
    """

    name: str
    lock: asyncio.Lock = field(default_factory=asyncio.Lock)
    serving: dict[str, Serving] = field(default_factory=dict)
    refused: dict[str, str] = field(default_factory=dict)
    refused_marks: dict[str, Mark] = field(default_factory=dict)
    busy: dict[str, Literal["LOADING", "UNLOADING"]] = field(default_factory=dict)
    odd: dict[str, str] = field(default_factory=dict)
    reason: str = ""
    retry_at_s: float | None = None
    awaited: bool = False
    changers: int = 0
    wanted: bool = False

    @property
    def empty(self) -> bool:
        """Nothing of it serves, loads, leaves or waits."""
        return not (self.serving or self.busy or self.changers)

    def lines(self) -> Iterator[IndexEntry]:
        """The model's part of the index, versions ascending."""
        versions = sorted(self.serving.keys() | self.refused.keys() | self.busy.keys(), key=_order)
        for version in versions:
            reason = self.refused.get(version, "")
            state: State
            if version in self.serving:
                state = "READY"
                reason = f"{reason}; the earlier files keep serving" if reason else self.reason
                notes = self.serving[version].notes
                reason = "; ".join(note for note in (reason, *notes) if note)
            elif version in self.busy:
                state, reason = self.busy[version], ""
            else:
                state = "UNAVAILABLE"
            yield IndexEntry(self.name, version, state, reason)
        if not versions:
            empty: State = "LOADING" if self.awaited else "UNAVAILABLE"
            yield IndexEntry(self.name, "", empty, self.reason)
        for folder, why in self.odd.items():
            yield IndexEntry(self.name, folder, "UNAVAILABLE", why)

    def gaps(self) -> Iterator[Gap]:
        """What of the model should serve and does not, versions ascending.

        A version that serves from earlier files than its newest is no gap, and neither is one
        that is only loading beside others that serve.
        """
        if not self.wanted:
            return
        refused = sorted(self.refused.keys() - self.serving.keys(), key=_order)
        for version in refused:
            yield Gap(self.name, version, self.refused[version])
        if not self.serving and not refused:
            yield Gap(self.name, "", self.reason or "it is loading")

    def clear(self, reason: str) -> None:
        """Forgets what was refused, and that it is wanted; `reason` says why nothing serves."""
        self.wanted = False
        self.refused.clear()
        self.refused_marks.clear()
        self.odd = {}
        self.reason = reason
        self.retry_at_s = None

    def forget(self, version: str) -> None:
        """Drops what is known of a version's refusal."""
        self.refused.pop(version, None)
        self.refused_marks.pop(version, None)

    def refuse(self, version: str, reason: str, mark: Mark) -> None:
        """Keeps why a version is not served."""
        self.refused[version] = reason
        self.refused_marks[version] = mark

    def unversioned(self) -> str | None:
        """The version that answers requests that name none: the highest that serves."""
        return max(self.serving, key=int, default=None)


def with_unversioned(model: Model, *, serves: bool) -> bool:
    """Sets the model's `serves_unversioned`; True if that changed it."""
    if model.spec.serves_unversioned == serves:
        return False
    model.spec = replace(model.spec, serves_unversioned=serves)
    return True


def _order(version: str) -> int:
    return int(version) if version else -1
