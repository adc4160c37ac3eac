"""What the workers say they have run."""

import urllib.request
from collections.abc import Sequence
from dataclasses import dataclass

import grpc
from prometheus_client.parser import text_string_to_metric_families

from hasten.inference.v2 import inference_pb2
from hasten_runtime.telemetry_names import METRIC_WORKER_LATE_STARTS
from loadtest.call import OPTIONS, Infer

STATISTICS = "/inference.GRPCInferenceService/ModelStatistics"
ANSWER_S_MAX = 60.0
"""Of a mesh that has just been overloaded."""


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
    """Asks for the cumulative statistics of `model`."""
    async with grpc.aio.insecure_channel(address, options=OPTIONS) as channel:
        ask: Infer = channel.unary_unary(STATISTICS)
        question = inference_pb2.ModelStatisticsRequest(name=model).SerializeToString()
        reply = await ask(question, timeout=ANSWER_S_MAX)
    stats = inference_pb2.ModelStatisticsResponse.FromString(reply).model_stats
    return Executed(
        rows=sum(entry.inference_count for entry in stats),
        batches=sum(entry.execution_count for entry in stats),
    )


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
