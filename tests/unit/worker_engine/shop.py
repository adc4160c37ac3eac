"""A store with a listener that keeps what it was told."""

import asyncio
import json
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

import numpy as np

from hasten_policy.reasons import Reason
from hasten_runtime.errors import MeshError
from hasten_worker.engine.settings import TrialLimits
from hasten_worker.engine.store.model_store import ModelStore, StoreSettings
from hasten_worker.model import Model
from tests.unit.worker_engine.zoo import Repository

RUN_S_MAX = 60.0
"""A model that stood still for longer in its warm-up is refused."""


class Listener:
    """What the worker's shell does, in small: models by key, and idle at once unless held."""

    def __init__(self) -> None:
        self.store: ModelStore | None = None
        self.told: list[str] = []
        self.models: dict[str, Model] = {}
        self.hold = False

    def opened(self, model: Model) -> None:
        asyncio.get_running_loop()
        assert self.store is not None
        mark = "*" if model.spec.serves_unversioned else ""
        self.told.append(f"+{model.spec.key}{mark}")
        self.models[model.spec.key] = model

    def closed(self, model_key: str) -> None:
        assert self.store is not None
        self.told.append(f"-{model_key}")
        del self.models[model_key]
        if not self.hold:
            self.store.release(model_key)

    def paused(self, model: Model, away_s: float) -> None:
        self.told.append(f"{'=' if away_s else '~'}{model.spec.key}")

    def resumed(self, model_key: str) -> None:
        self.told.append(f"+{model_key}")

    def take(self) -> list[str]:
        """What was told since the last time."""
        told, self.told = self.told, []
        return told


def settings_of(repository: Repository, **changes: Any) -> StoreSettings:
    chosen: dict[str, Any] = {
        "models_dir": repository.path,
        "poll_interval_s": 0.02,
        "profile_budget_s": 0.05,
        "isolation": "thread",
        "snapshot_dir": repository.path.parent,
        "trial": TrialLimits(timeout_s=60.0, run_s_max=RUN_S_MAX, search_s=30.0, rows_s=30.0),
        "run_s_max": RUN_S_MAX,
    }
    return StoreSettings(**(chosen | changes))


@asynccontextmanager
async def open_store(
    repository: Repository, **changes: Any
) -> AsyncIterator[tuple[ModelStore, Listener]]:
    """A started store; afterwards no private copy may be left."""
    listener = Listener()
    store = ModelStore(settings_of(repository, **changes), listener)
    listener.store = store
    try:
        await store.start()
        yield store, listener
    finally:
        await store.stop()
    assert not list(repository.path.parent.glob("hasten-model-*"))


def lines(store: ModelStore) -> dict[str, str]:
    """The index: state by "name/version", with the reason if there is one."""
    return {
        f"{line.name}/{line.version}": f"{line.state}: {line.reason}" if line.reason else line.state
        for line in store.index()
    }


def answer(model: Model, *values: float) -> list[float]:
    """What a model made by `zoo.add` makes of a row."""
    row = np.array([values], np.float32)
    results = model.new_run().execute([{"X": row}], 1)
    return [float(number) for number in results[0]["Y"][0]]


def refusal(error: MeshError) -> tuple[Reason, str]:
    return error.refusal.reason, error.refusal.message


def as_json(**fields: Any) -> str:
    return json.dumps(fields)
