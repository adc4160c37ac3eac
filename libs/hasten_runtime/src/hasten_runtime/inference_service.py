"""Serving the inference protocol under its public name, message by message or as bytes."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any, Final

import grpc
from google.protobuf import descriptor, message_factory

from hasten.inference.v2 import inference_pb2
from hasten_runtime.front_door import FrontDoor
from hasten_runtime.handlers import Handler
from hasten_runtime.protocol_names import INFERENCE_SERVICE

_METHODS: Final[Mapping[str, descriptor.MethodDescriptor]] = (
    inference_pb2.DESCRIPTOR.services_by_name["GRPCInferenceService"].methods_by_name
)


@dataclass(frozen=True, slots=True)
class Method:
    """How one RPC is answered.

    Attributes:
        behaviour: As for any servicer: `(request, context)`, a coroutine function for a single
            answer, an async generator or a coroutine that reads and writes for a stream.
        raw_request: It takes the request as the bytes that came.
        raw_response: It gives the response as bytes.
        door: In front of it; None for none. Only for a unary method that takes and gives bytes.
    """

    behaviour: Callable[..., Any]
    raw_request: bool = False
    raw_response: bool = False
    door: FrontDoor | None = None


def add_inference(
    server: grpc.aio.Server, methods: Mapping[str, Method | Callable[..., Any]]
) -> None:
    """Serves the methods as `inference_handler` does, those behind a door each from a queue of
    its own: whoever floods it delays no call of another method, and the other way round.
    """
    server.add_generic_rpc_handlers((inference_handler(methods),))
    behind = {
        name: _rpc(name, method)
        for name, method in methods.items()
        if isinstance(method, Method) and method.door is not None
    }
    server.add_registered_method_handlers(INFERENCE_SERVICE, behind)


def inference_handler(methods: Mapping[str, Method | Callable[..., Any]]) -> grpc.GenericRpcHandler:
    """The service `inference.GRPCInferenceService`, for `Server.add_generic_rpc_handlers`.

    Args:
        methods: RPC name to its method; a bare callable takes and gives messages. Clients
            hear UNIMPLEMENTED from RPCs that are left out.

    Raises:
        ValueError: The protocol has no RPC of that name.
    """
    return grpc.method_handlers_generic_handler(INFERENCE_SERVICE, rpc_handlers(methods))


def rpc_handlers(methods: Mapping[str, Method | Callable[..., Any]]) -> dict[str, Handler]:
    """RPC name to its handler, as for `inference_handler`.

    Raises:
        ValueError: The protocol has no RPC of that name.
    """
    unknown = sorted(set(methods) - set(_METHODS))
    if unknown:
        raise ValueError(f"the inference protocol has no RPC named {', '.join(unknown)}")
    return {
        name: _rpc(name, method if isinstance(method, Method) else Method(method))
        for name, method in methods.items()
    }


def _rpc(name: str, method: Method) -> Handler:
    if method.door is not None:
        return grpc.stream_unary_rpc_method_handler(method.door.before(method.behaviour))
    described = _METHODS[name]
    streams = described.server_streaming  # The protocol streams both ways or neither.
    make: Callable[..., Handler] = (
        grpc.stream_stream_rpc_method_handler if streams else grpc.unary_unary_rpc_method_handler
    )
    request = message_factory.GetMessageClass(described.input_type)
    response = message_factory.GetMessageClass(described.output_type)
    return make(
        method.behaviour,
        request_deserializer=None if method.raw_request else request.FromString,
        response_serializer=None if method.raw_response else response.SerializeToString,
    )
