"""The paths that need a GPU. The same code with the host as device is in test_runner."""

import threading
from pathlib import Path

import ml_dtypes
import numpy as np
import pytest
from onnx import TensorProto

from hasten_worker.engine.onnx.session import CPU, CUDA, SessionPlan
from hasten_worker.model import Array
from tests.unit.worker_engine import zoo
from tests.unit.worker_engine.running import make_runner, run, settled
from tests.unit.worker_engine.shop import answer, lines, open_store
from tests.unit.worker_engine.zoo import Repository

pytestmark = pytest.mark.gpu

PLAN = SessionPlan(providers=((CUDA, {"device_id": "0"}), (CPU, {})), device="cuda")


@pytest.mark.parametrize(
    ("kind", "dtype"),
    [
        (TensorProto.FLOAT, np.float32),
        (TensorProto.FLOAT16, np.float16),
        (TensorProto.BFLOAT16, ml_dtypes.bfloat16),
        (TensorProto.INT64, np.int64),
    ],
)
@pytest.mark.parametrize("bound", [False, True])
def test_numbers_go_to_the_device_and_come_back(
    tmp_path: Path, kind: int, dtype: type, bound: bool
) -> None:
    runner, _ = make_runner(tmp_path, zoo.identity(kind), plan=PLAN)
    if bound:
        settled(runner, run(runner, {"X": np.zeros((1, 3), dtype)}))
    answers: list[Array] = []
    for number in range(1, 4):
        rows: Array = np.full((number, 3), number, dtype)
        answers.append(run(runner, {"X": rows}, padded_rows=4)[0]["Y"])
    for number, found in enumerate(answers, start=1):
        np.testing.assert_array_equal(found, np.full((number, 3), number, dtype))


def test_lanes_share_the_device_and_not_their_buffers(tmp_path: Path) -> None:
    runner, _ = make_runner(tmp_path, zoo.add(("n", 64)), plan=PLAN)
    settled(runner, run(runner, {"X": np.zeros((1, 64), np.float32)}))
    wrong: list[int] = []

    def lane(number: int) -> None:
        for turn in range(200):
            member = {"X": np.full((2, 64), 1000 * number + turn, np.float32)}
            if (run(runner, member)[0]["Y"] != member["X"] + 1).any():
                wrong.append(number)

    lanes = [threading.Thread(target=lane, args=(number,)) for number in range(4)]
    for thread in lanes:
        thread.start()
    for thread in lanes:
        thread.join()
    assert not wrong


async def test_a_model_is_loaded_onto_the_gpu(repository: Repository) -> None:
    repository.write("m", zoo.add(), config="max_batch_size: 8 instance_group { kind: KIND_GPU }")
    async with open_store(repository) as (store, _):
        assert lines(store) == {"m/1": "READY"}
        assert answer(store.resolve("m", ""), 1, 2, 3, 4) == [2, 3, 4, 5]
