"""DAGs against real schedulers: from the command line, from Python, and with an owner that dies."""

import json
from pathlib import Path
from typing import Any
from uuid import uuid4

import numpy as np
import pytest
from typer.testing import CliRunner, Result

from hasten_cli.main import app
from hasten_client import (
    AsyncDagClient,
    Dag,
    DagClient,
    DagStep,
    From,
    HastenError,
    InferRequest,
    NewTask,
    NotFound,
    Split,
    TaskClient,
    When,
)
from tests.integration.scheduler.conftest import TaskMesh

pytestmark = [pytest.mark.integration, pytest.mark.xdist_group("tasks mesh")]

RUNNER = CliRunner()
WAIT_S = 60.0
ROWS = np.arange(12, dtype=np.float32).reshape(4, 3)
FILE = """
[inputs]
rows = [[1, 2], [3, 4]]
[outputs]
answer = "second.OUTPUT"
[[steps]]
name = "first"
model = "echo"
inputs = { INPUT = "inputs.rows" }
[[steps]]
name = "second"
model = "echo"
inputs = { INPUT = "first.OUTPUT" }
when = ["first.OUTPUT > 3"]
split = { inputs = ["INPUT"], rows = 1 }
"""


@pytest.fixture
def hasten(tasks_mesh: TaskMesh, monkeypatch: pytest.MonkeyPatch) -> Any:
    monkeypatch.setenv("HASTEN_TASKS_ADDRESS", tasks_mesh.schedulers[0].address)
    return lambda *words: RUNNER.invoke(app, list(words))


def said(result: Result) -> Any:
    assert result.exit_code == 0, result.output
    return json.loads(result.stdout)


def echo(name: str, source: From, **more: Any) -> DagStep:
    return DagStep(name, "echo", {"INPUT": source}, **more)


def dag(*steps: DagStep, name: str = "", **more: Any) -> Dag:
    output = {"o": From(steps[-1].name, "OUTPUT")}
    return Dag(steps, output, {"rows": ROWS}, name=name or uuid4().hex, **more)


def test_a_dag_from_its_submit_to_its_outputs(hasten: Any, tmp_path: Path) -> None:
    file, name = tmp_path / "dag.toml", uuid4().hex
    file.write_text(FILE)
    words = ("dag", "submit", str(file), "--name", name)
    done = hasten(*words, "--wait")
    assert done.exit_code == 0, done.output
    assert f"{name}  done  in" in done.stdout
    assert "answer  FP32  [2, 2]" in done.stdout
    assert f"{name}  (was there already)" in hasten(*words).stdout
    got = said(hasten("dag", "get", name, "--json"))
    assert got["outputs"][0]["data"] == [[1.0, 2.0], [3.0, 4.0]]
    assert [len(step["parts"]) for step in got["steps"]] == [1, 2]
    assert name in [each["name"] for each in said(hasten("dag", "list", "--json"))["dags"]]
    task = said(hasten("task", "get", f"dag:{name}/first/0", "--json"))
    assert (task["state"], task["job"]) == ("done", f"dag:/{name}")
    listed = said(hasten("task", "list", "--job", f"dag:/{name}", "--json"))["tasks"]
    assert len(listed) == 3
    assert hasten("dag", "submit", str(file), "--name", name, "-i", "rows=@ones").exit_code == 1


def test_a_dag_that_waits_is_explained_and_cancelled(hasten: Any, tmp_path: Path) -> None:
    file, name = tmp_path / "dag.toml", uuid4().hex
    file.write_text(FILE.replace('"echo"', '"slow"', 1))
    assert hasten("dag", "submit", str(file), "--name", name, "-i", "rows=[[1]]").exit_code == 0
    shown = hasten("dag", "get", name)
    assert "second: step 'first' has not ended" in shown.stdout
    assert hasten("dag", "wait", name, "--timeout", "200ms").exit_code == 1
    cancelled = hasten("dag", "cancel", name)
    assert f"{name} cancelled" in cancelled.stdout, cancelled.output
    waited = hasten("dag", "wait", name, "--timeout", "60s")
    assert waited.exit_code == 1
    assert f"{name}  cancelled" in waited.stdout


def test_a_request_is_split_by_submit(hasten: Any) -> None:
    name = uuid4().hex
    words = ("submit", "echo", "-i", "INPUT=[[1],[2],[3]]", "--split", "2", "--id", name)
    ended = said(hasten(*words, "--wait", "--json"))
    assert ended["outputs"][0]["data"] == [[1.0], [2.0], [3.0]]
    assert len(ended["steps"][0]["parts"]) == 2
    assert hasten(*words, "--count", "2").exit_code == 2


async def test_the_asyncio_client_has_the_same_methods(address: str) -> None:
    async with AsyncDagClient(address) as client:
        made = dag(echo("a", From("", "rows")), echo("b", From("a", "OUTPUT")))
        submitted = await client.submit(made)
        assert (await client.submit(made)).repeated
        done = await client.wait(submitted.name, deadline_s=WAIT_S)
        assert np.array_equal(done.outputs["o"], ROWS)
        assert (await client.get(submitted.name)).ended_s == done.ended_s
        assert submitted.name in [each.name for each in (await client.page()).dags]
        with pytest.raises(NotFound):
            await client.get("nothing")


BAD: dict[str, tuple[Dag, str]] = {
    "an unknown model": (
        dag(DagStep("a", "nothing", {"INPUT": From("", "rows")})),
        "MODEL_NOT_FOUND",
    ),
    "a circle": (
        dag(echo("a", From("b", "OUTPUT")), echo("b", From("a", "OUTPUT"))),
        "DAG_CYCLE",
    ),
    "another type": (
        dag(DagStep("a", "picky", {"INPUT": From("", "rows")})),
        "DTYPE_MISMATCH",
    ),
    "another shape": (
        dag(
            DagStep("a", "picky", {"INPUT": np.array([1, 2], np.int64)}),
        ),
        "SHAPE_MISMATCH",
    ),
    "no such output": (
        dag(
            echo("a", From("", "rows")),
            echo("b", From("a", "OUTPUT"), when=[When(From("a", "z"), ">", 1.0)]),
        ),
        "OUTPUT_UNKNOWN",
    ),
}


@pytest.mark.parametrize(("bad", "reason"), BAD.values(), ids=BAD.keys())
def test_what_cannot_be_run_is_refused_and_nothing_is_stored(
    address: str, bad: Dag, reason: str
) -> None:
    with DagClient(address) as client:
        with pytest.raises(HastenError) as error:
            client.submit(bad)
        assert error.value.reason == reason
        with pytest.raises(NotFound):
            client.get(bad.name)


def test_a_part_that_fails_fails_alone(address: str) -> None:
    numbers = np.array([1, 7, 2], np.int64)

    def split(*, best_effort: bool) -> Dag:
        step = DagStep(
            "a",
            "picky",
            {"INPUT": From("", "numbers")},
            split=Split(["INPUT"], rows=1, best_effort=best_effort),
        )
        outputs = {"o": From("a", "OUTPUT")}
        return Dag([step], outputs, {"numbers": numbers}, name=uuid4().hex)

    with DagClient(address) as client:
        best = client.wait(client.submit(split(best_effort=True)).name, deadline_s=WAIT_S)
        assert (best.state, best.outputs["o"].tolist()) == ("done", [1.0, 2.0])
        assert [part.state for part in best.steps[0].parts] == ["done", "failed", "done"]
        strict = client.wait(client.submit(split(best_effort=False)).name, deadline_s=WAIT_S)
        assert (strict.state, strict.failed_step) == ("failed", "a")
        assert strict.error is not None
        assert strict.error.reason == "MODEL_FAILED"


def test_small_tasks_share_batches_and_fail_apart(address: str) -> None:
    numbers = [0, 1, 9, 2, 3, 1]
    with TaskClient(address) as client:
        requests = [
            NewTask(InferRequest("table", {"INPUT": np.array([[number]], np.int64)}))
            for number in numbers
        ]
        client.pause(model="table")
        names = [outcome.request_id for outcome in client.submit_many(requests)]
        client.resume(model="table")
        ended = [client.wait(name, deadline_s=WAIT_S) for name in names]
    assert [task.state == "done" for task in ended] == [number < 4 for number in numbers]
    shared = [task.result for task in ended if task.result is not None]
    assert [result["OUTPUT"].tolist() for result in shared] == [[[0]], [[1]], [[2]], [[3]], [[1]]]
