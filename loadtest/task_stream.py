"""Submits many tasks of one kind, whatever the store's moments."""

import asyncio
from typing import TYPE_CHECKING, Final

from hasten.scheduler.v1 import scheduler_service_pb2 as pb

if TYPE_CHECKING:
    from hasten.scheduler.v1.scheduler_service_pb2_grpc import TaskServiceAsyncStub

AT_ONCE: Final = 256
"""Tasks of one message."""
AGAIN_S: Final = 0.2


async def submit_all(stub: "TaskServiceAsyncStub", tasks: list[pb.NewTask]) -> None:
    """Until all are taken: a busy disk may keep the store from answering for a moment."""
    while tasks:
        messages = [
            pb.SubmitTasksRequest(tasks=tasks[at : at + AT_ONCE])
            for at in range(0, len(tasks), AT_ONCE)
        ]
        outcomes: list[pb.SubmitOutcome] = []
        async for response in stub.SubmitTasks(iter(messages)):
            outcomes += response.outcomes
        told = zip(tasks, outcomes, strict=True)
        tasks = [task for task, outcome in told if outcome.HasField("failure")]
        if tasks:
            await asyncio.sleep(AGAIN_S)
