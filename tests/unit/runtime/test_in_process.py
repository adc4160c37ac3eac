"""Methods called in their own process: the same door, interceptors and refusals as over gRPC."""

import asyncio
import itertools
from typing import Any

import grpc
import pytest

from hasten.inference.v2 import inference_pb2 as pb
from hasten_policy.admission.front_gate import FrontGate, FrontPolicy
from hasten_policy.reasons import Reason, Refusal
from hasten_runtime.clock import ManualClock
from hasten_runtime.errors import MeshError
from hasten_runtime.front_door import FrontDoor
from hasten_runtime.in_process import InProcessCalls, InProcessContext
from hasten_runtime.inference_service import Method, rpc_handlers
from hasten_runtime.message_limit import MessageLimit
from hasten_runtime.strain import Strain
from tests.support.waiting import eventually

HOUR_S = 3600.0


class House:
    """Methods behind a door that refuses whatever has less than an hour."""

    def __init__(self) -> None:
        self.read: list[bytes] = []
        self.seen: list[tuple[str, Any]] = []
        self.clock = ManualClock()
        self.gate = FrontGate(FrontPolicy(evidence_s=HOUR_S))
        self.gate.answered(HOUR_S, now_s=self.clock.now_s())
        used_s = itertools.count(step=2 * HOUR_S)
        strain = Strain(lambda: float(next(used_s)), now_s=self.clock.now_s() - HOUR_S)
        self.refused: list[Refusal] = []
        self.door = FrontDoor(self.gate, strain, self.clock, self.refused.append)
        methods = {
            "ModelInfer": Method(self.infer, door=self.door),
            "ServerReady": self.ready,
            "ServerLive": self.crash,
            "ModelReady": self.nothing,
        }
        self.calls = InProcessCalls(rpc_handlers(methods), (self,), MessageLimit(100, "LIMIT"))

    async def intercept_service(self, continuation: Any, details: grpc.HandlerCallDetails) -> Any:
        self.seen.append((details.method, details.invocation_metadata))
        return await continuation(details)

    async def infer(self, request: bytes, context: Any) -> bytes:
        self.read.append(request)
        if request == b"wait":
            await asyncio.Event().wait()
        if request == b"full":
            hint = Refusal(Reason.QUEUE_FULL, "full", retry_after_s=5.0, metadata=(("a", "b"),))
            raise MeshError(hint)
        context.set_trailing_metadata((("key", b"value"),))
        return b"answer"

    async def ready(self, _: pb.ServerReadyRequest, __: Any) -> pb.ServerReadyResponse:
        return pb.ServerReadyResponse(ready=True)

    async def crash(self, _: pb.ServerLiveRequest, __: Any) -> pb.ServerLiveResponse:
        raise ValueError("secret")

    async def nothing(self, _: pb.ModelReadyRequest, __: Any) -> None:
        return None

    def context(self, request: bytes = b"", left_s: float | None = None) -> InProcessContext:
        async def read() -> bytes:
            return request

        deadline_s = None if left_s is None else self.clock.now_s() + left_s
        return InProcessContext((("traceparent", "t"),), deadline_s, self.clock.now_s, read)

    async def refusal(self, rpc: str, context: InProcessContext, request: bytes = b"") -> Refusal:
        with pytest.raises(MeshError) as raised:
            await self.calls.call(rpc, request, context)
        return raised.value.refusal


async def test_bytes_go_in_and_come_out_and_interceptors_see_the_call() -> None:
    house = House()
    context = house.context(b"request")
    assert await house.calls.call("ModelInfer", b"", context) == b"answer"
    assert house.read == [b"request"]
    assert context.trailing == (("key", b"value"),)
    assert house.seen == [("/inference.GRPCInferenceService/ModelInfer", (("traceparent", "t"),))]


async def test_messages_are_parsed_within_their_limit() -> None:
    house = House()
    answer = await house.calls.call("ServerReady", b"", house.context())
    assert answer.ready
    assert (await house.refusal("ServerReady", house.context(), b"\xff")).reason is (
        Reason.INVALID_REQUEST
    )
    assert (await house.refusal("ServerReady", house.context(), bytes(101))).reason is (
        Reason.MESSAGE_TOO_LARGE
    )


async def test_what_the_door_refuses_is_not_read() -> None:
    house = House()
    refusal = await house.refusal("ModelInfer", house.context(b"late", left_s=1.0))
    assert refusal.reason is Reason.OVERLOADED
    assert refusal == house.refused[0]
    assert house.read == []


async def test_a_refusal_comes_whole_and_its_hint_only_if_there_is_time() -> None:
    house = House()
    refusal = await house.refusal("ModelInfer", house.context(b"full"))
    assert refusal == Refusal(Reason.QUEUE_FULL, "full", retry_after_s=5.0, metadata=(("a", "b"),))
    house.gate.answered(0.001, now_s=house.clock.now_s())
    house.clock.advance(2 * HOUR_S)  # What the gate knew is old.
    refusal = await house.refusal("ModelInfer", house.context(b"full", left_s=4.0))
    assert refusal.retry_after_s is None


async def test_a_method_that_fails_or_says_nothing_is_a_fault_of_ours() -> None:
    house = House()
    for rpc in ("ServerLive", "ModelReady"):
        refusal = await house.refusal(rpc, house.context())
        assert refusal.reason is Reason.INTERNAL
        assert "secret" not in refusal.message
    assert (await house.refusal("LogSettings", house.context())).reason is Reason.UNIMPLEMENTED


async def test_a_cancelled_call_is_cancelled() -> None:
    house = House()
    calling = asyncio.create_task(house.calls.call("ModelInfer", b"", house.context(b"wait")))
    await eventually(lambda: house.read)
    calling.cancel()
    with pytest.raises(asyncio.CancelledError):
        await calling
