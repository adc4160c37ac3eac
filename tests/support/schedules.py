"""Schedules at make-believe schedulers in virtual time: one that serves callers, and its store."""

import asyncio
from collections.abc import Awaitable, Callable, Sequence
from contextlib import suppress
from typing import Any

import pytest
from prometheus_client import CollectorRegistry

from hasten.inference.v2 import inference_pb2 as infer_pb
from hasten.scheduler.v1 import schedule_service_pb2 as pb
from hasten_policy.reasons import Reason, Refusal
from hasten_policy.scheduler.jobs.periods.reserving import Misfit, Reservation
from hasten_policy.scheduler.policy import OrderPolicy
from hasten_runtime.clock import SystemClock
from hasten_runtime.errors import MeshError
from hasten_runtime.tasks.port import Limits, TaskRecord
from hasten_scheduler.accepting import AcceptLimits, Acceptor
from hasten_scheduler.ended import ShardEnds
from hasten_scheduler.feed import ShardFeed
from hasten_scheduler.finding import Finder
from hasten_scheduler.intake import ShardDoor
from hasten_scheduler.jobs.tasks import JobTasks
from hasten_scheduler.metrics import SchedulerMetrics
from hasten_scheduler.schedules.kind import ScheduleKind
from hasten_scheduler.schedules.known import KnownSchedules, Told
from hasten_scheduler.schedules.servicer import ScheduleServicer
from hasten_scheduler.submitting import Submitter
from tests.support.jobs import JobWorld, request_bytes

SECOND = 1_000_000
ANY: Any = None


class Observer:
    def turns(self, outcome: str, count: int) -> None:
        assert outcome
        assert count > 0


class Workers:
    """Those that reserve nothing more than `most` schedules."""

    def __init__(self) -> None:
        self.most = 1
        self.asked: list[tuple[str, ...]] = []

    def misfits(self, wanted: Reservation, others: Sequence[Reservation]) -> tuple[Misfit, ...]:
        self.asked.append(tuple(other.name for other in others))
        if len(others) < self.most:
            return ()
        return (Misfit(wanted.name, "response 7 ms, deadline 5 ms"),)


class Station:
    """A store of jobs and tasks, with whoever serves callers."""

    def __init__(self, *, shards: int = 2) -> None:
        self.world = JobWorld(self.answer, shards=shards)
        self.workers = Workers()
        self.reserved: list[tuple[Reservation, ...]] = []
        self.due: dict[str, int] = {}
        self.times: list[str] = []
        self.fails = False
        limits = AcceptLimits(request_bytes_max=100_000, shards=shards)
        acceptor = Acceptor(limits, OrderPolicy(), self.refuses)
        told = Told(self.reserved.append, self.due.update)
        self.known = KnownSchedules(self.world.desk, self.workers, told, SystemClock())
        doors = [
            ShardDoor(shard, queue, Limits(), pending_max=100)
            for shard, queue in enumerate(self.world.queues)
        ]
        counts = SchedulerMetrics(CollectorRegistry())
        ends = [ShardEnds(door, ShardFeed(door.queue)) for door in doors]
        submitter = Submitter(acceptor, self.world.payloads, Finder(doors), ends, counts)
        tasks = JobTasks(submitter, Finder(doors))
        self.callers = ScheduleServicer(acceptor, self.world.desk, self.known, tasks)
        self.kinds = lambda _: [ScheduleKind(Observer())]

    def answer(self, record: TaskRecord, _: infer_pb.ModelInferRequest) -> bytes | Refusal:
        self.times.append(record.task_id)
        return Refusal(Reason.MODEL_FAILED, "as wished") if self.fails else b"answer"

    @staticmethod
    def refuses(model: str, version: str) -> Refusal | None:
        del version
        return Refusal(Reason.MODEL_NOT_FOUND, "no such") if model == "none" else None

    async def create(self, name: str = "cam", **spec: Any) -> pb.CreateScheduleResponse:
        values = {"period_us": 10 * SECOND, "request": request_bytes(), **spec}
        request = pb.CreateScheduleRequest(
            name=pb.ScheduleName(name=name, tenant="line"), spec=pb.ScheduleSpec(**values)
        )
        return await self.callers.CreateSchedule(request, ANY)

    async def get(self, name: str = "cam") -> pb.Schedule:
        request = pb.GetScheduleRequest(name=pb.ScheduleName(name=name, tenant="line"))
        return (await self.callers.GetSchedule(request, ANY)).schedule

    def set_available(self, *, available: bool) -> None:
        for queue in self.world.queues:
            queue.available = available
        for store in self.world.stores:
            store.available = available
        self.world.working = available

    def once(self) -> bool:
        return all(count == 1 for count in self.world.runs.values())

    async def task_of(self, request_id: str) -> TaskRecord:
        for queue in self.world.queues:
            (found,) = await queue.records([f"line/{request_id}"])
            if found is not None:
                return found
        raise AssertionError(request_id)


def named(name: str = "cam") -> pb.ScheduleName:
    return pb.ScheduleName(name=name, tenant="line")


async def pass_s(seconds: float) -> None:
    """Virtual time passes."""
    with suppress(TimeoutError):
        async with asyncio.timeout(seconds):
            await asyncio.Event().wait()


async def refused(call: Callable[[], Awaitable[Any]]) -> Refusal:
    with pytest.raises(MeshError) as error:
        await call()
    return error.value.refusal
