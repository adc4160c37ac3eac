"""`grpc.health.v1.Health`: Check, Watch and List.

Answers from a table that is set without waiting. (The servicer in grpcio-health-checking loses
watchers when two watch one service and one leaves, and lacks List.)
"""

import asyncio
from collections.abc import AsyncIterator, Iterable
from typing import Any, Final

import grpc
from google.protobuf import descriptor_pb2, descriptor_pool, message_factory
from grpc_health.v1 import health_pb2

from hasten_policy.reasons import Reason, Refusal
from hasten_runtime.errors import MeshError
from hasten_runtime.handlers import Context
from hasten_runtime.protocol_names import HEALTH_SERVICE

WATCHERS_MAX: Final = 1024

READINESS: Final = "readiness"
"""The same as the server as a whole, under the name that others use for it."""
LIVENESS: Final = "liveness"
"""Serves from start to end, also while the process is not ready or leaving."""

UNKNOWN: Final = 0
SERVING: Final = 1
NOT_SERVING: Final = 2
SERVICE_UNKNOWN: Final = 3


def health_file() -> descriptor_pb2.FileDescriptorProto:
    """The protocol's file, with List, which the installed stubs may be too old to have."""
    file = descriptor_pb2.FileDescriptorProto()
    file.ParseFromString(health_pb2.DESCRIPTOR.serialized_pb)
    if any(message.name == "HealthListRequest" for message in file.message_type):
        return file
    file.message_type.add(name="HealthListRequest")
    response = file.message_type.add(name="HealthListResponse")
    field = descriptor_pb2.FieldDescriptorProto
    response.field.add(
        name="statuses",
        number=1,
        label=field.LABEL_REPEATED,
        type=field.TYPE_MESSAGE,
        type_name=".grpc.health.v1.HealthListResponse.StatusesEntry",
    )
    entry = response.nested_type.add(name="StatusesEntry")
    entry.options.map_entry = True
    entry.field.add(name="key", number=1, label=field.LABEL_OPTIONAL, type=field.TYPE_STRING)
    entry.field.add(
        name="value",
        number=2,
        label=field.LABEL_OPTIONAL,
        type=field.TYPE_MESSAGE,
        type_name=".grpc.health.v1.HealthCheckResponse",
    )
    file.service[0].method.add(
        name="List",
        input_type=".grpc.health.v1.HealthListRequest",
        output_type=".grpc.health.v1.HealthListResponse",
    )
    return file


def _messages() -> dict[str, Any]:
    pool = descriptor_pool.DescriptorPool()
    pool.Add(health_file())
    return message_factory.GetMessageClassesForFiles([health_pb2.DESCRIPTOR.name], pool)


_MESSAGES: Final = _messages()
_CheckRequest: Final = _MESSAGES["grpc.health.v1.HealthCheckRequest"]
_CheckResponse: Final = _MESSAGES["grpc.health.v1.HealthCheckResponse"]
_ListRequest: Final = _MESSAGES["grpc.health.v1.HealthListRequest"]
_ListResponse: Final = _MESSAGES["grpc.health.v1.HealthListResponse"]


class Health:
    """Which services of this server may be called. "" is the server as a whole, which is ready or
    not; `liveness` says only that the process goes on.
    """

    def __init__(self) -> None:
        self._statuses: dict[str, int] = {"": NOT_SERVING}
        self._watchers: set[asyncio.Event] = set()
        self._draining = False
        self._closed = False

    def set(self, service: str, serving: bool) -> None:  # noqa: FBT001  (reads as a sentence)
        """Sets one service's status; after `enter_drain` nothing serves again."""
        self._statuses[service] = SERVING if serving and not self._draining else NOT_SERVING
        self._wake()

    def set_ready(self, ready: bool) -> None:  # noqa: FBT001  (reads as a sentence)
        """Sets what is asked whether the process is ready: "" and `readiness`."""
        for service in ("", READINESS):
            if (self._statuses.get(service) == SERVING) != ready or service not in self._statuses:
                self.set(service, ready)

    def serving(self, service: str = "") -> bool:
        """The service is known and may be called."""
        return self._statuses.get(service) == SERVING

    def enter_drain(self) -> None:
        """All but `liveness` is NOT_SERVING from now on; watchers are told. Idempotent."""
        self._draining = True
        self._stop_serving(self._statuses.keys() - {LIVENESS})

    def close(self) -> None:
        """Ends the watches, which would otherwise hold the server open for its whole grace."""
        self._draining = self._closed = True
        self._stop_serving(self._statuses)

    def handler(self) -> grpc.GenericRpcHandler:
        """The service, for `Server.add_generic_rpc_handlers`."""
        return grpc.method_handlers_generic_handler(
            HEALTH_SERVICE,
            {
                "Check": grpc.unary_unary_rpc_method_handler(
                    self._check,
                    request_deserializer=_CheckRequest.FromString,
                    response_serializer=_CheckResponse.SerializeToString,
                ),
                "Watch": grpc.unary_stream_rpc_method_handler(
                    self._watch,
                    request_deserializer=_CheckRequest.FromString,
                    response_serializer=_CheckResponse.SerializeToString,
                ),
                "List": grpc.unary_unary_rpc_method_handler(
                    self._list,
                    request_deserializer=_ListRequest.FromString,
                    response_serializer=_ListResponse.SerializeToString,
                ),
            },
        )

    def _stop_serving(self, services: Iterable[str]) -> None:
        self._statuses.update(dict.fromkeys(services, NOT_SERVING))
        self._wake()

    def _wake(self) -> None:
        for watcher in self._watchers:
            watcher.set()

    async def _check(self, request: Any, context: Context) -> Any:  # noqa: ANN401  (built messages)
        status = self._statuses.get(request.service)
        if status is None:
            await context.abort(
                grpc.StatusCode.NOT_FOUND, f"this server has no service {request.service!r}"
            )
        return _CheckResponse(status=status)

    async def _watch(self, request: Any, _: object) -> AsyncIterator[Any]:  # noqa: ANN401  (as above)
        if len(self._watchers) >= WATCHERS_MAX:
            raise MeshError(
                Refusal(Reason.QUEUE_FULL, f"{WATCHERS_MAX} watches of health are open; use Check")
            )
        changed = asyncio.Event()
        self._watchers.add(changed)
        told: int | None = None
        try:
            while True:
                changed.clear()
                status = self._statuses.get(request.service, SERVICE_UNKNOWN)
                if status != told:
                    told = status
                    yield _CheckResponse(status=status)
                if self._closed:
                    raise MeshError(Refusal(Reason.DRAINING, "this server is leaving"))
                await changed.wait()
        finally:
            self._watchers.discard(changed)

    async def _list(self, _: object, __: object) -> Any:  # noqa: ANN401  (as above)
        return _ListResponse(
            statuses={
                service: _CheckResponse(status=status) for service, status in self._statuses.items()
            }
        )
