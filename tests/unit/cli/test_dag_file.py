"""DAGs out of files, and what is wrong with a file."""

import json
from pathlib import Path

import numpy as np
import pytest

from hasten_cli.dag_file import read_dag
from hasten_cli.failures import USAGE, CommandError
from hasten_client import Dag, From, ModelMetadata, Split, TensorMetadata, When

GOOD = """
name = "d1"
tenant = "acme"
deadline = "2m"
keep = "1h"
priority = "high"
attempts = 2
[labels]
run = "a"
[inputs]
rows = [[1, 2], [3, 4]]
[outputs]
answer = "b.two.y"
either = ["c.y", "b.two.y"]
[[steps]]
name = "a"
model = "double"
inputs = { x = "inputs.rows" }
split = { inputs = ["x"], rows = 1, join = "mean", best_effort = true }
[[steps]]
name = "b.two"
model = "double"
version = "1"
inputs = { x = ["c.y", "a.y"] }
when = ["every a.y >= 0.5", "a.y != 3"]
priority = "low"
deadline = "30s"
[[steps]]
name = "c"
model = "double"
inputs = { x = { value = [[1.5, 2]] } }
"""


def metadata(model: str, version: str) -> ModelMetadata:
    del version
    rows = TensorMetadata("x", "FP32", (-1, 2))
    return ModelMetadata(model, ("1",), "onnx", (rows,), (TensorMetadata("y", "FP32", (-1, 2)),))


def read(tmp_path: Path, text: str, *given: str, name: str = "dag.toml") -> Dag:
    path = tmp_path / name
    path.write_text(text)
    return read_dag(path, given, metadata)


def test_a_file_says_all_that_a_dag_is(tmp_path: Path) -> None:
    dag = read(tmp_path, GOOD)
    assert (dag.name, dag.tenant, dag.deadline_s, dag.keep_s) == ("d1", "acme", 120.0, 3600.0)
    assert (dag.priority, dag.attempts_max, dag.labels) == ("high", 2, {"run": "a"})
    rows = np.asarray(dag.inputs["rows"])
    assert (rows.dtype, rows.tolist()) == (np.float32, [[1.0, 2.0], [3.0, 4.0]])
    assert dag.outputs == {
        "answer": [From("b.two", "y")],
        "either": [From("c", "y"), From("b.two", "y")],
    }
    first, second, third = dag.steps
    assert first.inputs == {"x": [From("", "rows")]}
    assert first.split == Split(inputs=["x"], rows=1, join="mean", best_effort=True)
    assert (second.version, second.priority, second.deadline_s) == ("1", "low", 30.0)
    assert second.when == [
        When(From("a", "y"), ">=", 0.5, every=True),
        When(From("a", "y"), "!=", 3.0),
    ]
    assert np.asarray(third.inputs["x"]).tolist() == [[1.5, 2.0]]


def test_json_says_the_same_and_words_go_before_the_file(tmp_path: Path) -> None:
    said = {
        "inputs": {"rows": "@zeros"},
        "outputs": {"o": "a.y"},
        "steps": [{"name": "a", "model": "double", "inputs": {"x": "inputs.rows"}}],
    }
    dag = read(tmp_path, json.dumps(said), "rows=[[5,6]]", name="dag.json")
    assert np.asarray(dag.inputs["rows"]).tolist() == [[5.0, 6.0]]
    assert (dag.name, dag.deadline_s) == ("", None)


ONE = '[[steps]]\nname = "a"\nmodel = "double"\n'


@pytest.mark.parametrize(
    ("text", "says"),
    [
        ("name = ", "cannot be read"),
        ("nonsense = 1", "'nonsense'"),
        ("steps = 1", "steps must be a list"),
        ("outputs = 1", "outputs must be a table"),
        ("steps = [1]", "a step must be a table"),
        ('[[steps]]\nname = "a"', "a name and a model"),
        (ONE + "spilt = 1", "'spilt'"),
        (ONE + 'inputs = { z = "a.y" }', "no input 'z', but x"),
        (ONE + 'inputs = { x = "y" }', "'y' is no tensor"),
        (ONE + 'inputs = { x = "a." }', "'a.' is no tensor"),
        (ONE + "inputs = { x = 1 }", "1 is no tensor"),
        (ONE + "inputs = { x = { vlaue = 1 } }", "'vlaue'"),
        (ONE + 'when = ["a.y"]', "no condition"),
        (ONE + 'when = ["a.y > high"]', "no condition"),
        (ONE + "split = { into = 2 }", "'into'"),
        (ONE + 'deadline = "soon"', "deadline"),
        ("[inputs]\nrows = 1\n" + ONE, "no step takes inputs.rows"),
    ],
)
def test_what_is_wrong_with_a_file_is_named(tmp_path: Path, text: str, says: str) -> None:
    with pytest.raises(CommandError) as error:
        read(tmp_path, text)
    assert says in error.value.message
    assert error.value.code == USAGE


def test_a_file_that_is_not_there(tmp_path: Path) -> None:
    with pytest.raises(CommandError, match="cannot read"):
        read_dag(tmp_path / "dag.toml", (), metadata)
