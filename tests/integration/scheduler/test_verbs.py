"""The verbs of tasks against a real scheduler."""

import json
from typing import Any
from uuid import uuid4

import pytest
from typer.testing import CliRunner, Result

from hasten_cli.main import app
from tests.integration.scheduler.conftest import TaskMesh

pytestmark = [pytest.mark.integration, pytest.mark.xdist_group("tasks mesh")]

RUNNER = CliRunner()


@pytest.fixture
def hasten(tasks_mesh: TaskMesh, monkeypatch: pytest.MonkeyPatch) -> Any:
    monkeypatch.setenv("HASTEN_TASKS_ADDRESS", tasks_mesh.schedulers[0].address)
    return lambda *words: RUNNER.invoke(app, list(words))


def said(result: Result) -> Any:
    assert result.exit_code == 0, result.output
    return json.loads(result.stdout)


def test_a_task_from_its_submit_to_its_answer(hasten: Any) -> None:
    task_id = uuid4().hex
    words = ("submit", "echo", "-i", "INPUT=[[1,2]]", "--id", task_id, "--label", "a=b")
    assert said(hasten(*words, "--json"))["tasks"] == [{"id": task_id, "repeated": False}]
    waited = hasten("task", "wait", task_id, "--timeout", "60s")
    assert waited.exit_code == 0
    assert f"{task_id}  done  echo" in waited.stdout
    assert "OUTPUT  FP32  [1, 2]" in waited.stdout
    assert f"{task_id}  (was there already)" in hasten(*words).stdout
    got = said(hasten("task", "get", task_id, "--json"))
    assert (got["state"], got["labels"]) == ("done", {"a": "b"})
    assert got["outputs"][0]["data"] == [[1.0, 2.0]]
    listed = said(hasten("task", "list", "--label", "a=b", "--state", "done", "--json"))
    assert task_id in [task["id"] for task in listed["tasks"]]


def test_many_are_submitted_and_waited_for(hasten: Any) -> None:
    ended = said(hasten("submit", "echo", "-i", "INPUT=@ones", "--count", "5", "--wait", "--json"))
    assert [task["state"] for task in ended["tasks"]] == ["done"] * 5


def test_a_task_that_waits_is_explained_changed_and_cancelled(hasten: Any) -> None:
    task_id = uuid4().hex
    hasten("submit", "echo", "-i", "INPUT=@ones", "--id", task_id, "--start-in", "1h")
    assert "it may start in" in hasten("task", "explain", task_id).stdout
    changed = said(hasten("task", "update", task_id, "--class", "0", "--deadline", "2h", "--json"))
    assert changed["priority"] == 0
    assert "cancelled" in hasten("task", "cancel", task_id).stdout
    waited = hasten("task", "wait", task_id, "--json")
    assert waited.exit_code == 1
    assert json.loads(waited.stderr)["error"]["not_done"] == [task_id]


def test_dead_letters_are_listed_requeued_and_dropped(hasten: Any) -> None:
    task_id = uuid4().hex
    ended = hasten("submit", "picky", "-i", "INPUT=[9]", "--id", task_id, "--wait")
    assert ended.exit_code == 1
    assert "hasten dead list" in ended.stderr
    assert f"{task_id}" in hasten("dead", "list").stdout
    assert said(hasten("dead", "drop", task_id, "--json"))["dropped"] == [task_id]
    gone = hasten("dead", "requeue", task_id)
    assert (gone.exit_code, "no dead tasks" in gone.stderr) == (1, True)
    missing = hasten("task", "get", task_id)
    assert (missing.exit_code, "hasten task list" in missing.stderr) == (1, True)


def test_a_queue_is_paused_counted_and_resumed(hasten: Any) -> None:
    tenant = uuid4().hex
    assert "paused" in hasten("queue", "pause", "--tenant", tenant).stdout
    hasten("submit", "echo", "-i", "INPUT=@ones", "--tenant", tenant)
    counts = said(hasten("queue", "stats", "--json"))
    assert {"tenant": tenant, "model": ""} in counts["paused"]
    assert counts["tenants"][tenant][0] == 1
    assert f"paused: tenant {tenant}" in hasten("queue", "stats").stdout
    assert "resumed" in hasten("queue", "resume", "--tenant", tenant).stdout
    assert said(hasten("queue", "purge", tenant, "--json"))["purged"] == 1


def test_nobody_at_the_address_is_exit_code_three(hasten: Any) -> None:
    away = hasten("queue", "stats", "--address", "127.0.0.1:1")
    assert (away.exit_code, "HASTEN_TASKS_ADDRESS" in away.stderr) == (3, True)
