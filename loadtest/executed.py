"""What the workers say they have run."""

from dataclasses import dataclass

import grpc

from hasten.inference.v2 import inference_pb2
from loadtest.call import OPTIONS, Infer

STATISTICS = "/inference.GRPCInferenceService/ModelStatistics"


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
        reply = await ask(question, timeout=5)
    stats = inference_pb2.ModelStatisticsResponse.FromString(reply).model_stats
    return Executed(
        rows=sum(entry.inference_count for entry in stats),
        batches=sum(entry.execution_count for entry in stats),
    )
