"""Real services under policies to compare with, chosen as an operator would: by variables."""

import asyncio
from collections import Counter
from collections.abc import AsyncIterator, Iterator
from contextlib import ExitStack, asynccontextmanager, contextmanager
from pathlib import Path
from typing import Any

import grpc
import grpc.aio
import pytest

from hasten.inference.v2 import inference_pb2 as pb
from hasten.router.v1 import router_service_pb2 as router_pb
from loadtest.repository import write_synthetic
from tests.integration.router.harness import Client
from tests.support.services import (
    NOBODY_FREEZES,
    router_environ,
    running_service,
    worker_environ,
)
from tests.support.waiting import eventually

pytestmark = pytest.mark.integration

LIST = "/hasten.router.v1.RouterService/ListWorkers"
ALPHA_MS = 100
"""Long enough for calls that are sent together to be there together."""
TOO_SHORT_US = 5_000


def request(*, timeout_us: int = 0) -> Any:
    message = pb.ModelInferRequest(model_name="step")
    message.inputs.add(name="INPUT", datatype="FP32", shape=[1, 2])
    message.raw_input_contents.append(bytes(8))
    if timeout_us:
        message.parameters["timeout"].int64_param = timeout_us
    return message


@contextmanager
def mesh(
    folder: Path, router: dict[str, str], worker: dict[str, str], *, count: int = 2
) -> Iterator[str]:
    """The address of a router with so many workers, settings as variables have them."""
    models = folder / "models"
    write_synthetic(models, "step", alpha_ms=ALPHA_MS, beta_ms=0, batch_max=4)
    with ExitStack() as running:
        workers = [
            running.enter_context(
                running_service(
                    "hasten_worker.main",
                    worker_environ(name, models, {"kind": "static"}, lanes="1", **worker),
                    log_path=folder / f"{name}.log",
                )
            )
            for name in ("one", "two")[:count]
        ]
        addresses = ",".join(worker.address for worker in workers)
        environ = router_environ({"kind": "static"}, workers=addresses, **NOBODY_FREEZES, **router)
        front = running_service("hasten_router.main", environ, log_path=folder / "router.log")
        yield running.enter_context(front).address


@asynccontextmanager
async def client(address: str, *, count: int = 2) -> AsyncIterator[Client]:
    async with grpc.aio.insecure_channel(address) as channel:
        made = Client(channel)

        async def all_ready() -> bool:
            return [view.standing for view in await workers(made)] == ["ready"] * count

        await eventually(all_ready, what="all workers have reported")
        yield made


async def workers(made: Client) -> list[router_pb.WorkerView]:
    listed = await made.ask(LIST, router_pb.ListWorkersRequest(), router_pb.ListWorkersResponse)
    return list(listed.workers)


async def answered(made: Client) -> list[int]:
    """Calls that each worker has answered."""
    return [view.answered for view in await workers(made)]


async def test_round_robin_takes_turns(tmp_path: Path) -> None:
    router = {"policy__balancer": "round_robin", "policy__admission": "open"}
    with mesh(tmp_path, router, {}) as address:
        async with client(address) as made:
            for _ in range(10):
                await made.infer(request())
            assert await answered(made) == [5, 5]


async def test_the_static_bundle_keeps_a_model_to_its_share_of_the_workers(tmp_path: Path) -> None:
    with mesh(tmp_path, {"bundle": "static"}, {"bundle": "static"}) as address:
        async with client(address) as made:
            await asyncio.gather(*(made.infer(request()) for _ in range(12)))
            assert sorted(await answered(made)) == [0, 12]


async def test_a_fixed_limit_refuses_what_is_over_it(tmp_path: Path) -> None:
    router = {"bundle": "fixed_limit", "policy__fixed_limit_factor": "0.25"}
    with mesh(tmp_path, router, {"bundle": "fixed_limit"}) as address:
        async with client(address) as made:
            calls = [made.start(request()) for _ in range(30)]
            ends = await asyncio.gather(*calls, return_exceptions=True)
    said = Counter(
        end.code().name if isinstance(end, grpc.aio.AioRpcError) else "answered" for end in ends
    )
    assert set(said) == {"answered", "RESOURCE_EXHAUSTED"}
    sentences = {end.details() for end in ends if isinstance(end, grpc.aio.AioRpcError)}
    assert all("calls are in flight, 2 may be" in str(sentence) for sentence in sentences)


async def test_without_deadlines_a_hopeless_call_is_run_and_answered_late(tmp_path: Path) -> None:
    with mesh(tmp_path, {"bundle": "fifo"}, {"bundle": "fifo"}, count=1) as address:
        async with client(address, count=1) as made:
            answer = await made.infer(request(timeout_us=TOO_SHORT_US))
            assert answer.model_name == "step"


async def test_as_shipped_a_hopeless_call_is_refused_at_once(tmp_path: Path) -> None:
    worker = {"policy__batching__rule": "eager", "policy__batching__order": "fifo"}
    with mesh(tmp_path, {"bundle": "hasten"}, worker, count=1) as address:
        async with client(address, count=1) as made:
            running = asyncio.ensure_future(made.start(request()))
            reasons = set()
            for _ in range(5):
                _, reason, _, _ = await made.refusal(made.start(request(timeout_us=TOO_SHORT_US)))
                reasons.add(reason)
            # The first may meet an idle worker, which tries it.
            assert reasons <= {"DEADLINE_INFEASIBLE", "DEADLINE_PASSED", "OVERLOADED"}
            assert reasons - {"DEADLINE_PASSED"}
            await running
            assert (await made.infer(request())).model_name == "step"
