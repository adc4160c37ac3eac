"""The least a Python gRPC server can do: grpc.aio that parses, calls onnxruntime, answers.

The yardstick for the worker and the router: no batching, no deadlines, no checks.

    python -m loadtest.bare_server MODEL.onnx      prints its port, serves until ended
"""

import asyncio
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager

import grpc
import numpy as np
import onnxruntime as ort

from hasten.inference.v2 import inference_pb2
from hasten_runtime.protocol_names import INFERENCE_SERVICE


@contextmanager
def started(module: str, *arguments: str) -> Iterator[tuple[str, int]]:
    """A yardstick server in a process of its own, until the block ends: its address and pid.

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


class Bare:
    """Serves one model with one FP32 input and one FP32 output."""

    def __init__(self, path: str) -> None:
        options = ort.SessionOptions()
        options.intra_op_num_threads = 1
        options.add_session_config_entry("session.intra_op.allow_spinning", "0")
        self._session = ort.InferenceSession(path, options, providers=["CPUExecutionProvider"])

    async def infer(
        self, request: inference_pb2.ModelInferRequest, _context: object
    ) -> inference_pb2.ModelInferResponse:
        """Answers one request on the event loop."""
        shape = tuple(request.inputs[0].shape)
        value = np.frombuffer(request.raw_input_contents[0], np.float32).reshape(shape)
        output = self._session.run(None, {request.inputs[0].name: value})[0]
        response = inference_pb2.ModelInferResponse(model_name=request.model_name, id=request.id)
        response.outputs.add(name="OUTPUT", datatype="FP32", shape=output.shape)
        response.raw_output_contents.append(output.tobytes())
        return response


async def serve(path: str) -> None:
    """Serves until the process ends."""
    server = grpc.aio.server(options=[("grpc.max_receive_message_length", -1)])
    handler = grpc.unary_unary_rpc_method_handler(
        Bare(path).infer,
        request_deserializer=inference_pb2.ModelInferRequest.FromString,
        response_serializer=inference_pb2.ModelInferResponse.SerializeToString,
    )
    server.add_generic_rpc_handlers(
        (grpc.method_handlers_generic_handler(INFERENCE_SERVICE, {"ModelInfer": handler}),)
    )
    port = server.add_insecure_port("127.0.0.1:0")
    await server.start()
    print(port, flush=True)
    await server.wait_for_termination()


if __name__ == "__main__":
    asyncio.run(serve(sys.argv[1]))
