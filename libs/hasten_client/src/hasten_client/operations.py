"""Every unary call of the mesh, as a value that either client can carry out."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Final, Generic, TypeVar

from google.protobuf.message import Message

from hasten.inference.v2 import inference_pb2 as pb
from hasten.inference.v2.model_config_pb2 import ModelConfig
from hasten.router.v1 import router_service_pb2 as router_pb
from hasten_client import views

_INFERENCE: Final = pb.DESCRIPTOR.services_by_name["GRPCInferenceService"]
_ROUTER: Final = router_pb.DESCRIPTOR.services_by_name["RouterService"]

INFERENCE: Final = {
    each.name: f"/inference.{_INFERENCE.name}/{each.name}" for each in _INFERENCE.methods
}
"""Paths by method, under the service's public name: the stubs' own package is private."""

ROUTER: Final = {each.name: f"/{_ROUTER.full_name}/{each.name}" for each in _ROUTER.methods}
"""Paths by method."""

Pairs = tuple[tuple[str, str | bytes], ...]
"""Metadata as gRPC takes it."""

Trailers = Mapping[str, str | bytes]
"""Trailing metadata by name."""

RequestT = TypeVar("RequestT", bound=Message)
ResponseT = TypeVar("ResponseT", bound=Message)
AnswerT = TypeVar("AnswerT")
ItemT = TypeVar("ItemT")


@dataclass(frozen=True, slots=True)
class Operation(Generic[RequestT, ResponseT, AnswerT]):
    """One unary call.

    Attributes:
        path: Full name of the method.
        request: What to send.
        response_type: What comes back.
        answer: Turns that into what the caller gets.
    """

    path: str
    request: RequestT
    response_type: type[ResponseT]
    answer: Callable[[ResponseT], AnswerT]


@dataclass(frozen=True, slots=True)
class Stream(Generic[ItemT, ResponseT]):
    """A call with many requests, many responses, or both.

    Attributes:
        path: Full name of the method.
        encode: Makes a message of what is sent.
        response_type: What comes back.
    """

    path: str
    encode: Callable[[ItemT], Message]
    response_type: type[ResponseT]


def infer(
    request: pb.ModelInferRequest,
) -> Operation[pb.ModelInferRequest, pb.ModelInferResponse, pb.ModelInferResponse]:
    """One inference; its answer is decoded by the client, which knows how long it took."""
    return Operation(INFERENCE["ModelInfer"], request, pb.ModelInferResponse, _unchanged)


def live() -> Operation[pb.ServerLiveRequest, pb.ServerLiveResponse, bool]:
    """Is the server's process alive?"""
    return Operation(
        INFERENCE["ServerLive"],
        pb.ServerLiveRequest(),
        pb.ServerLiveResponse,
        lambda wire: wire.live,
    )


def ready() -> Operation[pb.ServerReadyRequest, pb.ServerReadyResponse, bool]:
    """Can the server take inference requests?"""
    return Operation(
        INFERENCE["ServerReady"],
        pb.ServerReadyRequest(),
        pb.ServerReadyResponse,
        lambda wire: wire.ready,
    )


def model_ready(
    model: str, version: str
) -> Operation[pb.ModelReadyRequest, pb.ModelReadyResponse, bool]:
    """Can the model take inference requests?"""
    return Operation(
        INFERENCE["ModelReady"],
        pb.ModelReadyRequest(name=model, version=version),
        pb.ModelReadyResponse,
        lambda wire: wire.ready,
    )


def server_metadata() -> Operation[
    pb.ServerMetadataRequest, pb.ServerMetadataResponse, views.ServerMetadata
]:
    """Who answers."""
    return Operation(
        INFERENCE["ServerMetadata"],
        pb.ServerMetadataRequest(),
        pb.ServerMetadataResponse,
        views.server_metadata,
    )


def model_metadata(
    model: str, version: str
) -> Operation[pb.ModelMetadataRequest, pb.ModelMetadataResponse, views.ModelMetadata]:
    """What a model takes and gives."""
    return Operation(
        INFERENCE["ModelMetadata"],
        pb.ModelMetadataRequest(name=model, version=version),
        pb.ModelMetadataResponse,
        views.model_metadata,
    )


def model_config(
    model: str, version: str
) -> Operation[pb.ModelConfigRequest, pb.ModelConfigResponse, ModelConfig]:
    """A model's configuration in Triton's form."""
    return Operation(
        INFERENCE["ModelConfig"],
        pb.ModelConfigRequest(name=model, version=version),
        pb.ModelConfigResponse,
        lambda wire: wire.config,
    )


def statistics(
    model: str, version: str
) -> Operation[pb.ModelStatisticsRequest, pb.ModelStatisticsResponse, list[pb.ModelStatistics]]:
    """What models did so far; all models for an empty name."""
    return Operation(
        INFERENCE["ModelStatistics"],
        pb.ModelStatisticsRequest(name=model, version=version),
        pb.ModelStatisticsResponse,
        lambda wire: list(wire.model_stats),
    )


def index(
    *, ready_only: bool
) -> Operation[pb.RepositoryIndexRequest, pb.RepositoryIndexResponse, list[views.ModelState]]:
    """The models of the repository and their states."""
    return Operation(
        INFERENCE["RepositoryIndex"],
        pb.RepositoryIndexRequest(ready=ready_only),
        pb.RepositoryIndexResponse,
        views.model_states,
    )


def load(
    model: str, config_json: str | None, files: Mapping[str, bytes] | None
) -> Operation[pb.RepositoryModelLoadRequest, pb.RepositoryModelLoadResponse, None]:
    """Loads a model, or loads it again.

    Args:
        model: Model name.
        config_json: Configuration that replaces the one in the repository.
        files: Model files that replace those of the repository, by path below the model's
            folder, for example "1/model.onnx".
    """
    request = pb.RepositoryModelLoadRequest(model_name=model)
    if config_json is not None:
        request.parameters["config"].string_param = config_json
    for path, content in (files or {}).items():
        request.parameters[f"file:{path}"].bytes_param = content
    return Operation(
        INFERENCE["RepositoryModelLoad"], request, pb.RepositoryModelLoadResponse, _nothing
    )


def unload(
    model: str, *, unload_dependents: bool
) -> Operation[pb.RepositoryModelUnloadRequest, pb.RepositoryModelUnloadResponse, None]:
    """Unloads a model."""
    request = pb.RepositoryModelUnloadRequest(model_name=model)
    request.parameters["unload_dependents"].bool_param = unload_dependents
    return Operation(
        INFERENCE["RepositoryModelUnload"], request, pb.RepositoryModelUnloadResponse, _nothing
    )


def workers() -> Operation[
    router_pb.ListWorkersRequest, router_pb.ListWorkersResponse, list[views.Worker]
]:
    """The workers, as the asked router sees them."""
    return Operation(
        ROUTER["ListWorkers"],
        router_pb.ListWorkersRequest(),
        router_pb.ListWorkersResponse,
        views.workers,
    )


def drain_worker(
    worker_id: str, patience_s: float
) -> Operation[router_pb.DrainWorkerRequest, router_pb.DrainWorkerResponse, int]:
    """Takes a worker out of rotation and waits until it is idle.

    The answer is the number of calls still open when patience ended. A patience of zero
    means the worker's own setting.
    """
    return Operation(
        ROUTER["DrainWorker"],
        router_pb.DrainWorkerRequest(worker_id=worker_id, patience_us=round(patience_s * 1e6)),
        router_pb.DrainWorkerResponse,
        lambda wire: wire.abandoned,
    )


def _unchanged(wire: pb.ModelInferResponse) -> pb.ModelInferResponse:
    return wire


def _nothing(_wire: Message) -> None:
    """The answer says nothing beyond success."""
