"""Calls that are refused before they are read, and the queue that they wait in until then."""

import asyncio
import itertools
import threading
from collections import Counter
from collections.abc import Awaitable, Callable
from contextlib import AsyncExitStack

import grpc
import pytest
from tritonclient.grpc import service_pb2, service_pb2_grpc

import hasten_client as hc
from hasten.inference.v2 import inference_pb2 as pb
from hasten_policy.admission.front_gate import FrontGate, FrontPolicy
from hasten_policy.reasons import Reason, Refusal
from hasten_runtime import errors, grpc_server
from hasten_runtime.clock import SystemClock
from hasten_runtime.errors import MeshError
from hasten_runtime.front_door import NO_REQUEST, FrontDoor, open_front_door
from hasten_runtime.grpc_server import ServerLimits
from hasten_runtime.inference_service import Method, add_inference
from hasten_runtime.strain import Strain
from tests.support.waiting import PATIENCE_S
from tests.unit.runtime.conftest import Serving

INFER = "/inference.GRPCInferenceService/ModelInfer"
STREAM = "/inference.GRPCInferenceService/ModelStreamInfer"
HOUR_S = 3600.0


class House:
    """A server whose door's strain the test decides."""

    def __init__(self, *, busy: bool) -> None:
        self.read: list[bytes] = []
        self.refused: list[Refusal] = []
        self.gate = FrontGate(FrontPolicy(evidence_s=HOUR_S))
        clock = SystemClock()
        began_s = clock.now_s() - (HOUR_S if busy else 0.0)
        used_s = itertools.count(step=2 * HOUR_S) if busy else itertools.repeat(0.0)
        strain = Strain(lambda: float(next(used_s)), now_s=began_s)
        self.door = FrontDoor(self.gate, strain, clock, self.refused.append)

    async def infer(self, request: bytes, _: object) -> bytes:
        self.read.append(request)
        if request == b"bad":
            raise MeshError(Refusal(Reason.INVALID_REQUEST, "bad"))
        return pb.ModelInferResponse(model_name="m", id="7").SerializeToString()

    async def stream(self, _: object, context: grpc.aio.ServicerContext[bytes, bytes]) -> None:
        await context.read()

    def prepare(self, server: grpc.aio.Server) -> None:
        add_inference(
            server,
            {
                "ModelInfer": Method(self.infer, door=self.door),
                "ModelStreamInfer": Method(self.stream, raw_request=True),
            },
        )


async def refusal_of(call: Awaitable[object]) -> Refusal:
    with pytest.raises(grpc.aio.AioRpcError) as caught:
        await call
    return errors.refusal_from_rpc_error(caught.value)


async def test_a_stock_stub_sees_a_unary_method(serving: Serving) -> None:
    house = House(busy=False)
    async with serving(prepare=house.prepare) as channel:
        stub = service_pb2_grpc.GRPCInferenceServiceStub(channel)
        answer = await stub.ModelInfer(service_pb2.ModelInferRequest(model_name="m"))
        assert (answer.model_name, answer.id) == ("m", "7")
        assert (await refusal_of(channel.unary_unary(INFER)(b"bad"))).message == "bad"
    assert house.read == [b"\n\x01m", b"bad"]


async def test_what_has_less_time_than_the_fastest_answer_is_not_read(serving: Serving) -> None:
    house = House(busy=True)
    house.gate.answered(HOUR_S, now_s=SystemClock().now_s())
    async with serving(prepare=house.prepare) as channel:
        refusal = await refusal_of(channel.unary_unary(INFER)(b"late", timeout=HOUR_S / 2))
        assert refusal.reason is Reason.OVERLOADED
        assert dict(refusal.metadata) == dict(house.refused[0].metadata)
        assert not refusal.started
        await channel.unary_unary(INFER)(b"free")
        await channel.unary_unary(INFER)(b"early", timeout=2 * HOUR_S)
    assert house.read == [b"free", b"early"]


async def test_an_idle_server_reads_what_is_hopeless(serving: Serving) -> None:
    house = House(busy=False)
    house.gate.answered(HOUR_S, now_s=SystemClock().now_s())
    async with serving(prepare=house.prepare) as channel:
        await channel.unary_unary(INFER)(b"late", timeout=HOUR_S / 2)
    assert house.read == [b"late"]


async def test_an_answer_teaches_the_door(serving: Serving) -> None:
    house = House(busy=False)
    async with serving(prepare=house.prepare) as channel:
        await channel.unary_unary(INFER)(b"x")
    assert 0.0 < house.gate.need_s(SystemClock().now_s()) < PATIENCE_S


async def test_a_call_that_ends_without_a_request_is_told_so(serving: Serving) -> None:
    house = House(busy=False)
    async with serving(prepare=house.prepare) as channel:
        call = channel.stream_unary(INFER)(iter(()))
        assert (await refusal_of(call)).message == NO_REQUEST.message
    assert not house.read


async def test_a_request_over_the_limit_is_told_so(serving: Serving) -> None:
    house = House(busy=False)
    limits = ServerLimits(message_bytes_max=5000)
    async with serving(prepare=house.prepare, limits=limits) as channel:
        refusal = await refusal_of(channel.unary_unary(INFER)(b"x" * 6000))
    assert refusal.reason is Reason.MESSAGE_TOO_LARGE
    assert not house.read


def test_a_door_of_this_thread_can_be_opened_and_closed() -> None:
    with open_front_door(FrontPolicy(), SystemClock(), lambda _: None) as door:
        assert isinstance(door, FrontDoor)


class Pushing:
    """Calls from a thread while the server's loop stands still."""

    def __init__(self, address: str) -> None:
        self.channel = grpc.insecure_channel(address, [("grpc.use_local_subchannel_pool", 1)])
        self.futures: list[grpc.Future] = []
        self.cut = threading.Event()

    def until_one_is_cut(self, method: str) -> None:
        call = self.channel.unary_unary(method)
        while not self.cut.is_set() and len(self.futures) < 10_000:
            future = call.future(b"x", timeout=PATIENCE_S)
            future.add_done_callback(self._ended)
            self.futures.append(future)
            self.cut.wait(0.001)

    def _ended(self, future: grpc.Future) -> None:
        if future.code() is grpc.StatusCode.CANCELLED:
            self.cut.set()

    def codes(self) -> Counter[grpc.StatusCode]:
        return Counter(future.code() for future in self.futures)


async def on_a_loop_that_stands(work: Callable[[], None]) -> None:
    thread = threading.Thread(target=work)
    thread.start()
    thread.join(PATIENCE_S)  # Blocks the loop, which is the point.
    assert not thread.is_alive()


async def test_more_than_may_wait_are_cut_and_our_client_calls_it_an_overload() -> None:
    house = House(busy=False)
    async with AsyncExitStack() as stack:
        server = grpc_server.make_server(ServerLimits(pending_soft=4, pending_max=4))
        house.prepare(server)
        address = grpc_server.bind(server, "127.0.0.1:0")
        await server.start()
        stack.push_async_callback(server.stop, 0)
        pushing = Pushing(address)
        stack.callback(pushing.channel.close)
        raised: list[hc.HastenError] = []

        def push() -> None:
            pushing.until_one_is_cut(INFER)
            with hc.Client(address) as client, pytest.raises(hc.HastenError) as caught:
                client.infer("m", {"x": [1]}, deadline_s=PATIENCE_S)
            raised.append(caught.value)

        await on_a_loop_that_stands(push)
        (error,) = raised
        assert isinstance(error, hc.Overloaded)
        assert (error.reason, error.status) == ("OVERLOADED", "CANCELLED")
        assert "too many calls" in error.message
        # Those that wait are answered when the loop goes on.
        await asyncio.to_thread(lambda: [future.exception() for future in pushing.futures])
        assert pushing.codes()[grpc.StatusCode.OK] >= 4


async def test_a_flood_of_another_method_cuts_no_inference() -> None:
    house = House(busy=False)
    async with AsyncExitStack() as stack:
        server = grpc_server.make_server(ServerLimits(pending_soft=4, pending_max=4))
        house.prepare(server)
        address = grpc_server.bind(server, "127.0.0.1:0")
        await server.start()
        stack.push_async_callback(server.stop, 0)
        pushing = Pushing(address)
        stack.callback(pushing.channel.close)
        honest: list[grpc.Future] = []

        def push() -> None:
            pushing.until_one_is_cut(STREAM)
            infer = pushing.channel.unary_unary(INFER)
            honest.extend(infer.future(b"x", timeout=PATIENCE_S) for _ in range(4))

        await on_a_loop_that_stands(push)
        assert pushing.cut.is_set()
        found = await asyncio.to_thread(lambda: [future.code() for future in honest])
        assert found == [grpc.StatusCode.OK] * 4
