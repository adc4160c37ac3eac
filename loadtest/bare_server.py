"""The least a Python gRPC server can do: grpc.aio that parses, calls onnxruntime, answers.

The yardstick for the worker and the router: no batching, no deadlines, no checks.

    python -m loadtest.bare_server MODEL.onnx      prints its port, serves until ended
"""

import asyncio
import sys

import numpy as np
import onnxruntime as ort

from hasten.inference.v2 import inference_pb2
from loadtest.yardstick_server import serve


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


async def main(path: str) -> None:
    """Serves until the process ends."""
    server = await serve(Bare(path).infer)
    await server.wait_for_termination()


if __name__ == "__main__":
    asyncio.run(main(sys.argv[1]))
