"""Tasks of several tenants, classes and models on a real mesh: does each get what it was promised?

    weights    two tenants, weights 3:1, both with more tasks than can be run (order weighted_fair)
    shards     the same over four shards and two schedulers
    small      a tenant with a fifth of what can be done, alone and beside one with thrice as much
    ageing     the lowest class beside more of the highest one than can be done (order priority)
    drowned    a model beside another one, on another worker, that has more than it can do
    switch     the order is changed from edf to fifo while thousands wait, and tasks go on

The models sleep (loadtest.repository): what is measured is who is served and when, not how fast. So
a trial takes little of the machine, and its figure is a share or a ratio within one run.

    python -m loadtest.task_fairness [TRIAL ...] [--seconds 10] [--json]

Ends with status 1 when a promise was not kept.
"""

import argparse
import asyncio
import json
import sys
import tempfile
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Final

import grpc
import numpy as np

from hasten.scheduler.v1 import scheduler_service_pb2 as pb
from hasten.scheduler.v1.scheduler_service_pb2_grpc import TaskServiceStub
from hasten_client import Client
from loadtest import generator
from loadtest.call import OPTIONS, Outcome, serialised
from loadtest.generator import Offer, Planned
from loadtest.mesh import Mesh, running_mesh
from loadtest.repository import write_synthetic
from loadtest.summary import quantile, summarise
from loadtest.task_stream import submit_all
from loadtest.task_switch import switched

ROW_S: Final = 0.005
"""A row of the model."""
CAPACITY: Final = 1 / ROW_S
"""Rows a second of one worker with one lane, at most."""
CALLERS: Final = 16
"""Of the closed loop that finds what the mesh can do."""
FAST_PER_S: Final = 50.0
"""Of the model beside the drowned one."""
MODEL: Final = "m"
SLOW: Final = "slow"
WEIGHT: Final = 3.0
DEADLINE_S: Final = 1.0
AGEING_S: Final = 1.0
LOWEST: Final = 3
SETTLE_S: Final = 1.0
"""Before anything is measured."""
PACE_S: Final = 0.25
"""Between two loads of tasks of somebody noisy."""
SWITCHED_PER_S: Final = 2000
"""Tasks for each second that a measurement may take."""
DROWNED_TASKS: Final = 5000
DROWNED_WAIT_MAX: Final = 1.5
"""Times the p99 without the drowned model, and ..."""
DROWNED_WAIT_S: Final = 0.01
"""... so much for the noise of a shared machine."""


@dataclass(frozen=True, slots=True)
class Finding:
    """What a trial found.

    Attributes:
        trial: Its name.
        found: The figure, in words.
        bar: What it is to be.
        kept: It is.
    """

    trial: str
    found: str
    bar: str
    kept: bool


def task(tenant: str, model: str = MODEL, time_left_s: float = 0.0) -> pb.NewTask:
    """A task of one row."""
    return pb.NewTask(
        request=serialised(model, "INPUT", np.zeros((1, 4), np.float32)),
        tenant=tenant,
        time_left_us=round(time_left_s * 1e6),
    )


def call(tenant: str = "", priority: int | None = None) -> bytes:
    """A call of one row: at a scheduler's address it is a task that is waited for."""
    rows = np.zeros((1, 4), np.float32)
    return serialised(MODEL, "INPUT", rows, priority=priority, tenant=tenant)


def submit(address: str, tasks: list[pb.NewTask]) -> None:
    """Submits tasks."""

    async def all_of_them() -> None:
        async with grpc.aio.insecure_channel(address, options=OPTIONS) as channel:
            await submit_all(TaskServiceStub(channel), tasks)

    asyncio.run(all_of_them())


@contextmanager
def one_model(*, shards: int = 1, schedulers: int = 1, **policy: str) -> Iterator[Mesh]:
    """A mesh of one worker with one lane."""
    environ = {f"HASTEN_SCHEDULER_POLICY__{name.upper()}": value for name, value in policy.items()}
    environ["HASTEN_SCHEDULER_QUEUE__SHARDS"] = str(shards)
    with tempfile.TemporaryDirectory() as folder:
        models = Path(folder)
        write_synthetic(models, MODEL, alpha_ms=0, beta_ms=ROW_S * 1e3, batch_max=8, noise=0.02)
        with running_mesh(models, lanes=1, schedulers=schedulers, environ=environ) as mesh:
            yield mesh


# --- the trials -------------------------------------------------------------------------------


def weights(seconds: float, *, shards: int = 1, within: float = 0.05) -> Finding:
    """Two tenants, weights 3:1."""
    schedulers = 2 if shards > 1 else 1
    gave = json.dumps([["gold", WEIGHT]])
    order = {"order": "weighted_fair", "tenant_weights": gave}
    with one_model(shards=shards, schedulers=schedulers, **order) as mesh:
        address = mesh.schedulers[0]
        tenants = ("gold", "plain")
        with grpc.insecure_channel(address) as channel:
            stub = TaskServiceStub(channel)
            scopes = [pb.QueueScope(tenant=tenant) for tenant in tenants]
            for scope in scopes:
                stub.PauseQueue(pb.PauseQueueRequest(scope=scope))
            many = int(1.5 * CAPACITY * (seconds + 2 * SETTLE_S))
            submit(address, [task(tenant) for tenant in tenants for _ in range(many)])
            for scope in scopes:
                stub.ResumeQueue(pb.ResumeQueueRequest(scope=scope))
            time.sleep(SETTLE_S)
            before = _left(stub)
            time.sleep(seconds)
            after = _left(stub)
    gold, plain = (before[tenant] - after[tenant] for tenant in tenants)
    ratio = gold / max(1, plain)
    found = f"{gold} : {plain} tasks in {seconds:g} s, {ratio:.2f} : 1"
    name = "shards" if shards > 1 else "weights"
    bar = f"{WEIGHT:g} : 1 within {within:.0%}"
    return Finding(name, found, bar, abs(ratio / WEIGHT - 1) <= within)


def over_shards(seconds: float) -> Finding:
    """The same over four shards, which two schedulers own."""
    return weights(seconds, shards=4, within=0.1)


def small(seconds: float) -> Finding:
    """A small tenant beside a noisy one, with the same deadlines."""
    with one_model() as mesh:
        address = mesh.schedulers[0]
        capacity = _capacity(address)
        offer = Offer(capacity / 5, seconds, DEADLINE_S)
        shares = [_in_time(address, offer.planned([call("small")]))]
        with _noisy(address, 3 * capacity):
            time.sleep(SETTLE_S)
            shares.append(_in_time(address, offer.planned([call("small")])))
    alone, beside = shares
    found = f"late {1 - alone:.2%} alone, {1 - beside:.2%} beside the noisy tenant"
    return Finding("small", found, "+1 pp at most", alone - beside <= 0.01)


def ageing(seconds: float) -> Finding:
    """The lowest class beside more of the highest one than can be done."""
    with one_model(order="priority", ageing_s=str(AGEING_S)) as mesh:
        capacity = _capacity(mesh.schedulers[0])
        urgent = Offer(1.2 * capacity, seconds, None).planned([call(priority=0)])
        least = Offer(capacity / 20, seconds / 2, None, seed=2).planned([call(priority=LOWEST)])
        marked = [(each, False) for each in urgent] + [(each, True) for each in least]
        marked.sort(key=lambda one: one[0].at_s)
        outcomes = generator.offer(mesh.schedulers[0], [each for each, _ in marked]).outcomes
    ended = list(zip(outcomes, (lowest for _, lowest in marked), strict=True))
    done = [one.took_s for one, lowest in ended if lowest and one.answered]
    given = sum(lowest for _, lowest in marked)
    longest_s = max((one.took_s for one, lowest in ended if not lowest), default=0.0)
    bar_s = LOWEST * AGEING_S + longest_s + SETTLE_S
    found = (
        f"{len(done)} of {given} tasks of class {LOWEST} done, the longest after "
        f"{max(done, default=0.0):.1f} s; of class 0 after {longest_s:.1f} s"
    )
    bar = f"all, after {bar_s:.1f} s at most: {LOWEST} classes of {AGEING_S:g} s, and the queue"
    return Finding("ageing", found, bar, len(done) == given and max(done) <= bar_s)


def drowned(seconds: float) -> Finding:
    """A model beside another one that is asked for more than it can do, each on its own worker."""
    with tempfile.TemporaryDirectory() as folder:
        models = Path(folder)
        write_synthetic(models, MODEL, alpha_ms=0, beta_ms=1.0, batch_max=8, noise=0.02)
        write_synthetic(models, SLOW, alpha_ms=200, beta_ms=0, batch_max=1, noise=0.02)
        shape = {"workers": 2, "lanes": 1, "schedulers": 1, "control": "explicit"}
        environ = {"HASTEN_WORKER_LOAD_MODELS": ""}
        with running_mesh(models, **shape, environ=environ) as mesh:  # type: ignore[arg-type]
            for worker, model in zip(mesh.workers, (MODEL, SLOW), strict=True):
                with Client(worker) as client:
                    client.load(model)
            address = mesh.schedulers[0]
            _capacity(address)
            offer = Offer(FAST_PER_S, seconds, DEADLINE_S)
            alone = generator.offer(address, offer.planned([call()])).outcomes
            submit(address, [task("", SLOW)] * DROWNED_TASKS)
            time.sleep(SETTLE_S)
            beside = generator.offer(address, offer.planned([call()])).outcomes
    before, after = _p99_s(alone), _p99_s(beside)
    done = sum(one.answered for one in beside) / max(1, len(beside))
    found = f"{done:.1%} in time, p99 {before * 1e3:.1f} ms alone, {after * 1e3:.1f} ms beside"
    bar = f"99 %, p99 x{DROWNED_WAIT_MAX:g} + {DROWNED_WAIT_S * 1e3:.0f} ms at most"
    kept = done >= 0.99 and after <= DROWNED_WAIT_MAX * before + DROWNED_WAIT_S
    return Finding("drowned", found, bar, kept)


def switch(seconds: float) -> Finding:
    """The order is changed while tasks wait."""
    seen = switched(int(SWITCHED_PER_S * seconds))
    order = "in" if seen.in_order else "NOT in"
    found = (
        f"{seen.tasks} tasks in {seen.took_s:.1f} s, {seen.done} run meanwhile, {seen.lost} lost, "
        f"the others {order} their new order"
    )
    kept = seen.in_order and seen.lost == 0 and seen.done > 0
    return Finding("switch", found, "all in the new order, others run meanwhile, 0 lost", kept)


TRIALS: Final[dict[str, Callable[[float], Finding]]] = {
    "weights": weights,
    "shards": over_shards,
    "small": small,
    "ageing": ageing,
    "drowned": drowned,
    "switch": switch,
}


# --- inner ------------------------------------------------------------------------------------


def _left(stub: TaskServiceStub) -> dict[str, int]:
    stats = stub.Stats(pb.StatsRequest())
    return {each.tenant: each.tasks for each in stats.tenants}


def _capacity(address: str) -> float:
    """Tasks a second that are waited for; afterwards the model's times are known."""
    found = generator.keep_busy(address, [call()], callers=CALLERS, seconds=2 * SETTLE_S)
    return sum(one.answered for one in found.outcomes) / found.wall_s


def _in_time(address: str, planned: Iterator[Planned]) -> float:
    seen = summarise(generator.offer(address, planned).outcomes)
    return seen.answered / max(1, seen.offered)


def _p99_s(outcomes: Sequence[Outcome]) -> float:
    return quantile([one.took_s for one in outcomes if one.answered], 0.99)


@contextmanager
def _noisy(address: str, per_s: float) -> Iterator[None]:
    """Somebody submits so many tasks a second meanwhile."""
    over = threading.Event()

    def load() -> None:
        due_s = time.monotonic()
        while not over.is_set():
            submit(address, [task("noisy", time_left_s=DEADLINE_S)] * int(per_s * PACE_S))
            due_s += PACE_S
            over.wait(max(0.0, due_s - time.monotonic()))

    thread = threading.Thread(target=load)
    thread.start()
    try:
        yield
    finally:
        over.set()
        thread.join()


def main() -> None:
    """Entry point."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("trials", nargs="*", metavar="TRIAL", help=f"of {', '.join(TRIALS)}")
    parser.add_argument("--seconds", type=float, default=10.0, help="of each measurement")
    parser.add_argument("--json", action="store_true", help="one JSON object on stdout")
    said = parser.parse_args()
    for name in said.trials:
        if name not in TRIALS:
            parser.error(f"no trial {name!r}; there are {', '.join(TRIALS)}")
    findings = []
    for name in said.trials or TRIALS:
        finding = TRIALS[name](said.seconds)
        findings.append(finding)
        if not said.json:
            sign = "" if finding.kept else "BROKEN: "
            print(f"{sign}{finding.trial:<8} {finding.found}  (to be: {finding.bar})", flush=True)
    if said.json:
        print(json.dumps([asdict(finding) for finding in findings]))
    sys.exit(0 if all(finding.kept for finding in findings) else 1)


if __name__ == "__main__":
    main()
