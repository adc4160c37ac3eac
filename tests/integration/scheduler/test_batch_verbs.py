"""`hasten batch` and `hasten callback` against a real scheduler."""

import json
from pathlib import Path
from typing import Any
from uuid import uuid4

import numpy as np
import pytest
from typer.testing import CliRunner, Result

from hasten_cli.main import app
from tests.integration.scheduler.conftest import TaskMesh

pytestmark = [pytest.mark.integration, pytest.mark.xdist_group("tasks mesh")]

RUNNER = CliRunner()


@pytest.fixture
def hasten(tasks_mesh: TaskMesh, monkeypatch: pytest.MonkeyPatch) -> Any:
    monkeypatch.setenv("HASTEN_TASKS_ADDRESS", tasks_mesh.schedulers[1].address)
    return lambda *words: RUNNER.invoke(app, list(words))


def said(result: Result) -> Any:
    assert result.exit_code == 0, result.output
    return json.loads(result.stdout)


def test_a_batch_from_its_file_to_its_results(hasten: Any, tmp_path: Path) -> None:
    batch_id = uuid4().hex
    lines = tmp_path / "rows.jsonl"
    lines.write_text('{"id": "a", "inputs": {"INPUT": [1, 2]}}\n{"inputs": 3}\n')
    words = ("batch", "submit", "echo", str(lines), "--id", batch_id, "--label", "a=b", "--wait")
    sent = said(hasten(*words, "--json"))
    assert (sent["state"], sent["lines"], sent["succeeded"], sent["failed"]) == ("done", 2, 1, 1)
    assert f"{batch_id}  done  echo  2 lines, 1 answers, 1 errors" in hasten(*words).stdout
    printed = [
        json.loads(line) for line in hasten("batch", "results", batch_id).stdout.split("\n")[:2]
    ]
    assert printed[0]["outputs"][0]["data"] == [1.0, 2.0]
    assert printed[1]["error"]["reason"] == "INVALID_REQUEST"
    errors = hasten("batch", "results", batch_id, "--kind", "errors", "--json").stdout
    assert json.loads(errors)["line"] == 1
    listed = said(hasten("batch", "list", "--state", "done", "--most", "1000", "--json"))
    assert batch_id in [batch["id"] for batch in listed["batches"]]
    assert batch_id in hasten("batch", "list").stdout
    assert said(hasten("batch", "wait", batch_id, "--json"))["labels"] == {"a": "b"}
    assert "deleted" in hasten("batch", "delete", batch_id).stdout
    gone = hasten("batch", "get", batch_id)
    assert gone.exit_code == 1
    assert "hasten batch list" in gone.stderr


def test_a_batch_that_does_not_end_well_says_so(hasten: Any, tmp_path: Path) -> None:
    batch_id = uuid4().hex
    np.savez(tmp_path / "rows.npz", INPUT=np.ones((40, 4), np.float32))
    lines = str(tmp_path / "rows.npz")
    assert said(hasten("batch", "submit", "slow", lines, "--id", batch_id, "--json"))["lines"] == 40
    assert "paused" in hasten("batch", "pause", batch_id).stdout
    assert "running" in hasten("batch", "resume", batch_id).stdout
    assert hasten("batch", "cancel", batch_id).exit_code == 0
    waited = hasten("batch", "wait", batch_id, "--timeout", "60s")
    assert waited.exit_code == 1
    assert f"batch {batch_id} is cancelled" in waited.stderr


def test_wrong_use_is_told_plainly(hasten: Any, tmp_path: Path) -> None:
    absent = hasten("batch", "submit", "echo", str(tmp_path / "absent.jsonl"))
    assert absent.exit_code == 2
    assert "there is nothing at" in absent.stderr
    forbidden = hasten("batch", "submit", "echo", str(tmp_path))
    assert forbidden.exit_code == 1
    assert "URI_NOT_ALLOWED" in forbidden.stderr
    assert hasten("callback", "list", "--state", "waiting").exit_code == 0
    retried = hasten("callback", "retry", "nothing", "--json")
    assert retried.exit_code == 1
    assert json.loads(retried.stderr)["error"]["not_dead"] == ["nothing"]
