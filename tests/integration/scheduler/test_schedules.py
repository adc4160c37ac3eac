"""Schedules of a real mesh: by the verbs, and over two schedulers and two shards."""

import json
from datetime import UTC, datetime
from typing import Any
from uuid import uuid4

import numpy as np
import pytest
from typer.testing import CliRunner, Result

from hasten_cli.main import app
from hasten_client import (
    AsyncScheduleClient,
    AsyncTaskClient,
    FailedPrecondition,
    InferRequest,
    NotFound,
    Rhythm,
    RunOptions,
)
from tests.integration.scheduler.conftest import TaskMesh
from tests.support.waiting import eventually, eventually_sync

pytestmark = [pytest.mark.integration, pytest.mark.xdist_group("tasks mesh")]

RUNNER = CliRunner()
REQUEST = InferRequest("echo", {"INPUT": np.ones((1, 2), np.float32)}, request_id="run")


@pytest.fixture
def hasten(tasks_mesh: TaskMesh, monkeypatch: pytest.MonkeyPatch) -> Any:
    monkeypatch.setenv("HASTEN_TASKS_ADDRESS", tasks_mesh.schedulers[0].address)
    return lambda *words: RUNNER.invoke(app, list(words))


def said(result: Result) -> Any:
    assert result.exit_code == 0, result.output
    return json.loads(result.stdout)


def test_a_schedule_from_its_creation_to_its_end(hasten: Any) -> None:
    name = f"s{uuid4().hex[:8]}"
    words = (
        *("schedule", "create", name, "echo", "-i", "INPUT=[[1,2]]", "--every", "300ms"),
        *("--label", f"of={name}", "--overlap", "wait", "--catch-up", "one"),
    )
    created = said(hasten(*words, "--json"))
    assert not created["repeated"]
    assert created["schedule"]["rhythm"]["overlap"] == "wait"
    assert "was there already" in hasten(*words).stdout

    def done() -> Any:
        shown = said(hasten("schedule", "get", name, "--json"))
        return shown if shown["done"] >= 2 else None

    shown = eventually_sync(done)
    assert (shown["failed"], shown["state"], shown["model"]) == (0, "active", "echo")
    runs = said(hasten("task", "list", "--label", f"of={name}", "--state", "done", "--json"))
    ids = [task["id"] for task in runs["tasks"]]
    assert len(ids) == len(set(ids)) >= 2
    assert all(each.startswith(f"schedule:{name}/20") for each in ids)
    assert f"{name} is paused" in hasten("schedule", "pause", name).stdout
    assert said(hasten("schedule", "get", name, "--json"))["next_at"] is None
    triggered = said(hasten("schedule", "trigger", name, "--json"))["id"]
    assert hasten("task", "wait", triggered, "--timeout", "60s").exit_code == 0
    again = said(hasten("schedule", "trigger", name, "--at", "2026-01-01T00:00:00Z", "--json"))
    assert again["id"] == f"schedule:{name}/2026-01-01T00:00:00Z"
    assert hasten("schedule", "resume", name).exit_code == 0
    changed = said(
        hasten("schedule", "update", name, "--cron", "0 3 * * *", "--zone", "Asia/Tokyo", "--json")
    )
    assert changed["next_at"].endswith("T18:00:00Z")
    told = said(hasten("schedule", "next", name, "--most", "3", "--json"))["runs"]
    assert [run["at"][11:] for run in told] == ["18:00:00Z"] * 3
    listed = said(hasten("schedule", "list", "--json"))["schedules"]
    assert name in [each["name"] for each in listed]
    assert name in hasten("schedule", "list").stdout
    assert f"{name} is deleted" in hasten("schedule", "delete", name).stdout
    gone = hasten("schedule", "get", name, "--json")
    assert gone.exit_code == 1
    assert json.loads(gone.stderr)["error"]["reason"] == "JOB_NOT_FOUND"


def test_what_is_no_schedule_is_told_plainly(hasten: Any) -> None:
    both = hasten("schedule", "create", "x", "echo", "-i", "INPUT=@ones")
    assert both.exit_code == 2
    assert "either --cron or --every" in both.stderr
    wrong = hasten("schedule", "create", "x", "echo", "-i", "INPUT=@ones", "--cron", "61 * * * *")
    assert wrong.exit_code == 1
    assert "minute must lie from 0 to 59" in wrong.stderr


async def test_a_hard_schedule_keeps_its_deadlines_and_one_too_many_is_refused(
    address: str,
) -> None:
    name, tenant = f"hard-{uuid4().hex[:8]}", uuid4().hex[:8]
    request = InferRequest(REQUEST.model, REQUEST.inputs, tenant=tenant, request_id="run")
    # The mesh has a model that takes a minute, and a run of it may have just begun.
    rhythm = Rhythm(period_s=200.0, deadline_s=200.0, hard=True, run_s=20.0)
    async with AsyncScheduleClient(address) as schedules, AsyncTaskClient(address) as tasks:
        created = await schedules.create(name, request, rhythm, runs=RunOptions(labels={"a": "b"}))
        assert created.schedule.rhythm == rhythm
        assert created.schedule.runs.labels == {"a": "b"}
        too_much = Rhythm(period_s=200.0, deadline_s=100.0, hard=True, run_s=90.0)
        with pytest.raises(FailedPrecondition, match=r"deadline is 100000 ms"):
            await schedules.create(f"{name}-b", request, too_much)
        runs = await schedules.next_runs(name, tenant=tenant, most=2)
        assert [run.hard for run in runs] == [True, True]
        assert (runs[1].at - runs[0].at).total_seconds() == 200.0
        # A run that people ask for has no part in the reservation.
        task_id = await schedules.trigger(name, tenant=tenant, at=datetime(2026, 1, 1, tzinfo=UTC))
        assert (await tasks.wait(task_id, tenant=tenant, deadline_s=60.0)).state == "done"
        page = await schedules.page(tenant=tenant, hard=True)
        assert [each.name for each in page.schedules] == [name]
        await schedules.delete(name, tenant=tenant)

        async def gone() -> bool:
            with pytest.raises(NotFound):
                await schedules.get(name, tenant=tenant)
            return True

        await eventually(gone)
