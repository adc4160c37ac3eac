"""Answers a request of HTTP by the RPC that it asks for."""

import asyncio
import json
import math
from collections.abc import Awaitable, Callable, Iterator
from dataclasses import dataclass
from http import HTTPStatus
from typing import Any, Final

from aiohttp import web
from prometheus_client import CollectorRegistry
from prometheus_client.exposition import choose_encoder

from hasten.common.v1.timing_pb2 import Timing
from hasten_policy.reasons import Reason, Refusal
from hasten_policy.short import short
from hasten_router.front.port import CallDoor
from hasten_router.rest import inferring, messages, paths, reading
from hasten_router.rest.bodies import BodyReader
from hasten_router.rest.inferring import Target, Wishes
from hasten_router.rest.paths import Nowhere, Route
from hasten_router.rest.server import problem_response
from hasten_runtime import logs
from hasten_runtime.byte_budget import Lease
from hasten_runtime.clock import Clock
from hasten_runtime.errors import MeshError
from hasten_runtime.in_process import InProcessCalls, InProcessContext
from hasten_runtime.problem import problem
from hasten_runtime.protocol_names import (
    DEADLINE_HEADER,
    JSON_LENGTH_HEADER,
    PRIORITY,
    PRIORITY_HEADER,
    TENANT,
    TENANT_HEADER,
    TIMING_TRAILER,
)

COMPRESS_BYTES_MIN: Final = 1024
"""Smaller bodies are not worth it."""
COMPRESS_APART_BYTES: Final = 16 * 1024
"""Larger ones are compressed on a thread."""
ENCODINGS: Final = ("identity", "gzip", "deflate")
PIECES_A_TURN: Final = 4
CONTINUE: Final = b"HTTP/1.1 100 Continue\r\n\r\n"
Read = Callable[[], Awaitable[bytes]]
_YES: Final = {"ServerLive": "live", "ServerReady": "ready", "ModelReady": "ready"}
"""RPCs whose answer is yes or no, and the field that says it."""

_log = logs.logger(__name__)


@dataclass(frozen=True, slots=True)
class SiteParts:
    """What a site is made of.

    Attributes:
        calls: The RPCs.
        door: Told of requests that are no calls.
        clock: The router's.
        bodies: Reads them.
        json_bytes_max: Of JSON in a request, and of outputs that become JSON.
        metadata_names: Headers that the RPCs may see.
        faults: What stands against the router's being ready.
        registry: Of its metrics.
    """

    calls: InProcessCalls
    door: CallDoor
    clock: Clock
    bodies: BodyReader
    json_bytes_max: int
    metadata_names: tuple[str, ...]
    faults: Callable[[], tuple[str, ...]]
    registry: CollectorRegistry


class Site:
    """All paths."""

    def __init__(self, parts: SiteParts) -> None:
        self._parts = parts
        self._scrape = asyncio.Lock()

    async def answer(self, request: web.BaseRequest, lease: Lease) -> web.StreamResponse:
        """The response to any request, whose bytes and those of its answer the lease holds."""
        try:
            return await self._routed(request, lease)
        except MeshError as error:
            return problem_response(problem(error.refusal))
        except Nowhere as nowhere:
            response = problem_response(problem(nowhere.refusal, status=nowhere.status))
            if nowhere.allow:
                response.headers["Allow"] = ", ".join(nowhere.allow)
            return response
        except Exception as error:  # noqa: BLE001  (all are told, none is swallowed)
            _log.error("rest.crashed", path=short(request.path), exc_info=error)
            told = Refusal(Reason.INTERNAL, "this failed unexpectedly; the log says how")
            return problem_response(problem(told))

    async def _routed(self, request: web.BaseRequest, lease: Lease) -> web.StreamResponse:
        route = paths.route(request.method, request.rel_url.raw_path)
        if route.rpc == paths.METRICS:
            return await self._metrics(request)
        if route.rpc == paths.INFER:
            return await self._infer(request, route, lease)
        return await self._other(request, route, lease)

    async def _infer(
        self, request: web.BaseRequest, route: Route, lease: Lease
    ) -> web.StreamResponse:
        model = route.fields["model_name"]
        wishes = Wishes()
        try:
            deadline_s = self._deadline_s(request)
        except MeshError as error:
            self._parts.door.refused_early(model, error.refusal)
            raise

        async def read() -> bytes:
            nonlocal wishes
            try:
                only_json = JSON_LENGTH_HEADER not in request.headers
                body = await self._body(request, lease, deadline_s, only_json=only_json)
                target = Target(
                    model, route.fields.get("model_version", ""), *_said_in_headers(request)
                )
                message, wishes = inferring.request_bytes(body, target, self._parts.json_bytes_max)
            except MeshError as error:
                self._parts.door.refused_early(model, error.refusal)
                raise
            return message

        context = self._context(request, deadline_s, read)
        answer = await self._parts.calls.call(route.rpc, b"", context)
        lease.take(len(answer))
        made = inferring.answer_body(answer, wishes, self._parts.json_bytes_max)
        text = await _joined(made.json)
        lease.take(len(text))
        binary = bool(made.raws)
        body = b"".join((text, *made.raws)) if binary else text
        response = web.Response(
            body=body,
            content_type="application/octet-stream" if binary else "application/json",
            zlib_executor_size=COMPRESS_APART_BYTES,
        )
        if binary:
            response.headers[JSON_LENGTH_HEADER] = str(len(text))
        for name, value in context.trailing:
            if name == TIMING_TRAILER and isinstance(value, bytes):
                response.headers["Server-Timing"] = server_timing(value)
        _compress(request, response, len(body))
        return response

    async def _other(
        self, request: web.BaseRequest, route: Route, lease: Lease
    ) -> web.StreamResponse:
        deadline_s = self._deadline_s(request)
        body = b""
        if request.method == "POST":
            body = await self._body(request, lease, deadline_s, only_json=True)
        message = messages.request_message(route.rpc, route.fields, reading.document(body))

        async def read() -> bytes:
            return message

        context = self._context(request, deadline_s, read)
        answer = await self._parts.calls.call(route.rpc, message, context)
        status = HTTPStatus.OK
        said: Any = messages.answer_json(route.rpc, answer)
        yes = _YES.get(route.rpc)
        if yes is not None and not said[yes]:
            status = HTTPStatus.SERVICE_UNAVAILABLE
            if route.rpc == "ServerReady":
                said["why"] = list(self._parts.faults())
        text = json.dumps(said)
        response = web.Response(status=status, text=text, content_type="application/json")
        if yes is not None:
            response.headers["Cache-Control"] = "no-store"
        _compress(request, response, len(text))
        return response

    async def _metrics(self, request: web.BaseRequest) -> web.StreamResponse:
        encoder, content_type = choose_encoder(request.headers.get("Accept", ""))
        async with self._scrape:  # On a thread, so that calls go on, and one at a time.
            page = await asyncio.to_thread(encoder, self._parts.registry)
        return web.Response(body=page, headers={"Content-Type": content_type})

    def _context(
        self, request: web.BaseRequest, deadline_s: float | None, read: Read
    ) -> InProcessContext:
        headers = request.headers
        metadata = tuple(
            (name, headers[name]) for name in self._parts.metadata_names if name in headers
        )
        return InProcessContext(metadata, deadline_s, self._parts.clock.now_s, read)

    async def _body(
        self,
        request: web.BaseRequest,
        lease: Lease,
        deadline_s: float | None,
        *,
        only_json: bool,
    ) -> bytes:
        encoding = request.headers.get("Content-Encoding", "identity").lower()
        if encoding not in ENCODINGS:
            raise reading.invalid("Content-Encoding", f"must be one of {', '.join(ENCODINGS)}")
        bodies = self._parts.bodies
        check = self._check_json if only_json else bodies.check
        check(request.content_length or 0)
        if request.headers.get("Expect", "").lower() == "100-continue":
            await request.writer.write(CONTINUE)
            request.writer.output_size = 0  # The response itself has not begun.
        until_s = None
        if deadline_s is not None:
            left_s = deadline_s - self._parts.clock.now_s()
            until_s = asyncio.get_running_loop().time() + left_s
        return await bodies.read(request.content, lease, until_s, check)

    def _check_json(self, size: int) -> None:
        self._parts.bodies.check(size)
        inferring.check_json_bytes("a body of JSON", size, self._parts.json_bytes_max)

    def _deadline_s(self, request: web.BaseRequest) -> float | None:
        """On the router's clock. Raises MeshError INVALID_DEADLINE."""
        said = request.headers.get(DEADLINE_HEADER)
        if said is None:
            return None
        try:
            left_s = float(said) / 1e3
        except ValueError:
            left_s = math.nan
        if not (0.0 < left_s < math.inf):
            raise MeshError(
                Refusal(
                    Reason.INVALID_DEADLINE,
                    f"the header {DEADLINE_HEADER} must be a positive number of milliseconds, "
                    f"not {short(said, 20)!r}",
                    metadata=(("header", DEADLINE_HEADER),),
                )
            )
        return self._parts.clock.now_s() + left_s


def _said_in_headers(request: web.BaseRequest) -> tuple[dict[str, object], int | None]:
    """Parameters, and the length of the JSON, that stand in headers."""
    parameters: dict[str, object] = {}
    headers = request.headers
    if TENANT_HEADER in headers:
        parameters[TENANT] = headers[TENANT_HEADER]
    if PRIORITY_HEADER in headers:
        parameters[PRIORITY] = _number(PRIORITY_HEADER, headers[PRIORITY_HEADER])
    length = headers.get(JSON_LENGTH_HEADER)
    return parameters, None if length is None else _number(JSON_LENGTH_HEADER, length)


def _number(header: str, text: str) -> int:
    if text.isascii() and text.isdigit() and len(text) < len(str(reading.INT64_MAX)):
        return int(text)
    raise reading.invalid(f"header {header}", f"must be a whole number, not {short(text, 20)!r}")


async def _joined(pieces: Iterator[bytes]) -> bytes:
    """All of them; whoever else has something to do gets a turn now and then."""
    made: list[bytes] = []
    for piece in pieces:
        made.append(piece)
        if len(made) % PIECES_A_TURN == 0:
            await asyncio.sleep(0)
    return b"".join(made)


def server_timing(timing: bytes) -> str:
    """A serialised Timing as the header Server-Timing has it: milliseconds of each part."""
    parts = [
        f"{field.name.removesuffix('_us')};dur={value / 1e3:g}"
        for field, value in Timing.FromString(timing).ListFields()
        if field.name.endswith("_us")
    ]
    return ", ".join(parts)


def _compress(request: web.BaseRequest, response: web.Response, size: int) -> None:
    """As the client wishes, where it pays."""
    if size < COMPRESS_BYTES_MIN:
        return
    said = request.headers.get("Accept-Encoding", "").lower().replace(" ", "")
    wanted = {each.partition(";")[0] for each in said.split(",") if not each.endswith(";q=0")}
    for coding in (web.ContentCoding.gzip, web.ContentCoding.deflate):
        if coding.value in wanted:
            response.enable_compression(coding)
            return
