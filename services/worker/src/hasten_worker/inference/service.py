"""All RPCs of the inference protocol, put together."""

from collections.abc import AsyncIterator, Callable
from dataclasses import dataclass
from typing import Any

import grpc

from hasten_runtime.front_door import FrontDoor
from hasten_runtime.inference_service import Method
from hasten_worker.inference.infer import Inference
from hasten_worker.inference.models import ModelQuestions
from hasten_worker.inference.regions import CudaMemory, SystemMemory
from hasten_worker.inference.repository import Control, RepositoryControl
from hasten_worker.inference.server import LogSettings, ServerFacts, TraceSettings
from hasten_worker.inference.stream import Stream
from hasten_worker.shared_memory import SystemRegions
from hasten_worker.shell.catalogue import Catalogue


@dataclass(frozen=True, slots=True)
class Parts:
    """What the RPCs work on.

    Attributes:
        inference: Runs requests.
        door: In front of it.
        served: The models with their statistics.
        store: The models.
        regions: Shared memory; None when switched off.
        ready: The worker takes new requests.
        log: The log settings.
    """

    inference: Inference
    door: FrontDoor
    served: Catalogue
    store: Control
    regions: SystemRegions | None
    ready: Callable[[], bool]
    log: LogSettings


def inference_methods(parts: Parts) -> dict[str, Method | Callable[..., Any]]:
    """The methods, for `add_inference`."""
    facts = ServerFacts(ready=parts.ready, shared_memory=parts.regions is not None)
    models = ModelQuestions(parts.store, parts.served)
    repository = RepositoryControl(parts.store)
    system = SystemMemory(parts.regions)
    cuda = CudaMemory()
    trace = TraceSettings(lambda name: any(entry.name == name for entry in parts.store.index()))

    async def model_stream_infer(
        requests: AsyncIterator[bytes], context: grpc.aio.ServicerContext[Any, Any]
    ) -> None:
        await Stream(parts.inference, context).run(requests)

    return {
        "ServerLive": facts.live,
        "ServerReady": facts.ready,
        "ServerMetadata": facts.metadata,
        "ModelReady": models.model_ready,
        "ModelMetadata": models.model_metadata,
        "ModelConfig": models.model_config,
        "ModelStatistics": models.model_statistics,
        "ModelInfer": Method(
            parts.inference.model_infer, raw_request=True, raw_response=True, door=parts.door
        ),
        "ModelStreamInfer": Method(model_stream_infer, raw_request=True),
        "RepositoryIndex": repository.index,
        "RepositoryModelLoad": repository.load,
        "RepositoryModelUnload": repository.unload,
        "SystemSharedMemoryStatus": system.status,
        "SystemSharedMemoryRegister": system.register,
        "SystemSharedMemoryUnregister": system.unregister,
        "CudaSharedMemoryStatus": cuda.status,
        "CudaSharedMemoryRegister": cuda.register,
        "CudaSharedMemoryUnregister": cuda.unregister,
        "TraceSetting": trace.trace_setting,
        "LogSettings": parts.log.log_settings,
    }
