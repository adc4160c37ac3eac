"""ModelInfer on the native transport, over a router that the test plays."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import grpc
import grpc.aio
import pytest

from hasten.inference.v2 import inference_pb2 as pb
from hasten_policy.admission.front_gate import FrontPolicy
from hasten_policy.reasons import Reason, Refusal
from hasten_policy.router.events import BarLifted, BarSet
from hasten_router.calls import Call
from hasten_router.front.infer import FrontLimits, RequestReader
from hasten_router.front.native import QuickInfer
from hasten_router.front.port import BarKeeper, Barred
from hasten_runtime import errors
from hasten_runtime.clock import SystemClock
from hasten_runtime.front_door import open_front_door
from hasten_runtime.plane.server import PlaneServer
from hasten_runtime.protocol_names import MODEL_INFER
from tests.support.waiting import PATIENCE_S, eventually

REQUEST = pb.ModelInferRequest(model_name="m").SerializeToString()


class Router:
    """Where calls go; it does with them what the test says."""

    def __init__(self) -> None:
        self.begun: list[Call] = []
        self.abandoned: list[Call] = []
        self.refused: list[tuple[str, Refusal]] = []
        self.bars: BarKeeper | None = None
        self.barred_calls: list[Barred] = []
        self.refuses: BarSet | None = None
        self.fails = False
        self.outcome: bytes | Refusal | None = b"answer"

    def begin(self, call: Call) -> None:
        if self.fails:
            raise RuntimeError("a fault")
        self.begun.append(call)
        if self.refuses is not None and self.bars is not None:
            self.bars.set_bar(self.refuses)
            call.end(Refusal(Reason.OVERLOADED, "too much"))
        elif self.outcome is not None:
            call.end(self.outcome)

    def refused_early(self, model: str, refusal: Refusal) -> None:
        self.refused.append((model, refusal))

    def tell_bars(self, keeper: BarKeeper) -> None:
        self.bars = keeper

    def barred(self, barred: Barred) -> None:
        self.barred_calls.append(barred)

    def abandon(self, call: Call) -> None:
        self.abandoned.append(call)


@asynccontextmanager
async def served(router: Router) -> AsyncIterator[grpc.aio.UnaryUnaryMultiCallable[bytes, bytes]]:
    clock = SystemClock()
    reader = RequestReader(door=router, clock=clock, limits=FrontLimits(request_bytes_max=1000))
    with open_front_door(FrontPolicy(), clock, lambda _: None) as door:
        server = PlaneServer(quick=QuickInfer(reader, door, lambda _: False))
        address = await server.start("127.0.0.1:0")
        async with grpc.aio.insecure_channel(address) as channel:
            yield channel.unary_unary(MODEL_INFER)
        await server.stop(0)


async def refusal_of(call: grpc.aio.UnaryUnaryCall[bytes, bytes]) -> Refusal:
    with pytest.raises(grpc.aio.AioRpcError) as caught:
        await call
    return errors.refusal_from_rpc_error(caught.value)


async def test_a_fault_of_ours_is_told_and_the_next_call_is_answered() -> None:
    router = Router()
    async with served(router) as infer:
        router.fails = True
        assert (await refusal_of(infer(REQUEST, timeout=PATIENCE_S))).reason is Reason.INTERNAL
        router.fails = False
        assert await infer(REQUEST, timeout=PATIENCE_S) == b"answer"


async def test_a_call_may_end_long_after_it_came() -> None:
    router = Router()
    router.outcome = None
    async with served(router) as infer:
        calls = [infer(REQUEST, timeout=PATIENCE_S) for _ in range(3)]
        await eventually(lambda: len(router.begun) == 3, PATIENCE_S)
        for call in router.begun:
            call.end(b"late")
        assert [await call for call in calls] == [b"late"] * 3


async def test_a_client_that_leaves_abandons_its_call_once() -> None:
    router = Router()
    router.outcome = None
    async with served(router) as infer:
        call = infer(REQUEST, timeout=PATIENCE_S)
        await eventually(lambda: router.begun, PATIENCE_S)
        call.cancel()
        await eventually(lambda: router.abandoned == router.begun, PATIENCE_S)
        router.begun[0].end(b"for nobody")


async def test_a_server_that_stops_abandons_what_is_open() -> None:
    router = Router()
    router.outcome = None
    async with served(router) as infer:
        call = infer(REQUEST, timeout=PATIENCE_S)
        await eventually(lambda: router.begun, PATIENCE_S)
    assert router.abandoned == router.begun
    assert call.done()


@pytest.mark.parametrize(
    ("message", "reason", "model"),
    [
        (b"\x0a\x01m\x0a", Reason.INVALID_REQUEST, ""),
        (
            pb.ModelInferRequest(model_name="m", model_version="x").SerializeToString(),
            Reason.INVALID_REQUEST,
            "m",
        ),
        (REQUEST + b"\x3a\xe8\x07" + bytes(1000), Reason.MESSAGE_TOO_LARGE, "m"),
    ],
)
async def test_what_is_no_call_is_refused_and_counted_under_its_model(
    message: bytes, reason: Reason, model: str
) -> None:
    router = Router()
    async with served(router) as infer:
        told = await refusal_of(infer(message, timeout=PATIENCE_S))
    assert told.reason is reason
    assert [(name, refusal.reason) for name, refusal in router.refused] == [(model, reason)]
    assert router.begun == []


async def test_calls_alike_are_refused_without_the_router_until_a_worker_is_idle() -> None:
    router = Router()
    router.refuses = BarSet("m", "", 1, 1, 0, 600.0, 60.0, 0.007, 1.0)
    async with served(router) as infer:
        ended = [await refusal_of(infer(REQUEST, timeout=PATIENCE_S)) for _ in range(3)]
        assert {each.reason for each in ended} == {Reason.OVERLOADED}
        assert len(router.begun) == 1
        assert ended[-1].retry_after_s == pytest.approx(0.007)
        assert ("needed_ms", "600000") in ended[-1].metadata
        assert router.bars is not None
        router.bars.lift_bar(BarLifted("m", ""))
        router.refuses = None
        assert await infer(REQUEST, timeout=PATIENCE_S) == b"answer"
        await eventually(lambda: sum(each.calls for each in router.barred_calls) == 2, PATIENCE_S)
        assert {(each.model, each.priority) for each in router.barred_calls} == {("m", 1)}


async def test_answers_are_compressed_for_those_who_wish_it_where_it_pays() -> None:
    router = Router()
    router.outcome = b"a" * 4096
    wish = (("hasten-compress", "gzip"),)
    async with served(router) as infer:
        for metadata in (wish, ()):
            call = infer(REQUEST, timeout=PATIENCE_S, metadata=metadata)
            assert await call == router.outcome
        router.outcome = b"a"
        assert await infer(REQUEST, timeout=PATIENCE_S, metadata=wish) == b"a"
