"""How late the host lets a process be is measured, and what the system counts is read."""

import asyncio
from pathlib import Path
from types import SimpleNamespace
from typing import NamedTuple

import pytest
from hypothesis import given
from hypothesis import strategies as st
from prometheus_client import CollectorRegistry

from hasten_policy.load import HostLag
from hasten_runtime import host_counters, metrics
from hasten_runtime.clock import ManualClock
from hasten_runtime.host_counters import HostCounters
from hasten_runtime.host_lag import RECENT_S, STALL_S, TICK_S, HostLagMeter, RecentLag
from tests.support.waiting import eventually

V2 = "0::/kubepods/pod1\n"
V1 = "4:memory:/x\n2:cpu,cpuacct:/kubepods/pod1\n1:name=systemd:/\n"
HYBRID = "3:cpu:/pod1\n0::/pod1\n"


class Times(NamedTuple):
    user: float = 0.0
    nice: float = 0.0
    system: float = 0.0
    idle: float = 0.0
    iowait: float = 0.0
    irq: float = 0.0
    softirq: float = 0.0
    steal: float = 0.0
    guest: float = 0.0


class Host:
    """A root folder and counters of CPU that the test sets."""

    def __init__(self, root: Path) -> None:
        self.root = root
        self.times = Times()

    def write(self, path: str, text: str) -> None:
        file = self.root / path
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_text(text)


@pytest.fixture
def host(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Host:
    made = Host(tmp_path)
    monkeypatch.setattr(host_counters, "psutil", SimpleNamespace(cpu_times=lambda: made.times))
    return made


# --- the loop -------------------------------------------------------------------------


def test_a_window_without_lateness_has_none() -> None:
    window = RecentLag()
    assert window.lag_s() == 0.0
    for _ in range(100):
        window.add(0.0)
    assert window.lag_s() == 0.0


def test_a_stall_weighs_as_long_as_it_lasted() -> None:
    window = RecentLag()
    for _ in range(40):
        window.add(0.0)
    window.add(0.2)
    assert 0.1 < window.lag_s() <= 0.2
    for _ in range(40):
        window.add(0.0)
    assert window.lag_s() == 0.0


@given(st.lists(st.floats(0.0, 1000.0), max_size=30))
def test_the_lag_is_never_more_than_what_was_measured(late_s: list[float]) -> None:
    window = RecentLag()
    for each_s in late_s:
        window.add(each_s)
    assert 0.0 <= window.lag_s() <= max(late_s, default=0.0)


def test_after_a_stop_of_a_minute_the_window_holds_its_last_second() -> None:
    window = RecentLag()
    window.add(60.0)
    assert window.lag_s() >= RECENT_S - 3 * TICK_S


async def test_a_loop_that_stood_still_is_told_at_once(host: Host) -> None:
    clock, told = ManualClock(), []
    meter = HostLagMeter(clock, HostCounters(host.root), told.append)
    meter.open()
    try:
        clock.advance(TICK_S + 0.2)
        found = await eventually(lambda: told and told[0], what="the stall is told")
        assert found.stall_s == pytest.approx(0.2, abs=0.002)
        assert meter.lag_s == found.lag_s > 0.1
    finally:
        meter.close()
        meter.close()


async def test_a_loop_in_time_tells_so_now_and_then(host: Host) -> None:
    clock, told = ManualClock(), []
    meter = HostLagMeter(clock, HostCounters(host.root), told.append)
    meter.open()
    try:

        def step() -> bool:
            clock.advance(STALL_S)  # Less than a tick each: never late by more than a tick.
            return len(told) >= 2

        await eventually(step, what="two reports")
    finally:
        meter.close()
    assert all(isinstance(each, HostLag) for each in told)


async def test_a_closed_meter_tells_nothing(host: Host) -> None:
    clock, told = ManualClock(), []
    meter = HostLagMeter(clock, HostCounters(host.root), told.append)
    meter.open()
    meter.close()
    clock.advance(5.0)
    ticked = asyncio.Event()
    asyncio.get_running_loop().call_later(2 * TICK_S, ticked.set)
    await ticked.wait()
    assert not told


# --- the system's counters ------------------------------------------------------------


@pytest.mark.parametrize(
    ("groups", "file", "line"),
    [
        (V2, "sys/fs/cgroup/kubepods/pod1/cpu.stat", "throttled_usec {us}"),
        (V2, "sys/fs/cgroup/cpu.stat", "throttled_usec {us}"),
        (V1, "sys/fs/cgroup/cpu,cpuacct/kubepods/pod1/cpu.stat", "throttled_time {us}000"),
        (V1, "sys/fs/cgroup/cpu,cpuacct/cpu.stat", "throttled_time {us}000"),
        (HYBRID, "sys/fs/cgroup/cpu/pod1/cpu.stat", "throttled_time {us}000"),
        (HYBRID, "sys/fs/cgroup/unified/pod1/cpu.stat", "throttled_usec {us}"),
    ],
)
def test_throttled_time_is_stolen(host: Host, groups: str, file: str, line: str) -> None:
    host.write("proc/self/cgroup", groups)
    host.write(file, "nr_periods 7\nnr_throttled 3\n" + line.format(us=1_000_000) + "\n")
    counters = HostCounters(host.root)
    assert counters.stolen(10.0) == 0.0
    host.write(file, "nr_periods 9\nnr_throttled 4\n" + line.format(us=1_500_000) + "\n")
    assert counters.stolen(12.0) == pytest.approx(0.25)
    host.write(file, line.format(us=99_000_000))
    assert counters.stolen(13.0) == 1.0


def test_the_hypervisors_share_is_stolen(host: Host) -> None:
    counters = HostCounters(host.root)
    counters.stolen(10.0)
    host.times = Times(user=1.0, idle=2.0, steal=1.0, guest=1.0)
    assert counters.stolen(12.0) == pytest.approx(0.25)
    assert counters.stolen(12.0) == 0.0


@pytest.mark.parametrize("groups", [None, "", "nonsense", "0::/\n", "\x00:::\n", "2:cpu:/gone\n"])
@pytest.mark.parametrize("stat", [None, "", "throttled_usec many\n", "nr_periods 1\n"])
def test_a_system_that_counts_nothing_steals_nothing(
    host: Host, groups: str | None, stat: str | None
) -> None:
    if groups is not None:
        host.write("proc/self/cgroup", groups)
    if stat is not None:
        host.write("sys/fs/cgroup/cpu.stat", stat)
    counters = HostCounters(host.root)
    assert counters.stolen(10.0) == counters.stolen(11.0) == 0.0


def test_a_group_that_goes_is_no_theft(host: Host) -> None:
    host.write("proc/self/cgroup", V2)
    host.write("sys/fs/cgroup/cpu.stat", "throttled_usec 5000000\n")
    counters = HostCounters(host.root)
    counters.stolen(10.0)
    (host.root / "sys/fs/cgroup/cpu.stat").unlink()
    assert counters.stolen(11.0) == 0.0


def test_this_machines_counters_can_be_read() -> None:
    counters = HostCounters()
    counters.stolen(1.0)
    assert 0.0 <= counters.stolen(2.0) <= 1.0


def test_the_metrics_read_the_newest_measurement() -> None:
    registry = CollectorRegistry()
    found = [0.25, 0.5]
    metrics.watch_host(registry, lag_s=lambda: found[0], stolen=lambda: found[1])
    found[0] = 0.125
    assert registry.get_sample_value("hasten_loop_lag_seconds") == 0.125
    assert registry.get_sample_value("hasten_host_stolen_ratio") == 0.5
