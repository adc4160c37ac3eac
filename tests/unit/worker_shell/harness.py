"""A worker in the test's own process: everything is real but the engine."""

from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import grpc
from google.rpc import error_details_pb2, status_pb2

from hasten.inference.v2.inference_pb2_grpc import GRPCInferenceServiceStub
from hasten.worker.v1.worker_service_pb2_grpc import WorkerServiceStub
from hasten_policy.reasons import Reason, Refusal
from hasten_runtime.errors import MeshError
from hasten_runtime.fleet.worker.sender import EndLimits
from hasten_worker.engine.isolation.host import Use
from hasten_worker.engine.settings import StoreSettings
from hasten_worker.engine.store.model_store import Gap, IndexEntry
from hasten_worker.model import Model
from hasten_worker.readiness import faults_of
from hasten_worker.settings import DrainSettings, WorkerSettings
from hasten_worker.shell.shell import Shell
from hasten_worker.wiring import SERVICES, Worker, open_worker
from tests.support.framed import RouterEnd
from tests.unit.worker_shell.fakes import EchoModel

WAIT_S = 60.0


class EchoStore:
    """The store's contract over models made by a test."""

    def __init__(self, shell: Shell) -> None:
        self._shell = shell
        self._models: dict[str, Model] = {}
        self.released: list[str] = []
        self.loaded: list[tuple[str, str | None, Mapping[str, bytes] | None]] = []

    async def start(self) -> None:
        """Nothing to load."""

    async def stop(self) -> None:
        """Nothing to free."""

    def put(self, model: Model) -> None:
        self._models[model.spec.name] = model
        self._shell.opened(model)

    def remove(self, name: str) -> None:
        self._shell.closed(self._models.pop(name).spec.key)

    def release(self, model_key: str) -> None:
        self.released.append(model_key)

    def resolve(self, name: str, version: str) -> Model:
        model = self._models.get(name)
        if model is None:
            raise MeshError(Refusal(Reason.MODEL_NOT_FOUND, f"there is no model {name!r}"))
        if version not in {"", model.spec.version}:
            raise MeshError(Refusal(Reason.VERSION_NOT_FOUND, f"no version {version!r}"))
        return model

    def index(self) -> list[IndexEntry]:
        return [
            *(IndexEntry(m.spec.name, m.spec.version, "READY", "") for m in self._models.values()),
            IndexEntry("broken", "1", "UNAVAILABLE", "a reason"),
        ]

    def use(self) -> Use:
        return Use()

    @property
    def warm_up_s(self) -> float:
        return 0.0

    def gaps(self) -> list[Gap]:
        return []

    @property
    def serves(self) -> bool:
        return bool(self._models)

    def ready(self, name: str, version: str) -> bool:
        return name in self._models and version in {"", self._models[name].spec.version}

    async def load(
        self,
        name: str,
        *,
        config_json: str | None = None,
        files: Mapping[str, bytes] | None = None,
    ) -> None:
        self.loaded.append((name, config_json, files))
        if name == "broken":
            raise MeshError(Refusal(Reason.MODEL_REFUSED, "model broken: a reason"))

    async def unload(self, name: str, *, unload_dependents: bool = False) -> None:
        del unload_dependents
        self.remove(name)


@dataclass
class Bench:
    """A running worker and ways to talk to it."""

    worker: Worker
    store: EchoStore
    public: Any
    internal: Any
    channel: grpc.aio.Channel

    @property
    def shell(self) -> Shell:
        return self.worker.shell


def worker_settings(**changes: Any) -> WorkerSettings:
    facts: dict[str, Any] = {
        "id": "w1",
        "address": "127.0.0.1:0",
        "metrics_address": "127.0.0.1:0",
        "models_dir": Path("/nonexistent"),
        "lanes": 1,
        "drain": DrainSettings(notice_s=0.0, patience_s=WAIT_S),
    }
    return WorkerSettings(**(facts | changes))


@asynccontextmanager
async def running_worker(
    *models: EchoModel, settings: WorkerSettings | None = None
) -> AsyncIterator[Bench]:
    """A worker that serves the models, over a real connection."""
    stores: list[EchoStore] = []

    def make_store(_: StoreSettings, shell: Shell) -> EchoStore:
        stores.append(EchoStore(shell))
        return stores[0]

    async with open_worker(settings or worker_settings(), make_store) as worker:
        worker.shell.open()
        await worker.server.start()
        for model in models or (EchoModel(),):
            stores[0].put(model)
        worker.readiness.begin(faults_of(stores[0], strict=True))
        worker.health.set_ready(worker.readiness.refresh())
        for service in SERVICES:
            worker.health.set(service, serving=True)
        async with grpc.aio.insecure_channel(worker.address) as channel:
            yield Bench(
                worker,
                stores[0],
                GRPCInferenceServiceStub(channel),
                WorkerServiceStub(channel),
                channel,
            )
        worker.health.close()
        await worker.door.close(1.0)
        await worker.server.stop(1.0)


class Router(RouterEnd):
    """The other end of one link."""

    def __init__(self, bench: Bench) -> None:
        super().__init__(bench.channel, bench.worker.address)


def reason_of(error: grpc.aio.AioRpcError) -> str:
    """ErrorInfo.reason of a refused RPC."""
    info = error_details_pb2.ErrorInfo()
    for key, value in error.trailing_metadata() or ():
        if key == "grpc-status-details-bin":
            for detail in status_pb2.Status.FromString(value).details:
                detail.Unpack(info)
    return info.reason


SMALL_BUFFER = EndLimits(pending_bytes_max=100_000, write_stall_s=0.2, state_period_s=0.05)
