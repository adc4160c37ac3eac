"""Whatever a handler raises, the client hears a refusal and never a Python exception."""

import gc
import weakref
from collections.abc import AsyncIterator, Iterator
from typing import Any, ClassVar

import grpc
import pytest

from hasten.inference.v2 import inference_pb2
from hasten_policy.reasons import Reason, Refusal
from hasten_runtime import errors
from hasten_runtime.errors import MeshError, refusal_from_rpc_error
from hasten_runtime.handlers import Handler
from tests.support.waiting import eventually
from tests.unit.runtime.conftest import Serving

REFUSAL = Refusal(Reason.OVERLOADED, "come back later", 0.5, (("model", "m"),))
NOT_A_MESSAGE = b"\xff\xff\xff"


async def heard(call: Any) -> Refusal:
    with pytest.raises(grpc.aio.AioRpcError) as caught:
        await call
    return refusal_from_rpc_error(caught.value)


async def drained(call: Any) -> list[bytes]:
    return [message async for message in call]


async def test_a_refusal_raised_by_a_unary_handler_is_told(serving: Serving) -> None:
    async def refuse(_: bytes, __: object) -> bytes:
        raise MeshError(REFUSAL)

    handler = grpc.unary_unary_rpc_method_handler(refuse)
    async with serving(Ask=handler) as channel:
        assert await heard(channel.unary_unary("/t.T/Ask")(b"")) == REFUSAL


async def test_a_refusal_after_some_answers_ends_the_stream(serving: Serving) -> None:
    async def some(requests: AsyncIterator[bytes], _: object) -> AsyncIterator[bytes]:
        yield b"one"
        # Were the client still sending, gRPC could tell it of a broken stream instead.
        assert [request async for request in requests] == [b""]
        raise MeshError(REFUSAL)

    handler = grpc.stream_stream_rpc_method_handler(some)
    async with serving(Chat=handler) as channel:
        call = channel.stream_stream("/t.T/Chat")(iter([b""]))
        assert await call.read() == b"one"
        assert await heard(call.read()) == REFUSAL


async def test_a_refusal_of_a_handler_that_reads_and_writes_is_told(serving: Serving) -> None:
    async def chat(_: object, context: grpc.aio.ServicerContext[bytes, bytes]) -> None:
        await context.write(await context.read())
        assert await context.read() is grpc.aio.EOF
        raise MeshError(REFUSAL)

    handler = grpc.stream_stream_rpc_method_handler(chat)
    async with serving(Chat=handler) as channel:
        call = channel.stream_stream("/t.T/Chat")(iter([b"a"]))
        assert await call.read() == b"a"
        assert await heard(call.read()) == REFUSAL


async def test_a_crash_is_internal_and_keeps_its_secrets(
    serving: Serving, capfd: pytest.CaptureFixture[str]
) -> None:
    async def crash(_: bytes, __: object) -> bytes:
        raise KeyError("the password is swordfish")

    handler = grpc.unary_unary_rpc_method_handler(crash)
    async with serving(Ask=handler) as channel:
        refusal = await heard(channel.unary_unary("/t.T/Ask")(b""))
    assert refusal.reason is Reason.INTERNAL
    assert "swordfish" not in refusal.message
    output = capfd.readouterr()
    assert "rpc.crashed" in output.out + output.err


async def test_an_abort_by_hand_stays_as_it_is(serving: Serving) -> None:
    async def abort(_: bytes, context: grpc.aio.ServicerContext[bytes, bytes]) -> bytes:
        await context.abort(grpc.StatusCode.DATA_LOSS, "by hand", (("fact", "1"),))

    handler = grpc.unary_unary_rpc_method_handler(abort)
    async with serving(Ask=handler) as channel:
        with pytest.raises(grpc.aio.AioRpcError) as caught:
            await channel.unary_unary("/t.T/Ask")(b"")
    assert (caught.value.code(), caught.value.details()) == (grpc.StatusCode.DATA_LOSS, "by hand")
    assert tuple(caught.value.trailing_metadata() or ()) == (("fact", "1"),)


PARSE = inference_pb2.ModelInferRequest.FromString


class Request:
    """One that can be watched."""

    alive: ClassVar[weakref.WeakSet["Request"]] = weakref.WeakSet()

    def __init__(self, _: bytes) -> None:
        self.alive.add(self)


@pytest.fixture
def no_collections() -> Iterator[None]:
    gc.collect()
    gc.disable()
    yield
    gc.enable()


def refuses(how: str, kind: str) -> Handler:
    """A method that refuses a request that it has read."""

    async def end(request: Any, context: Any) -> None:
        assert isinstance(request, Request)
        if how == "raises":
            raise MeshError(REFUSAL)
        await errors.abort(context, REFUSAL)

    async def unary(request: Any, context: Any) -> None:
        await end(request, context)

    async def stream(request: Any, context: Any) -> AsyncIterator[bytes]:
        await end(request, context)
        yield b""

    async def chat(_: Any, context: Any) -> None:
        await end(await context.read(), context)

    if kind == "unary":
        return grpc.unary_unary_rpc_method_handler(unary, request_deserializer=Request)
    if kind == "stream":
        return grpc.unary_stream_rpc_method_handler(stream, request_deserializer=Request)
    return grpc.stream_stream_rpc_method_handler(chat, request_deserializer=Request)


@pytest.mark.usefixtures("no_collections")
@pytest.mark.parametrize("how", ["raises", "aborts"])
@pytest.mark.parametrize("kind", ["unary", "stream", "chat"])
async def test_a_refused_request_is_let_go_without_a_collection(
    serving: Serving, how: str, kind: str
) -> None:
    async with serving(Ask=refuses(how, kind)) as channel:
        for _ in range(3):
            if kind == "unary":
                call = channel.unary_unary("/t.T/Ask")(b"")
            elif kind == "stream":
                call = drained(channel.unary_stream("/t.T/Ask")(b""))
            else:
                call = drained(channel.stream_stream("/t.T/Ask")(iter([b""])))
            assert await heard(call) == REFUSAL
            await eventually(lambda: not Request.alive, what="the request is let go")


async def test_bytes_that_are_no_message_are_an_invalid_request(serving: Serving) -> None:
    async def unary(request: inference_pb2.ModelInferRequest, _: object) -> bytes:
        return request.model_name.encode()

    async def stream(request: inference_pb2.ModelInferRequest, _: object) -> AsyncIterator[bytes]:
        yield request.model_name.encode()

    async def chat(
        requests: AsyncIterator[inference_pb2.ModelInferRequest], _: object
    ) -> AsyncIterator[bytes]:
        async for request in requests:
            yield request.model_name.encode()

    async with serving(
        Unary=grpc.unary_unary_rpc_method_handler(unary, request_deserializer=PARSE),
        Stream=grpc.unary_stream_rpc_method_handler(stream, request_deserializer=PARSE),
        Chat=grpc.stream_stream_rpc_method_handler(chat, request_deserializer=PARSE),
    ) as channel:
        good = inference_pb2.ModelInferRequest(model_name="m").SerializeToString()
        assert await channel.unary_unary("/t.T/Unary")(good) == b"m"
        assert await drained(channel.unary_stream("/t.T/Stream")(good)) == [b"m"]
        assert await drained(channel.stream_stream("/t.T/Chat")(iter([good, good]))) == [b"m"] * 2
        for call in (
            channel.unary_unary("/t.T/Unary")(NOT_A_MESSAGE),
            channel.unary_stream("/t.T/Stream")(NOT_A_MESSAGE).read(),
            channel.stream_stream("/t.T/Chat")(iter([NOT_A_MESSAGE])).read(),
        ):
            refusal = await heard(call)
            assert refusal.reason is Reason.INVALID_REQUEST
            assert "no such message" in refusal.message


async def test_a_handler_on_a_thread_is_left_as_it_is(serving: Serving) -> None:
    def answer(request: bytes, _: object) -> bytes:
        return request * 2

    async with serving(Ask=grpc.unary_unary_rpc_method_handler(answer)) as channel:
        assert await channel.unary_unary("/t.T/Ask")(b"a") == b"aa"


async def test_a_method_that_is_not_there_is_unimplemented(serving: Serving) -> None:
    async with serving() as channel:
        refusal = await heard(channel.unary_unary("/t.T/Nothing")(b""))
    assert (refusal.reason, refusal.message) == (
        Reason.UNIMPLEMENTED,
        "there is no method /t.T/Nothing",
    )


async def test_the_package_of_our_python_stubs_is_no_name_of_the_service(serving: Serving) -> None:
    async with serving() as channel:
        method = f"/{inference_pb2.DESCRIPTOR.package}.GRPCInferenceService/ServerLive"
        refusal = await heard(channel.unary_unary(method)(b""))
    assert refusal.reason is Reason.UNIMPLEMENTED
    assert "call /inference.GRPCInferenceService/ServerLive, by stubs" in refusal.message
