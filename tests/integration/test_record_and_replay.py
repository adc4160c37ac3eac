"""Real services record, are stopped or killed, and their logs give the same effects again."""

import asyncio
import os
import signal
from pathlib import Path

import numpy as np
import pytest

import hasten_client as hc
from hasten_sim.replay import ReplayOutcome, replay
from loadtest.repository import write_synthetic
from tests.support.services import (
    NOBODY_FREEZES,
    router_environ,
    running_service,
    worker_environ,
)
from tests.support.waiting import eventually, eventually_sync

pytestmark = pytest.mark.integration

CALLS = 200
X = np.zeros((1, 2), np.float32)


@pytest.fixture
def models(tmp_path: Path) -> Path:
    write_synthetic(tmp_path / "models", "step", alpha_ms=5, beta_ms=1, batch_max=4)
    return tmp_path / "models"


async def call(address: str) -> int:
    """Calls in bursts, some with too little time; returns how many were answered."""
    async with hc.AsyncClient(address) as client:
        await eventually(lambda: client.ready("step"), what="the model is ready")

        async def one(number: int) -> bool:
            deadline_s = (0.001, 0.02, 0.1, 5.0)[number % 4]
            try:
                await client.infer("step", {"INPUT": X}, deadline_s=deadline_s, priority=number % 3)
            except hc.HastenError:
                return False
            return True

        answered = 0
        for first in range(0, CALLS, 20):
            burst = (one(number) for number in range(first, first + 20))
            answered += sum(await asyncio.gather(*burst))
        return answered


def logs_of(folder: Path, service: str) -> list[Path]:
    return sorted(folder.glob(f"{service}-*.hlog"))


def test_a_routers_and_a_workers_log_give_the_same_effects_again(
    models: Path, tmp_path: Path
) -> None:
    folder = tmp_path / "logs"
    worker_settings = worker_environ("one", models, {"kind": "static"}, record=str(folder))
    with running_service(
        "hasten_worker.main", worker_settings, log_path=tmp_path / "one.log"
    ) as worker:
        router_settings = router_environ(
            {"kind": "static"},
            workers=worker.address,
            record=str(folder),
            drain__notice_s="0",
            **NOBODY_FREEZES,
        )
        with running_service(
            "hasten_router.main", router_settings, log_path=tmp_path / "router.log"
        ) as router:
            answered = asyncio.run(call(router.address))
    assert answered > CALLS / 8
    for service in ("router", "worker"):
        (path,) = logs_of(folder, service)
        outcome = replay(path)
        assert outcome.first_difference is None
        assert (outcome.kind, outcome.end, outcome.notes) == (service, "closed", ())
        # Each call that was answered came in and ended; others may have ended on their way here.
        assert outcome.events > answered
        assert outcome.effects > answered


def test_each_of_many_processes_has_a_log_and_one_that_is_killed_loses_little(
    models: Path, tmp_path: Path
) -> None:
    folder = tmp_path / "logs"
    worker_settings = worker_environ("one", models, {"kind": "static"})
    with running_service(
        "hasten_worker.main", worker_settings, log_path=tmp_path / "one.log"
    ) as worker:
        router_settings = router_environ(
            {"kind": "static"},
            workers=worker.address,
            processes="2",
            record=str(folder),
            **NOBODY_FREEZES,
        )
        with running_service(
            "hasten_router.main", router_settings, log_path=tmp_path / "router.log"
        ) as router:
            assert asyncio.run(call(router.address)) > 0
            # All that happened more than a second ago is in the files.
            eventually_sync(lambda: sum(each.events for each in readable(folder)) > CALLS)
            killed = readable(folder)[0].about
            os.kill(int(killed["pid"]), signal.SIGKILL)
            eventually_sync(lambda: len(logs_of(folder, "router")) == 3)
    found = {outcome.about["pid"]: outcome for outcome in readable(folder)}
    assert all(outcome.same for outcome in found.values())
    assert [pid for pid, outcome in found.items() if outcome.truncated] == [killed["pid"]]
    assert {outcome.about["id"] for outcome in found.values()} == {"router-0", "router-1"}


def readable(folder: Path) -> list[ReplayOutcome]:
    """Replays of those logs whose header has been written."""
    return [replay(path) for path in logs_of(folder, "router") if path.stat().st_size]
