"""What the workers say they have run."""

import asyncio
import time
import urllib.request
from collections.abc import Sequence
from dataclasses import dataclass

import grpc
from prometheus_client.parser import text_string_to_metric_families

from hasten.inference.v2 import inference_pb2
from hasten_runtime.protocol_names import INFERENCE_SERVICE
from hasten_runtime.telemetry_names import METRIC_WORKER_LATE_STARTS
from loadtest.call import OPTIONS, Infer

STATISTICS = f"/{INFERENCE_SERVICE}/ModelStatistics"
ANSWER_S_MAX = 60.0
"""Of a mesh that has just been overloaded."""
AGAIN_S = 0.1
TURNED_AWAY = (
    grpc.StatusCode.CANCELLED,
    grpc.StatusCode.RESOURCE_EXHAUSTED,
    grpc.StatusCode.UNAVAILABLE,
)
"""gRPC's own words for a server that takes no more calls; CANCELLED is one of them."""


@dataclass(frozen=True, slots=True)
class Executed:
    """Work done of one model, over all workers behind the address.

    Attributes:
        rows: Rows run.
        batches: Batches run.
    """

    rows: int
    batches: int


async def executed_of(address: str, model: str) -> Executed:
    """Asks what was run of `model`."""
    stats = await statistics_of(address, model)
    return Executed(
        rows=sum(entry.inference_count for entry in stats),
        batches=sum(entry.execution_count for entry in stats),
    )


async def statistics_of(address: str, model: str) -> list[inference_pb2.ModelStatistics]:
    """Asks for the cumulative statistics of `model`, version by version."""
    async with grpc.aio.insecure_channel(address, options=OPTIONS) as channel:
        ask: Infer = channel.unary_unary(STATISTICS)
        question = inference_pb2.ModelStatisticsRequest(name=model).SerializeToString()
        reply = await _patiently(ask, question)
    return list(inference_pb2.ModelStatisticsResponse.FromString(reply).model_stats)


async def _patiently(ask: Infer, question: bytes) -> bytes:
    """Asks again where too many calls still wait in front of this one."""
    ends_s = time.monotonic() + ANSWER_S_MAX
    while True:
        try:
            return await ask(question, timeout=ANSWER_S_MAX)
        except grpc.aio.AioRpcError as error:
            if error.code() not in TURNED_AWAY or time.monotonic() > ends_s:
                raise
        await asyncio.sleep(AGAIN_S)


def late_starts(metrics: Sequence[str]) -> int:
    """Calls whose batch began after their deadline, over the workers with these metrics."""
    total = 0.0
    for address in metrics:
        with urllib.request.urlopen(f"http://{address}/metrics", timeout=ANSWER_S_MAX) as answer:
            text = answer.read().decode()
        total += sum(
            sample.value
            for family in text_string_to_metric_families(text)
            for sample in family.samples
            if sample.name == METRIC_WORKER_LATE_STARTS
        )
    return int(total)
