"""Asks many workers the same thing at once, each within a bounded time."""

import asyncio
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Generic, TypeVar

import grpc
import grpc.aio
from google.protobuf.message import Message

from hasten_policy.reasons import Reason, Refusal
from hasten_runtime.errors import refusal_from_rpc_error
from hasten_runtime.fleet.link import FrameLink

ResponseT = TypeVar("ResponseT", bound=Message)


@dataclass(frozen=True, slots=True)
class Question(Generic[ResponseT]):
    """One RPC to be sent to many workers.

    Attributes:
        method: Full path, "/package.Service/Method".
        request: The message.
        response_type: Class of the answer.
        timeout_s: Longest wait for each worker.
    """

    method: str
    request: Message
    response_type: type[ResponseT]
    timeout_s: float


@dataclass(frozen=True, slots=True)
class Answers(Generic[ResponseT]):
    """What came back.

    Attributes:
        given: (worker, answer) of those that answered, by worker.
        refused: (worker, refusal) of the others, by worker.
    """

    given: tuple[tuple[str, ResponseT], ...]
    refused: tuple[tuple[str, Refusal], ...]


async def ask(links: Sequence[FrameLink], question: Question[ResponseT]) -> Answers[ResponseT]:
    """Asks all of them at once. A worker whose link is down counts as refusing, at once."""
    outcomes = await asyncio.gather(*(_ask_one(link, question) for link in links))
    given: list[tuple[str, ResponseT]] = []
    refused: list[tuple[str, Refusal]] = []
    for link, outcome in zip(links, outcomes, strict=True):
        if isinstance(outcome, Refusal):
            refused.append((link.worker_id, outcome))
        else:
            given.append((link.worker_id, outcome))
    return Answers(tuple(given), tuple(refused))


async def _ask_one(link: FrameLink, question: Question[ResponseT]) -> ResponseT | Refusal:
    if not link.connected:
        return Refusal(Reason.WORKER_LOST, "there is no connection to it", retry_after_s=1.0)
    method = link.channel.unary_unary(
        question.method,
        request_serializer=type(question.request).SerializeToString,
        response_deserializer=question.response_type.FromString,
    )
    try:
        answer: ResponseT = await method(question.request, timeout=question.timeout_s)
    except asyncio.CancelledError:
        task = asyncio.current_task()
        if task is not None and task.cancelling():
            raise
        # The channel was closed while it was asked.
        return Refusal(Reason.WORKER_LOST, "it left while it was asked")
    except grpc.aio.AioRpcError as error:
        if error.code() is grpc.StatusCode.DEADLINE_EXCEEDED:
            return Refusal(Reason.WORKER_LOST, f"it did not answer within {question.timeout_s:g} s")
        return refusal_from_rpc_error(error)
    return answer
