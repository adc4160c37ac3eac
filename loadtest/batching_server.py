"""A gRPC server that does nothing but batch: the yardstick for throughput.

Whatever waits when the last run has ended is run together, in one run of onnxruntime with the
settings of a worker. Optionally the first call waits a moment for company. No deadlines, no checks.

    python -m loadtest.batching_server MODEL.onnx [WAIT_MS]     prints its port, serves until ended
"""

import asyncio
import sys
from asyncio import Future
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any, Final

import numpy as np

from hasten.inference.v2 import inference_pb2 as pb
from hasten_client.codec import encode
from hasten_client.datatypes import NUMPY_OF
from loadtest import plain
from loadtest.yardstick_server import serve

ROWS_MAX: Final = 32

Array = np.ndarray[Any, Any]
Waiting = tuple[Array, "Future[Array]"]


class Batching:
    """Serves one model with one input and one output whose calls all have one shape.

    Args:
        path: Of the model.
        wait_s: That the first call waits for others.
    """

    def __init__(self, path: Path, wait_s: float) -> None:
        self._session = plain.session_of(path)
        self._input = self._session.get_inputs()[0].name
        self._output = self._session.get_outputs()[0].name
        self._wait_s = wait_s
        self._waiting: asyncio.Queue[Waiting] = asyncio.Queue()

    async def infer(self, request: pb.ModelInferRequest, _context: object) -> pb.ModelInferResponse:
        """Answers when the batch with this call has been run."""
        given = request.inputs[0]
        raw = np.frombuffer(request.raw_input_contents[0], NUMPY_OF[given.datatype])
        answer: Future[Array] = asyncio.get_running_loop().create_future()
        await self._waiting.put((raw.reshape(tuple(given.shape)), answer))
        tensor = encode(self._output, await answer)
        response = pb.ModelInferResponse(model_name=request.model_name, id=request.id)
        response.outputs.add(name=self._output, datatype=tensor.datatype, shape=tensor.shape)
        response.raw_output_contents.append(tensor.raw)
        return response

    async def run(self) -> None:
        """Runs batch upon batch, for ever."""
        with ThreadPoolExecutor(1) as thread:
            while True:
                batch = [await self._waiting.get()]
                if self._wait_s:
                    await asyncio.sleep(self._wait_s)
                while len(batch) < ROWS_MAX and not self._waiting.empty():
                    batch.append(self._waiting.get_nowait())
                rows = np.concatenate([value for value, _ in batch])
                loop = asyncio.get_running_loop()
                [made] = await loop.run_in_executor(
                    thread, self._session.run, [self._output], {self._input: rows}
                )
                at = 0
                for value, answer in batch:
                    answer.set_result(made[at : at + len(value)])
                    at += len(value)


async def main(path: Path, wait_s: float) -> None:
    """Serves until the process ends."""
    batching = Batching(path, wait_s)
    server = await serve(batching.infer)
    await asyncio.gather(batching.run(), server.wait_for_termination())


if __name__ == "__main__":
    import uvloop

    with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
        runner.run(main(Path(sys.argv[1]), float((sys.argv[2:] or ["0"])[0]) / 1e3))
