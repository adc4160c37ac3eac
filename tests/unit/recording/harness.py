"""Event logs of machines that had something to do."""

import gzip
from collections.abc import Callable
from dataclasses import dataclass, field
from math import inf
from pathlib import Path
from random import Random
from threading import Event
from typing import Any, BinaryIO, Self

from hasten_policy.eventlog import encode_header
from hasten_policy.fleet import events as of_fleet
from hasten_policy.load import LoadSample, WorkerReport
from hasten_policy.router import events as to_router
from hasten_policy.router.machine import RouterMachine
from hasten_policy.router.policy import RouterPolicy
from hasten_policy.worker import events as to_worker
from hasten_policy.worker.machine import WorkerMachine
from hasten_policy.worker.policy import WorkerPolicy
from hasten_runtime.recording import Recorded, Recorder
from hasten_runtime.recording.recorder import RecorderLimits
from tests.unit.policy_router.harness import model as loaded
from tests.unit.policy_worker.harness import call, model

SEED = 7
ABOUT = {"id": "it", "began": "2031-04-05T06:07:08.009+00:00", "hasten": "0.1.0"}
LIMITS = RecorderLimits(bytes_max=10**7, flush_s=0.01)
ROUTER = RouterPolicy.of(slow_start_s=0.0, tenant_shares=(("poor", 0.5),))
WORKER = WorkerPolicy(lanes=2)


def router_recorder(
    path: Path, policy: RouterPolicy = ROUTER, limits: RecorderLimits = LIMITS
) -> Recorder:
    header = encode_header(policy, seed=SEED, about=ABOUT)
    return Recorder(path.open("wb"), str(path), header, limits)


def record_router(path: Path, calls: int = 200, *, policy: RouterPolicy = ROUTER) -> list[Any]:
    """A log of a router with two workers and more calls than they can take; its events."""
    recorder = router_recorder(path, policy)
    machine = Recorded(RouterMachine(policy, rng=Random(SEED)), recorder)
    events: list[Any] = []
    rng = Random(11)
    now_s = 5000.0

    def tell(event: to_router.RouterEvent) -> list[to_router.RouterEffect]:
        events.append(event)
        return machine.on(event, now_s=now_s)

    sent: list[to_router.Send] = []
    tell(to_router.CheckpointRestored('{"theta": {"m": [0.9, 0.9, 0.8, 0.5]}}'))
    for name in ("a", "b"):
        load = LoadSample(1, 0, 0.0, 0.0, 0, 8, 0.0)
        report = WorkerReport("x", draining=False, lanes=1, load=load, models=(loaded("m"),))
        tell(of_fleet.WorkerJoined(name))
        tell(of_fleet.WorkerReported(name, report))
    for call_id in range(1, calls + 1):
        now_s += rng.expovariate(1 / 0.005)
        tenant = rng.choice(["", "poor"])
        arrival = to_router.CallArrived(
            call_id, "m", "", rng.uniform(0.01, 0.2), call_id % 4, tenant, 99
        )
        sent += [each for each in tell(arrival) if isinstance(each, to_router.Send)]
        if len(sent) > 4:
            done = sent.pop(0)
            load = LoadSample(1 + call_id, 2, 0.02, 0.01, call_id, 8, 0.006)
            tell(to_router.AttemptAnswered(done.call_id, done.worker_id, load, 0.006, 0.011))
    recorder.close()
    return events


def record_worker(path: Path, calls: int = 100) -> None:
    """A log of a worker that is asked for its load, and whose machine raises once."""
    header = encode_header(WORKER, seed=0, about=ABOUT)
    recorder = Recorder(path.open("wb"), str(path), header, LIMITS)
    machine = Recorded(WorkerMachine(WORKER), recorder)
    now_s = 9.0
    machine.on(to_worker.ModelOpened(model("m")), now_s=now_s)
    machine.on(to_worker.LinkOpened(1), now_s=now_s)
    for call_id in range(1, calls + 1):
        now_s += 0.004
        for effect in machine.on(call(call_id, 0.05 if call_id % 3 else inf), now_s=now_s):
            if isinstance(effect, to_worker.StartBatch):
                machine.on(to_worker.BatchEnded(effect.batch_id, 0.0123), now_s=now_s + 0.0125)
        machine.on(to_worker.LoadAsked(1), now_s=now_s)
        machine.on(to_worker.ReportAsked(0, "x"), now_s=now_s)
    machine.on(call(calls + 1), now_s=now_s)
    machine.on(call(calls + 2, more_follow=True), now_s=now_s)
    try:
        machine.on(call(calls + 2), now_s=now_s)
    except ValueError:
        pass
    else:
        raise AssertionError("a call id that is in use must be refused")
    recorder.close()


def lines_of(path: Path) -> list[str]:
    return gzip.decompress(path.read_bytes()).decode().splitlines(keepends=True)


def rewrite(path: Path, change: Callable[[list[str]], None]) -> None:
    """Changes the lines of a log, its checksums with them."""
    lines = lines_of(path)
    change(lines)
    path.write_bytes(gzip.compress("".join(lines).encode()))


@dataclass
class StuckFile:
    """A disk that does not answer until it is let go."""

    file: BinaryIO
    free: Event = field(default_factory=Event)

    def write(self, data: bytes) -> int:
        self.free.wait(60)
        return self.file.write(data)

    def flush(self) -> None:
        self.file.flush()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.file.close()
