"""What one decision of the router costs: arrival and answer of a call, without any IO.

python -m loadtest.bench_decision [--calls 20000] [--json]
"""

import argparse
import json
import time
from random import Random

from hasten_policy.fleet.events import WorkerJoined, WorkerReported
from hasten_policy.load import LoadSample, ModelLoad, WorkerReport
from hasten_policy.router.events import AttemptAnswered, CallArrived, Send
from hasten_policy.router.machine import RouterMachine
from hasten_policy.router.policy import RouterPolicy

POOLS = (4, 16, 64, 256, 1024)
IN_FLIGHT = 2
"""Calls on the way for each worker while measuring."""
MODEL = ModelLoad("m", "1", True, 0.002, 0.0002, 0.002, 16, 0.001, 0, 0.0, True)  # noqa: FBT003 (a record)


def report(seq: int) -> WorkerReport:
    """A worker with one model and room for calls."""
    load = LoadSample(seq, 0, 0.0, 0.0, 0, 64, 0.001)
    return WorkerReport("a", False, 1, load, (MODEL,))  # noqa: FBT003 (a record)


def machine_with(workers: int) -> RouterMachine:
    """A machine that knows `workers` ready workers."""
    machine = RouterMachine(RouterPolicy(), rng=Random(1))
    for index in range(workers):
        name = f"w{index:04d}"
        machine.on(WorkerJoined(name), now_s=0.0)
        machine.on(WorkerReported(name, report(1)), now_s=0.0)
    return machine


def measure(workers: int, calls: int) -> tuple[float, float]:
    """Microseconds of (an arrival that is sent, an answer that is delivered), means."""
    machine = machine_with(workers)
    now_s = 0.0
    seq = 1
    waiting: list[Send] = []
    arrive_s = answer_s = 0.0
    sent: dict[str, int] = {}
    for call_id in range(calls):
        now_s += 1e-5
        arrival = CallArrived(call_id, "m", "", 0.5, 1, "", 1000)
        begin_s = time.perf_counter()
        effects = machine.on(arrival, now_s=now_s)
        arrive_s += time.perf_counter() - begin_s
        waiting += [effect for effect in effects if isinstance(effect, Send)]
        if len(waiting) > IN_FLIGHT * min(workers, RouterPolicy().fleet.subset_size):
            done = waiting.pop(0)
            seq += 1
            sent[done.worker_id] = sent.get(done.worker_id, 0) + 1
            load = LoadSample(seq, 1, 0.002, 0.001, sent[done.worker_id] + 1, 64, 0.001)
            answer = AttemptAnswered(done.call_id, done.worker_id, load, 0.001, 0.002)
            begin_s = time.perf_counter()
            machine.on(answer, now_s=now_s)
            answer_s += time.perf_counter() - begin_s
    return arrive_s / calls * 1e6, answer_s / (calls - len(waiting)) * 1e6


def main() -> None:
    """Entry point."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--calls", type=int, default=20_000)
    parser.add_argument("--json", action="store_true", help="one JSON object on stdout")
    said = parser.parse_args()
    found = {workers: measure(workers, said.calls) for workers in POOLS}
    if said.json:
        print(json.dumps({str(workers): list(costs) for workers, costs in found.items()}))
        return
    print("workers   arrival us   answer us")
    for workers, (arrival_us, answer_us) in found.items():
        print(f"{workers:>7}   {arrival_us:>10.1f}   {answer_us:>9.1f}")


if __name__ == "__main__":
    main()
