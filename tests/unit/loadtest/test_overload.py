"""What the overload sweep offers, and what its models are."""

from itertools import pairwise
from pathlib import Path

import numpy as np
import onnx
import onnxruntime as ort
import pytest

from hasten.inference.v2 import inference_pb2 as pb
from loadtest import computing
from loadtest.burners import burning
from loadtest.exact import exact_per_s, line_ms
from loadtest.overload import Demand, per_s, plan


def test_a_mix_gives_each_model_its_part_of_the_capacity() -> None:
    demand = Demand(("mlp", "encoder"), (8, 16), deadline_s=0.05, seconds=30.0)
    capacity = {"mlp": 400.0, "encoder": 80.0}
    assert per_s(capacity) == 240.0
    calls = plan(demand, capacity, 2.0, 1.0, 31.0)
    assert all(first.at_s <= second.at_s for first, second in pairwise(calls))
    assert 1.0 <= calls[0].at_s <= calls[-1].at_s <= 31.0
    assert {call.deadline_s for call in calls} == {0.05}
    requests = [pb.ModelInferRequest.FromString(call.payload) for call in calls]
    lengths = [list(one.inputs[0].shape)[1] for one in requests if one.model_name == "encoder"]
    assert len(requests) - len(lengths) == pytest.approx(2.0 * 200 * 30, rel=0.05)
    assert len(lengths) == pytest.approx(2.0 * 40 * 30, rel=0.1)
    assert abs(lengths.count(8) - lengths.count(16)) <= 1
    assert set(lengths) == {8, 16}


@pytest.mark.parametrize(("name", "length"), [("mlp", 0), ("encoder", 5), ("encoder", 33)])
def test_the_models_compute_row_by_row_and_are_the_same_each_time(
    name: str, length: int, tmp_path: Path
) -> None:
    for folder in ("one", "two"):
        computing.write(tmp_path / folder, name)
    files = [tmp_path / folder / name / "1" / "model.onnx" for folder in ("one", "two")]
    assert files[0].read_bytes() == files[1].read_bytes()
    onnx.checker.check_model(str(files[0]), full_check=True)
    session = ort.InferenceSession(files[0], providers=["CPUExecutionProvider"])
    [(key, rows)] = computing.inputs(name, length, rows=3).items()
    [together] = session.run(None, {key: rows})
    for index, alone in enumerate(together):
        [row] = session.run(None, {key: rows[index : index + 1]})
        np.testing.assert_allclose(row[0], alone, rtol=1e-3, atol=1e-5)
    assert len({bytes(row) for row in together}) == 3


def test_neighbours_are_gone_when_the_block_ends() -> None:
    with pytest.raises(KeyError, match="away"), burning(1):
        raise KeyError("away")


def test_exact_knowledge_answers_what_is_offered_and_no_more_than_batches_can_do() -> None:
    line = (2.0, 1.8)
    assert exact_per_s(line, 50.0, 100.0) == pytest.approx(100.0, rel=0.1)
    # Batches of 11 rows, of which two in a row end within 50 ms, come to 472 a second.
    assert 430.0 < exact_per_s(line, 50.0, 900.0) < 550.0


def test_the_line_of_a_model_goes_through_its_runs(tmp_path: Path) -> None:
    computing.write(tmp_path, "mlp")
    alpha, beta = line_ms(tmp_path, "mlp", 0)
    assert alpha >= 0.0
    assert beta > 0.0
