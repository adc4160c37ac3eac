"""KEDA asks two autoscalers all the time while the one that leads is killed: what is it told?

Two autoscalers that only advise, over a Redis of their own, and a make-believe mesh that asks for
more and more. A client made from KEDA's protocol asks the one that will live, every 20 ms, by all
five methods. The leader is killed. Judged are the slowest answer after that, and whether the number
fell.

    python -m loadtest.keda_takeover [--rounds 3] [--json]

Ends with status 1 when an answer took more than a second, failed, or fell.
"""

import argparse
import asyncio
import json
import os
import subprocess
import sys
import time
from contextlib import AsyncExitStack
from dataclasses import asdict, dataclass, field
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any, Final

import grpc.aio

from hasten.autoscaler.v1 import autoscaler_service_pb2 as plans
from hasten.autoscaler.v1.autoscaler_service_pb2_grpc import AutoscalerServiceStub
from hasten.common.v1.load_pb2 import Load, ModelLoad, WorkerState
from hasten.externalscaler.v1 import externalscaler_pb2 as pb
from hasten.externalscaler.v1.externalscaler_pb2_grpc import ExternalScalerStub
from hasten_autoscaler.external_scaler import METRIC
from hasten_cli.local.ports import free_port
from hasten_cli.local.redis import find_redis
from hasten_runtime.clock import SystemClock
from hasten_runtime.demand import DemandTally, Ended
from hasten_runtime.load_store import StoreUnavailable, Topic
from hasten_runtime.redis_store.load import RedisLoadStore

ANSWER_S_MAX: Final = 1.0
AFTER_S: Final = 5.0
"""Longer than the lead's lease: in it the other one begins to lead."""
EVERY_S: Final = 0.02
TELL_S: Final = 0.5
READY_S_MAX: Final = 60.0
CALLS: Final = 20
"""Told at a time, of a tenth of a second each."""
ABOUT: Final = pb.ScaledObjectRef(name="w", namespace="n", scalerMetadata={"pool": "default"})
SETTINGS: Final = {
    "MODE": "advise",
    "SCALED_BY": "keda",
    "ADDRESS": "127.0.0.1:0",
    "METRICS_ADDRESS": "127.0.0.1:0",
    "FORECAST_S": "0",
    "POLICY__PERIOD_S": "0.5",
}


@dataclass(slots=True)
class Round:
    """One death.

    Attributes:
        before: The number that was told last before it.
        after: Every number that was told after it, without repeats.
        slowest_s: The slowest answer after it.
        answers: How many there were.
        failed: Answers that were none.
        took_over_s: Until the other one led.
    """

    before: float = 0.0
    after: list[float] = field(default_factory=list[float])
    slowest_s: float = 0.0
    answers: int = 0
    failed: int = 0
    took_over_s: float = 0.0

    @property
    def kept(self) -> bool:
        """Answers came, in time, and none was lower than before."""
        told = bool(self.answers) and not self.failed and bool(self.took_over_s)
        return told and self.slowest_s <= ANSWER_S_MAX and min(self.after) >= self.before


class Tellers:
    """A mesh of one worker and one router, make-believe but for what it tells."""

    def __init__(self, url: str) -> None:
        self._store = RedisLoadStore(url)
        self._tally = DemandTally("router", SystemClock())

    async def run(self) -> None:
        """Tells until cancelled."""
        model = ModelLoad(name="m", version="1", alpha_s=0.1, best_s=0.1, batch_max=1, ready=True)
        state = WorkerState(worker_id="w-1", lanes=1, load=Load(seq=1), models=[model])
        try:
            while True:
                for _ in range(CALLS):
                    self._tally.ended(Ended("m", 1, slack_s=0.5, admitted=True, service_s=0.1))
                try:
                    await self._store.publish(state, ttl_s=READY_S_MAX)
                    await self._store.tell(
                        Topic.DEMAND, "router", self._tally.state(), ttl_s=READY_S_MAX
                    )
                except StoreUnavailable:
                    pass  # Redis has not begun to listen.
                await asyncio.sleep(TELL_S)
        finally:
            await self._store.close()


async def _ask_all(stub: Any) -> float:  # noqa: ANN401  (an async stub has no type at run time)
    """All five methods once; the number."""
    asked = pb.GetMetricsRequest(scaledObjectRef=ABOUT, metricName=METRIC)
    (value,) = (await stub.GetMetrics(asked)).metricValues
    await stub.IsActive(ABOUT)
    await stub.GetMetricSpec(ABOUT)
    for stream in (stub.StreamIsActive(ABOUT), stub.StreamMetricSpec(ABOUT)):
        await anext(aiter(stream))
        stream.cancel()
    return float(value.metricValueFloat)


async def _autoscaler(
    name: str, url: str, stack: AsyncExitStack
) -> tuple[asyncio.subprocess.Process, str]:
    """A process that serves, and its address."""
    settings = {**SETTINGS, "ID": name, "REDIS_URL": url}
    variables = {f"HASTEN_AUTOSCALER_{key}": value for key, value in settings.items()}
    process = await asyncio.create_subprocess_exec(
        *(sys.executable, "-m", "hasten_autoscaler.main"),
        stdout=subprocess.PIPE,
        stderr=subprocess.DEVNULL,
        env={**os.environ, **variables},
    )
    stack.push_async_callback(_end, process)
    assert process.stdout is not None  # noqa: S101  (asked for a pipe)
    return process, json.loads(await process.stdout.readline())["address"]


async def _end(process: asyncio.subprocess.Process) -> None:
    if process.returncode is None:
        process.kill()
    await process.wait()


async def _leader(channel: grpc.aio.Channel) -> str:
    try:
        return (await AutoscalerServiceStub(channel).GetPlan(plans.GetPlanRequest())).leader
    except grpc.aio.AioRpcError:
        return ""


async def measured() -> Round:
    """One round."""
    found = Round()
    with TemporaryDirectory() as folder:
        async with AsyncExitStack() as stack, asyncio.timeout(2 * READY_S_MAX):
            port = free_port()
            command = [find_redis(os.environ.get("PATH")), "--port", str(port), "--save", ""]
            redis = await asyncio.create_subprocess_exec(
                *command, "--bind", "127.0.0.1", stdout=subprocess.DEVNULL, cwd=Path(folder)
            )
            stack.push_async_callback(_end, redis)
            url = f"redis://127.0.0.1:{port}/0"
            telling = asyncio.create_task(Tellers(url).run())
            stack.callback(telling.cancel)
            leads, _ = await _autoscaler("a1", url, stack)
            _, address = await _autoscaler("a2", url, stack)
            channel = await stack.enter_async_context(grpc.aio.insecure_channel(address))
            stub = ExternalScalerStub(channel)
            while await _leader(channel) != "a1" or await _ask_all(stub) < 3.0:  # noqa: ASYNC110
                await asyncio.sleep(EVERY_S)
            found.before = await _ask_all(stub)
            leads.kill()
            await _after(found, channel, stub)
    return found


async def _after(found: Round, channel: grpc.aio.Channel, stub: Any) -> None:  # noqa: ANN401
    died_s = time.monotonic()
    while time.monotonic() - died_s < AFTER_S or not found.took_over_s:
        asked_s = time.monotonic()
        try:
            told = await _ask_all(stub)
        except grpc.aio.AioRpcError:
            found.failed += 1
        else:
            found.answers += 1
            if told not in found.after[-1:]:
                found.after.append(told)
        found.slowest_s = max(found.slowest_s, time.monotonic() - asked_s)
        if not found.took_over_s and await _leader(channel) == "a2":
            found.took_over_s = time.monotonic() - died_s
        await asyncio.sleep(EVERY_S)


def main() -> None:
    """Entry point."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else None)
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--json", action="store_true")
    asked = parser.parse_args()
    rounds = [asyncio.run(measured()) for _ in range(asked.rounds)]
    kept = all(each.kept for each in rounds)
    if asked.json:
        print(json.dumps({"rounds": [asdict(each) for each in rounds], "kept": kept}))
    else:
        for each in rounds:
            print(
                f"{each.before:g} before the leader was killed, then {each.after}; all five methods"
                f" in at most {each.slowest_s * 1e3:.0f} ms, {each.answers} times, {each.failed}"
                f" failed; the other one led after {each.took_over_s:.1f} s"
            )
        print("kept" if kept else "broken")
    raise SystemExit(not kept)


if __name__ == "__main__":
    main()
