"""The least around a yardstick: a gRPC server of one method, in a process of its own."""

import subprocess
import sys
from collections.abc import Awaitable, Callable, Iterator
from contextlib import contextmanager
from typing import Any

import grpc

from hasten.inference.v2 import inference_pb2 as pb
from hasten_runtime.protocol_names import INFERENCE_SERVICE


async def serve(
    infer: Callable[[Any, Any], Awaitable[Any]], *, as_bytes: bool = False
) -> grpc.aio.Server:
    """A server that answers ModelInfer by `infer`; its port is printed once it listens.

    Args:
        infer: The handler.
        as_bytes: It takes and gives serialised messages.
    """
    server = grpc.aio.server(options=[("grpc.max_receive_message_length", -1)])
    handler = grpc.unary_unary_rpc_method_handler(
        infer,
        request_deserializer=None if as_bytes else pb.ModelInferRequest.FromString,
        response_serializer=None if as_bytes else pb.ModelInferResponse.SerializeToString,
    )
    service = grpc.method_handlers_generic_handler(INFERENCE_SERVICE, {"ModelInfer": handler})
    server.add_generic_rpc_handlers((service,))
    port = server.add_insecure_port("127.0.0.1:0")
    await server.start()
    print(port, flush=True)
    return server


@contextmanager
def started(module: str, *arguments: str) -> Iterator[tuple[str, int]]:
    """A yardstick in a process of its own, until the block ends: its address and pid.

    Args:
        module: Prints its port when it serves.
        arguments: Of the module.

    Raises:
        RuntimeError: It did not start.
    """
    command = [sys.executable, "-m", module, *arguments]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as process:
        try:
            assert process.stdout is not None  # noqa: S101 (asked for above)
            port = process.stdout.readline().strip()
            if not port:
                raise RuntimeError(f"{module} did not start")
            yield f"127.0.0.1:{port}", process.pid
        finally:
            process.terminate()
