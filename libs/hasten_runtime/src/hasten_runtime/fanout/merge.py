"""Makes one answer of the answers of many workers. Pure functions; workers come sorted."""

from collections.abc import Sequence
from typing import Final, TypeVar

from google.protobuf.message import Message

from hasten.inference.v2 import inference_pb2 as pb

MessageT = TypeVar("MessageT", bound=Message)
RegionsT = TypeVar(
    "RegionsT", pb.SystemSharedMemoryStatusResponse, pb.CudaSharedMemoryStatusResponse
)
Named = Sequence[tuple[str, MessageT]]
"""(worker, its answer), by worker."""

READY: Final = "READY"
_STATES_BEST_FIRST: Final = (READY, "LOADING", "UNLOADING", "UNAVAILABLE", "")
REASON_WORKERS_MAX: Final = 8
"""Workers named one by one in an index entry's reason."""


def common_extensions(answers: Named[pb.ServerMetadataResponse]) -> list[str]:
    """The extensions that all workers offer, in the first one's order; none without workers."""
    if not answers:
        return []
    common = set.intersection(*(set(answer.extensions) for _, answer in answers))
    return [name for name in answers[0][1].extensions if name in common]


def model_metadata(answers: Named[pb.ModelMetadataResponse]) -> pb.ModelMetadataResponse:
    """The first worker's, with the versions of all of them."""
    merged = pb.ModelMetadataResponse()
    merged.CopyFrom(answers[0][1])
    versions = {version for _, answer in answers for version in answer.versions}
    del merged.versions[:]
    merged.versions.extend(sorted(versions, key=version_order))
    return merged


def model_statistics(answers: Named[pb.ModelStatisticsResponse]) -> pb.ModelStatisticsResponse:
    """Sums over workers, for each model version: counts, times, batches by size, memory."""
    merged: dict[tuple[str, str], pb.ModelStatistics] = {}
    for _, answer in answers:
        for part in answer.model_stats:
            key = (part.name, part.version)
            if key not in merged:
                merged[key] = pb.ModelStatistics(name=part.name, version=part.version)
            _add_statistics(merged[key], part)
    return pb.ModelStatisticsResponse(
        model_stats=[merged[key] for key in sorted(merged, key=_index_order)]
    )


def repository_index(
    answers: Named[pb.RepositoryIndexResponse], *, ready_only: bool
) -> pb.RepositoryIndexResponse:
    """One entry a model version: READY if it is ready anywhere, else its best state.

    An entry that is not alike on all workers says so in its reason, and names them.
    """
    states: dict[tuple[str, str], dict[str, tuple[str, str]]] = {}
    for worker_id, answer in answers:
        for entry in answer.models:
            of_worker = states.setdefault((entry.name, entry.version), {})
            of_worker[worker_id] = (entry.state, entry.reason)
    workers = [worker_id for worker_id, _ in answers]
    merged = pb.RepositoryIndexResponse()
    for name, version in sorted(states, key=_index_order):
        of_worker = states[name, version]
        state = min((state for state, _ in of_worker.values()), key=_state_rank)
        if ready_only and state != READY:
            continue
        merged.models.add(
            name=name, version=version, state=state, reason=_index_reason(state, of_worker, workers)
        )
    return merged


def regions(answers: Named[RegionsT]) -> RegionsT:
    """The shared-memory regions that any worker has registered."""
    merged = type(answers[0][1])()
    for _, answer in answers:
        merged.MergeFrom(answer)
    return merged


def first(answers: Named[MessageT]) -> MessageT:
    """The first worker's answer, where all say the same."""
    return answers[0][1]


def version_order(version: str) -> tuple[int, str]:
    """Sorts versions as the numbers that they are."""
    return (int(version), "") if version.isdecimal() else (-1, version)


def _index_order(key: tuple[str, str]) -> tuple[str, tuple[int, str]]:
    return key[0], version_order(key[1])


def _state_rank(state: str) -> int:
    return (
        _STATES_BEST_FIRST.index(state) if state in _STATES_BEST_FIRST else len(_STATES_BEST_FIRST)
    )


def _index_reason(state: str, of_worker: dict[str, tuple[str, str]], workers: Sequence[str]) -> str:
    alike = [worker_id for worker_id in workers if of_worker.get(worker_id, ("",))[0] == state]
    reasons = {reason for _, reason in of_worker.values() if reason}
    if len(alike) == len(workers):
        return min(reasons, default="")
    others = [
        _difference(worker_id, of_worker.get(worker_id))
        for worker_id in workers
        if worker_id not in alike
    ]
    listed = "; ".join(others[:REASON_WORKERS_MAX])
    more = len(others) - REASON_WORKERS_MAX
    tail = f"; and {more} more" if more > 0 else ""
    return f"{state or 'known'} on {len(alike)} of {len(workers)} workers; {listed}{tail}"


def _difference(worker_id: str, state: tuple[str, str] | None) -> str:
    if state is None:
        return f"{worker_id}: not in its repository"
    described = ": ".join(part for part in state if part)
    return f"{worker_id}: {described or 'not loaded'}"


def _add_statistics(total: pb.ModelStatistics, part: pb.ModelStatistics) -> None:
    total.last_inference = max(total.last_inference, part.last_inference)
    total.inference_count += part.inference_count
    total.execution_count += part.execution_count
    _add_durations(total.inference_stats, part.inference_stats)
    _add_batches(total, part)
    _add_memory(total, part)
    for key, response in part.response_stats.items():
        _add_durations(total.response_stats[key], response)


def _add_durations(total: Message, part: Message) -> None:
    """Adds every StatisticDuration field of two messages of one type."""
    for field, value in part.ListFields():
        if field.message_type is not None:
            target: pb.StatisticDuration = getattr(total, field.name)
            target.count += value.count
            target.ns += value.ns


def _add_batches(total: pb.ModelStatistics, part: pb.ModelStatistics) -> None:
    known = {batch.batch_size: batch for batch in total.batch_stats}
    for batch in part.batch_stats:
        if batch.batch_size in known:
            _add_durations(known[batch.batch_size], batch)
        else:
            total.batch_stats.add().CopyFrom(batch)
    total.batch_stats.sort(key=lambda batch: batch.batch_size)


def _add_memory(total: pb.ModelStatistics, part: pb.ModelStatistics) -> None:
    known = {(usage.type, usage.id): usage for usage in total.memory_usage}
    for usage in part.memory_usage:
        if (usage.type, usage.id) in known:
            known[usage.type, usage.id].byte_size += usage.byte_size
        else:
            total.memory_usage.add().CopyFrom(usage)
