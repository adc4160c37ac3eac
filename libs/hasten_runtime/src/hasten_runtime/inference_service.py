"""Serving the inference protocol under its public name, message by message or as bytes."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any, Final

import grpc
from google.protobuf import descriptor, message_factory

from hasten.inference.v2 import inference_pb2
from hasten_runtime.handlers import Handler

PUBLIC_NAME: Final = "inference.GRPCInferenceService"

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
    """

    behaviour: Callable[..., Any]
    raw_request: bool = False
    raw_response: bool = False


def inference_handler(methods: Mapping[str, Method | Callable[..., Any]]) -> grpc.GenericRpcHandler:
    """The service `inference.GRPCInferenceService`, for `Server.add_generic_rpc_handlers`.

    Args:
        methods: RPC name to its method; a bare callable takes and gives messages. Clients
            hear UNIMPLEMENTED from RPCs that are left out.

    Raises:
        ValueError: The protocol has no RPC of that name.
    """
    unknown = sorted(set(methods) - set(_METHODS))
    if unknown:
        raise ValueError(f"the inference protocol has no RPC named {', '.join(unknown)}")
    return grpc.method_handlers_generic_handler(
        PUBLIC_NAME,
        {
            name: _rpc(name, method if isinstance(method, Method) else Method(method))
            for name, method in methods.items()
        },
    )


def _rpc(name: str, method: Method) -> Handler:
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
