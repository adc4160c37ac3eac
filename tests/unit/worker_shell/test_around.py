"""What stands around the shell: settings, load report, vital signs, the server's settings."""

import asyncio
from pathlib import Path

import pytest
from pydantic import ValidationError

from hasten.common.v1.load_pb2 import WorkerState
from hasten.inference.v2 import inference_pb2 as pb
from hasten_policy.load import LoadSample, WorkerReport
from hasten_runtime.clock import ManualClock
from hasten_runtime.fakes import MemoryLoadStore
from hasten_runtime.load_store import StoreUnavailable
from hasten_runtime.wire import report_to_wire
from hasten_worker.engine.settings import cores_available
from hasten_worker.inference.server import LogSettings
from hasten_worker.reporting import Reporter
from hasten_worker.settings import WorkerSettings
from hasten_worker.vitals import Vitals
from tests.support.waiting import eventually

EVERYWHERE = "0.0.0.0"  # noqa: S104  (a name in a setting; nothing is bound)
REPORT = WorkerReport("i1", False, 1, LoadSample(1, 0, 0.0, 0.0, 0, 2, 0.0), ())


def settings(**changes: object) -> WorkerSettings:
    return WorkerSettings(**({"models_dir": Path("/m")} | changes))  # type: ignore[arg-type]  # a test's facts


def test_shared_memory_is_on_by_itself_only_on_loopback() -> None:
    for host in ("127.0.0.1", "localhost", "[::1]"):
        assert settings(address=f"{host}:1").shared_memory_on()
    for host in (EVERYWHERE, "10.0.0.1", "worker"):
        assert not settings(address=f"{host}:1").shared_memory_on()
    assert settings(address=f"{EVERYWHERE}:1", shared_memory=True).shared_memory_on()
    assert not settings(address="127.0.0.1:1", shared_memory=False).shared_memory_on()


def test_routers_are_told_an_address_that_they_can_call() -> None:
    assert settings().advertised("127.0.0.1:7") == "127.0.0.1:7"
    assert settings(advertise_host="here").advertised(f"{EVERYWHERE}:7") == "here:7"
    host, _, port = settings().advertised(f"{EVERYWHERE}:7").rpartition(":")
    assert host not in {"", EVERYWHERE}
    assert port == "7"


def test_lanes_follow_the_cores_unless_they_are_set() -> None:
    assert settings(lanes=3).worker_policy().lanes == 3
    assert settings(cores=2).lane_count() == 1
    assert settings(cores=4).lane_count() == 2
    assert settings(cores=64).lane_count() == 4
    assert 1 <= settings().lane_count() <= max(1, cores_available())
    assert settings(lanes=3).store().lanes == 3


def test_leases_live_in_the_redis_of_the_load_report_unless_another_is_named() -> None:
    url = "redis://127.0.0.1:1"
    chosen = settings(redis_url=url, discovery={"kind": "redis"}).discovery_settings()
    assert chosen.address == url
    other = {"kind": "redis", "address": "redis://other:1"}
    assert settings(redis_url=url, discovery=other).discovery_settings().address == other["address"]


def test_every_worker_has_a_name() -> None:
    assert settings(id="w7").worker_id() == "w7"
    assert settings().worker_id()


@pytest.mark.parametrize(
    "changes", [{"lanes": -1}, {"address": "nowhere"}, {"model_control": "auto"}, {"typo": 1}]
)
def test_settings_out_of_range_are_refused(changes: dict[str, object]) -> None:
    with pytest.raises(ValidationError):
        settings(**changes)


def reporter(store: MemoryLoadStore | None, *, period_s: float = 0.01) -> Reporter:
    return Reporter(store, "w1", Vitals(ManualClock()), period_s=period_s, ttl_s=10.0)


def state() -> WorkerState:
    return report_to_wire("w1", "", REPORT)


async def test_the_report_is_renewed_and_a_lost_store_is_found_again() -> None:
    store = MemoryLoadStore()
    subject = reporter(store)
    running = asyncio.ensure_future(subject.run(state))
    await eventually(store.reports)
    store.available = False
    await eventually(lambda: not subject._reachable)
    store.available = True
    await store.withdraw("w1")
    await eventually(store.reports)
    await subject.withdraw()
    assert await store.reports() == {}
    subject.close()
    await asyncio.wait_for(running, 60)
    assert await store.reports() == {}


async def test_a_dead_store_ends_neither_the_reporter_nor_the_leaving() -> None:
    store = MemoryLoadStore()
    store.available = False
    subject = reporter(store)
    running = asyncio.ensure_future(subject.run(state))
    await subject.withdraw()
    with pytest.raises(StoreUnavailable):
        await store.reports()
    subject.close()
    await asyncio.wait_for(running, 60)


async def test_without_a_store_only_the_process_is_measured() -> None:
    subject = reporter(None)
    running = asyncio.ensure_future(subject.run(state))
    await subject.withdraw()
    subject.close()
    await asyncio.wait_for(running, 60)


def test_processor_time_is_told_in_cores() -> None:
    clock = ManualClock()
    vitals = Vitals(clock)
    assert vitals.signs.memory_bytes > 1_000_000
    sum(index * index for index in range(2_000_000))
    clock.advance(1.0)
    signs = vitals.sample()
    assert 0.0 < signs.cpu_cores < 60.0
    assert vitals.sample().cpu_cores == 0.0
    vitals.close()


def test_what_is_in_use_of_the_machine_is_told(tmp_path: Path) -> None:
    vitals = Vitals(ManualClock(), tmp_path)
    node = vitals.sample().node
    assert 0.0 <= node.cpu <= 1.0
    assert 0 < node.memory_bytes < node.memory_bytes_max
    assert 0 < node.disk_bytes <= node.disk_bytes_max
    gone = Vitals(ManualClock(), tmp_path / "gone").sample().node
    assert (gone.disk_bytes, gone.disk_bytes_max) == (0, 0)
    assert gone.memory_bytes_max == node.memory_bytes_max
    vitals.close()


LEVELS = [
    ({"log_verbose_level": 1}, "debug"),
    ({"log_info": False}, "warning"),
    ({"log_info": False, "log_warning": False}, "error"),
    ({"log_info": False, "log_warning": False, "log_error": False}, "critical"),
]


@pytest.mark.parametrize(("changes", "level"), LEVELS)
async def test_the_log_level_follows_the_settings(changes: dict[str, int], level: str) -> None:
    applied: list[str] = []
    subject = LogSettings(applied.append, "info")
    request = pb.LogSettingsRequest()
    for key, value in changes.items():
        if isinstance(value, bool):
            request.settings[key].bool_param = value
        else:
            request.settings[key].uint32_param = value
    await subject.log_settings(request, None)
    assert applied == [level]
    await subject.log_settings(pb.LogSettingsRequest(), None)
    assert applied == [level]
