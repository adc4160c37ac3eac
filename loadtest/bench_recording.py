"""What recording a machine's event log costs: bytes and microseconds for each event.

python -m loadtest.bench_recording [--calls 50000] [--json]
"""

import argparse
import json
import time
from dataclasses import asdict, dataclass
from pathlib import Path
from random import Random
from tempfile import TemporaryDirectory
from typing import TYPE_CHECKING

from hasten_policy.eventlog import Outcome, encode_header
from hasten_policy.fleet.events import WorkerJoined, WorkerReported
from hasten_policy.load import LoadSample, ModelLoad, ModelSpec, WorkerReport
from hasten_policy.router import events as router_events
from hasten_policy.router.machine import RouterMachine
from hasten_policy.router.policy import RouterPolicy
from hasten_policy.worker import events as worker_events
from hasten_policy.worker.machine import WorkerMachine
from hasten_policy.worker.policy import WorkerPolicy
from hasten_runtime.recording import Recorder
from hasten_runtime.recording.recorder import RecorderLimits
from hasten_sim.replay import replay

if TYPE_CHECKING:
    from collections.abc import Callable

SEED = 1
WORKERS = 16
ON_THE_WAY = 32
"""Calls that the router has sent and no worker has answered."""
ARRIVALS_HZ = 2000.0
BURST = 4
"""Calls that reach a worker together."""

Told = list[tuple[float, object, Outcome]]


@dataclass(frozen=True)
class Cost:
    """Means over the events of one log.

    Attributes:
        events: How many there were.
        file_bytes: Of the file, effects and all.
        record_us: Processor time in the caller's thread: what the event loop pays.
        write_us: The same in the recorder's thread.
        replay_hz: Events replayed and compared a second.
    """

    events: int
    file_bytes: float
    record_us: float
    write_us: float
    replay_hz: float


def told_to_a_router(calls: int) -> Told:
    """Calls of three models and two tenants over 16 workers, each with an answer."""
    machine = RouterMachine(RouterPolicy.of(slow_start_s=0.0), rng=Random(SEED))
    rng = Random(SEED)
    told: Told = []
    now_s = 1e5

    def tell(event: router_events.RouterEvent) -> list[router_events.RouterEffect]:
        effects = machine.on(event, now_s=now_s)
        told.append((now_s, event, effects))
        return effects

    names = [f"worker-{index}" for index in range(WORKERS)]
    models = tuple(
        ModelLoad(name, "1", True, 0.002, 0.0002, 0.002, 16, 0.001, 0, 0.0, True)  # noqa: FBT003 (a record)
        for name in ("digits", "risk", "tickets")
    )
    for name in names:
        tell(WorkerJoined(name))
        report = WorkerReport("a", False, 1, LoadSample(1, 0, 0.0, 0.0, 0, 64, 0.001), models)  # noqa: FBT003 (a record)
        tell(WorkerReported(name, report))
    sent: list[router_events.Send] = []
    received = dict.fromkeys(names, 1)
    for call_id in range(1, calls + 1):
        now_s += rng.expovariate(ARRIVALS_HZ)
        model = rng.choice(models).name
        tenant = rng.choice(("", "shop"))
        left_s = rng.uniform(0.02, 0.2)
        size = rng.randrange(500, 5000)
        effects = tell(router_events.CallArrived(call_id, model, "", left_s, 1, tenant, size))
        sent += [effect for effect in effects if isinstance(effect, router_events.Send)]
        if len(sent) > ON_THE_WAY:
            now_s += rng.uniform(0, 1e-4)
            done = sent.pop(0)
            received[done.worker_id] += 1
            took_s, busy_s = rng.uniform(0.002, 0.02), rng.uniform(0.0005, 0.002)
            seq = received[done.worker_id]
            load = LoadSample(seq, 2, 2 * busy_s, rng.uniform(0, busy_s), seq, 64, busy_s, 1)
            worker = done.worker_id
            tell(router_events.AttemptAnswered(done.call_id, worker, load, busy_s, took_s))
    return told


def told_to_a_worker(calls: int) -> Told:
    """Calls of one model that come four together, run as a batch and are answered."""
    machine = WorkerMachine(WorkerPolicy())
    rng = Random(SEED)
    told: Told = []
    now_s = 1e5

    def tell(event: worker_events.WorkerEvent) -> list[worker_events.WorkerEffect]:
        effects = machine.on(event, now_s=now_s)
        told.append((now_s, event, effects))
        return effects

    profile = tuple(
        (rows, rows, 0.001 + 0.0002 * rows) for rows in (1, 2, 4, 8, 16) for _ in range(3)
    )
    spec = ModelSpec(
        "digits/1",
        "digits",
        "1",
        True,  # noqa: FBT003 (a record)
        16,
        (),
        (),
        0.0,
        1,
        1000,
        0.0,
        10.0,
        profile,
    )
    tell(worker_events.ModelOpened(spec))
    tell(worker_events.LinkOpened(1))
    for first in range(1, calls + 1, BURST):
        now_s += rng.expovariate(ARRIVALS_HZ / BURST)
        effects: list[worker_events.WorkerEffect] = []
        for call_id in range(first, first + BURST):
            now_s += rng.uniform(0, 1e-5)
            left_s = rng.uniform(0.02, 0.2)
            size = rng.randrange(500, 5000)
            last = call_id == first + BURST - 1
            arrival = worker_events.CallArrived(
                call_id, 1, "digits/1", 1, 7, left_s, 1, "shop", size, more_follow=not last
            )
            effects = tell(arrival)
        for effect in effects:
            if isinstance(effect, worker_events.StartBatch):
                took_s = rng.uniform(0.9, 1.2) * effect.expected_s
                now_s += took_s
                tell(worker_events.BatchEnded(effect.batch_id, took_s))
        # One sample of the load goes out with the answers.
        tell(worker_events.LoadAsked(1))
    return told


def measure(told: Told, policy: RouterPolicy | WorkerPolicy, folder: Path) -> Cost:
    """Records what was told, and replays it."""
    path = folder / "log"
    header = encode_header(policy, seed=SEED, about={})
    limits = RecorderLimits(bytes_max=2**30, backlog_chars_max=2**30)
    with path.open("wb") as file:
        recorder = Recorder(file, str(path), header, limits)
        all_s, own_s = time.process_time(), time.thread_time()
        for now_s, event, outcome in told:
            recorder.record(event, outcome, now_s=now_s)
        own_s = time.thread_time() - own_s
        recorder.close()
        all_s = time.process_time() - all_s
    begin_s = time.perf_counter()
    found = replay(path)
    replay_s = time.perf_counter() - begin_s
    if found.first_difference is not None or found.events != len(told):
        raise RuntimeError(f"the replay differs: {found}")
    count = len(told)
    return Cost(
        events=count,
        file_bytes=path.stat().st_size / count,
        record_us=own_s / count * 1e6,
        write_us=(all_s - own_s) / count * 1e6,
        replay_hz=count / replay_s,
    )


def main() -> None:
    """Entry point."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--calls", type=int, default=50_000)
    parser.add_argument("--json", action="store_true", help="one JSON object on stdout")
    said = parser.parse_args()
    sources: dict[str, tuple[Callable[[int], Told], RouterPolicy | WorkerPolicy]] = {
        "router": (told_to_a_router, RouterPolicy.of(slow_start_s=0.0)),
        "worker": (told_to_a_worker, WorkerPolicy()),
    }
    with TemporaryDirectory() as folder:
        found = {
            name: measure(tell(said.calls), policy, Path(folder))
            for name, (tell, policy) in sources.items()
        }
    if said.json:
        print(json.dumps({name: asdict(cost) for name, cost in found.items()}))
        return
    print("machine   events   bytes   record us   write us   replayed/s")
    for name, cost in found.items():
        print(
            f"{name:<7} {cost.events:>8} {cost.file_bytes:>7.1f} "
            f"{cost.record_us:>11.1f} {cost.write_us:>10.1f} {cost.replay_hz:>12.0f}"
        )


if __name__ == "__main__":
    main()
