"""ModelStreamInfer: many requests on one stream, answered as they end."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import suppress
from typing import Any, Final, Protocol

from google.protobuf.message import DecodeError

from hasten.inference.v2.inference_pb2 import (
    ModelInferRequest,
    ModelInferResponse,
    ModelStreamInferResponse,
)
from hasten_policy.reasons import Refusal
from hasten_runtime.errors import MeshError
from hasten_runtime.protocol_names import FINAL_RESPONSE, REASON, ends_on_error
from hasten_worker.inference.infer import Inference

IN_FLIGHT_MAX: Final = 256
"""Requests of one stream inside the worker; further ones wait at the client."""


class StreamContext(Protocol):
    """The part of a servicer context that is used here."""

    def time_remaining(self) -> float | None:
        """Seconds until the RPC's deadline; None when it has none."""
        ...

    def invocation_metadata(self) -> Any:  # noqa: ANN401  (gRPC's own)
        """Metadata of the request."""
        ...

    async def write(self, message: ModelStreamInferResponse) -> None:
        """Sends; waits while the other side does not take it."""
        ...


class Stream:
    """One ModelStreamInfer call."""

    def __init__(self, inference: Inference, context: StreamContext) -> None:
        self._inference = inference
        self._context = context
        self._places = asyncio.Semaphore(IN_FLIGHT_MAX)
        # gRPC allows one write at a time.
        self._writing = asyncio.Lock()
        self._ends_on_error = ends_on_error(context.invocation_metadata())

    async def run(self, requests: AsyncIterator[bytes]) -> None:
        """Answers until the client has sent its last request and got its last answer.

        Raises:
            MeshError: A request failed and the client asked for real statuses.
        """
        failed: BaseException | None = None
        try:
            async with asyncio.TaskGroup() as group:
                async for payload in requests:
                    # Each answer holds its place until it is written: a client that does not
                    # read stops being read.
                    await self._places.acquire()
                    group.create_task(self._answer(payload))
        except* MeshError as errors:
            failed = errors.exceptions[0]
        # Not raised above: before Python 3.11.4 it would come out wrapped in a group.
        if failed is not None:
            raise failed

    async def _answer(self, payload: bytes) -> None:
        try:
            message = await self._message(payload)
            async with self._writing:
                await self._context.write(message)
        finally:
            self._places.release()

    async def _message(self, payload: bytes) -> ModelStreamInferResponse:
        try:
            response, _ = await self._inference.run(payload, self._context.time_remaining())
        except MeshError as error:
            if self._ends_on_error:
                raise
            return ModelStreamInferResponse(
                error_message=error.refusal.message,
                infer_response=_failed(payload, error.refusal),
            )
        # Each request has one response, which is thus its last: a client that asked for an
        # empty last response gets the mark on this one, as from Triton.
        response.parameters[FINAL_RESPONSE].bool_param = True
        return ModelStreamInferResponse(infer_response=response)


def _failed(payload: bytes, refusal: Refusal) -> ModelInferResponse:
    """Clients match errors with requests by the id."""
    response = ModelInferResponse()
    response.parameters[REASON].string_param = refusal.reason.name
    with suppress(DecodeError):
        request = ModelInferRequest.FromString(payload)
        response.model_name, response.id = request.model_name, request.id
    return response
