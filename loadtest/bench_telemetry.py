"""What tracing costs per RPC: off, at 1 %, at 100 %, paired in one process.

python -m loadtest.bench_telemetry [--calls 60] [--rounds 200]

One client and one server for each way, over loopback; rounds are short and take turns, each time
from another way on, so that a noisy machine disturbs all ways alike. Figures are medians over the
rounds of a round's mean; "added" is the median of the differences to "off" in the same round. CPU
is that of client and server together. "server" is the router's hot path (its clients are not
ours, and calls to workers carry their context in messages); "both" is an RPC between two
services, which is two hops. "nothing, intercepted" is what gRPC takes for any client interceptor,
even one that does nothing: why the channel is wrapped instead.
"""

import argparse
import asyncio
import statistics
import time
from collections.abc import Awaitable, Callable, Sequence
from contextlib import AsyncExitStack
from typing import TYPE_CHECKING, Any

import grpc
from opentelemetry.sdk.trace import ReadableSpan
from opentelemetry.sdk.trace.export import BatchSpanProcessor, SpanExporter, SpanExportResult

from hasten_runtime import grpc_client, grpc_server, telemetry
from hasten_runtime.protocol_names import MODEL_INFER
from hasten_runtime.telemetry import Telemetry

if TYPE_CHECKING:
    from hasten_runtime.handlers import Handler

PAYLOAD = b"x" * 64

Stub = grpc.aio.UnaryUnaryMultiCallable[bytes, bytes]


class Nowhere(SpanExporter):
    """Takes spans as an exporter would and forgets them."""

    def export(self, spans: Sequence[ReadableSpan]) -> SpanExportResult:
        """Drops the spans."""
        del spans
        return SpanExportResult.SUCCESS


class Idle(grpc.aio.UnaryUnaryClientInterceptor):
    """Does nothing: what gRPC itself takes for being intercepted at the client."""

    async def intercept_unary_unary(
        self,
        continuation: Callable[[grpc.aio.ClientCallDetails, Any], Awaitable[Any]],
        client_call_details: grpc.aio.ClientCallDetails,
        request: Any,  # noqa: ANN401  (any message)
    ) -> Any:  # noqa: ANN401  (the call as it is)
        """Makes the call as it is."""
        return await continuation(client_call_details, request)


def tracing(rate: float | None) -> Telemetry:
    """Telemetry at this sampling rate; None for off."""
    if rate is None:
        return Telemetry()
    return telemetry.start(
        "bench",
        environ={"OTEL_TRACES_SAMPLER_ARG": str(rate)},
        processors=[BatchSpanProcessor(Nowhere())],
    )


async def answer(request: bytes, _: object) -> bytes:
    """Echoes."""
    return request


def channel_to(address: str, chosen: Telemetry, *, client: bool) -> grpc.aio.Channel:
    """Traced or untraced as asked; with an idle interceptor where tracing is off but asked for."""
    if client and not chosen.enabled:
        options = grpc_client.channel_options(grpc_client.ChannelLimits())
        return grpc.aio.insecure_channel(address, options=options, interceptors=[Idle()])
    return grpc_client.make_channel(address, traces=chosen if client else None)


async def opened(stack: AsyncExitStack, chosen: Telemetry, *, client: bool) -> grpc.aio.Channel:
    """A channel to an echo server of its own; the server is traced, the channel if asked."""
    server = grpc_server.make_server(interceptors=chosen.server_interceptors())
    service, _, name = MODEL_INFER[1:].partition("/")
    handler: Handler = grpc.unary_unary_rpc_method_handler(answer)
    server.add_generic_rpc_handlers(
        (grpc.method_handlers_generic_handler(service, {name: handler}),)
    )
    address = grpc_server.bind(server, "127.0.0.1:0")
    await server.start()
    stack.push_async_callback(server.stop, 0)
    return await stack.enter_async_context(channel_to(address, chosen, client=client))


async def one_round(call: Stub, calls: int) -> tuple[float, float]:
    """CPU and wall seconds per call."""
    cpu_s, wall_s = time.process_time(), time.perf_counter()
    for _ in range(calls):
        await call(PAYLOAD)
    return (time.process_time() - cpu_s) / calls, (time.perf_counter() - wall_s) / calls


async def measure(calls: int, rounds: int) -> None:
    """Measures and prints."""
    ways = {
        "off": (None, False),
        "nothing, intercepted": (None, True),
        "server 1 %": (0.01, False),
        "server 100 %": (1.0, False),
        "both 1 %": (0.01, True),
        "both 100 %": (1.0, True),
    }
    taken: dict[str, list[tuple[float, float]]] = {name: [] for name in ways}
    async with AsyncExitStack() as stack:
        channels = {
            name: await opened(stack, tracing(rate), client=client)
            for name, (rate, client) in ways.items()
        }
        stubs: dict[str, Stub] = {
            name: channel.unary_unary(MODEL_INFER) for name, channel in channels.items()
        }
        for number in range(rounds + 1):
            first = number % len(ways)
            for name in (*ways, *ways)[first : first + len(ways)]:
                figures = await one_round(stubs[name], calls)
                if number:  # The first round warms up.
                    taken[name].append(figures)
    print(f"{'tracing':<22}{'CPU µs':>10}{'added':>8}{'wall µs':>10}{'added':>8}")
    for name, rows in taken.items():
        cells = ""
        for column in (0, 1):
            mine = [row[column] * 1e6 for row in rows]
            added = [
                a[column] * 1e6 - b[column] * 1e6 for a, b in zip(rows, taken["off"], strict=True)
            ]
            cells += f"{statistics.median(mine):>10.1f}{statistics.median(added):>8.1f}"
        print(f"{name:<22}{cells}")


def main() -> None:
    """Reads the arguments and runs."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("--calls", type=int, default=60, help="calls a round")
    parser.add_argument("--rounds", type=int, default=200, help="rounds of each way")
    arguments = parser.parse_args()
    asyncio.run(measure(arguments.calls, arguments.rounds))


if __name__ == "__main__":
    main()
