"""Clients of a mesh that breaks: they submit, look, repeat what is unknown, and note it all."""

import asyncio
import hashlib
import random
from collections import Counter
from collections.abc import Sequence
from typing import TYPE_CHECKING, Final

import grpc
import numpy as np

from hasten.inference.v2 import inference_pb2
from hasten.scheduler.v1 import scheduler_service_pb2 as pb
from hasten.scheduler.v1.scheduler_service_pb2_grpc import TaskServiceStub
from loadtest.call import OPTIONS, serialised
from loadtest.task_history import Executed, History, Reply, Seen, Sighting, Submitted

if TYPE_CHECKING:
    from hasten.scheduler.v1.scheduler_service_pb2_grpc import TaskServiceAsyncStub

CALL_S_MAX: Final = 2.0
PAUSE_S: Final = (0.02, 0.2)
"""Between two tries."""
OTHER_CONTENT: Final = 0.02
"""Share of ids that somebody else takes, or tries to take, for other content."""
BATCH: Final = 16
"""Tasks of one stream."""
BATCHED: Final = 0.5
"""Share of tasks that are submitted by streams."""
AGAIN: Final = 10
"""One of so many tasks is looked at again after it was seen to have ended."""
STILL_RUNNING_S: Final = 30.0
"""Longest that a task is still waited for that runs when the time is over."""
ATTEMPTS_MAX: Final = 50
"""Workers die all the time here: a task that they killed is no bad task."""

# gRPC repeats nothing by itself: what was unknown to the client would look like one call.
NO_RETRIES: Final = [*OPTIONS, ("grpc.enable_retries", 0)]
NOTHING_DONE: Final = {
    grpc.StatusCode.ALREADY_EXISTS,
    grpc.StatusCode.INVALID_ARGUMENT,
    grpc.StatusCode.NOT_FOUND,
    grpc.StatusCode.RESOURCE_EXHAUSTED,
    grpc.StatusCode.FAILED_PRECONDITION,
}
SEEN: Final = {
    pb.TASK_STATE_WAITING: Seen.WAITING,
    pb.TASK_STATE_LATER: Seen.WAITING,
    pb.TASK_STATE_RUNNING: Seen.RUNNING,
    pb.TASK_STATE_DONE: Seen.DONE,
    pb.TASK_STATE_FAILED: Seen.FAILED,
    pb.TASK_STATE_DEAD: Seen.FAILED,
    pb.TASK_STATE_CANCELLED: Seen.FAILED,
}


class Clients:
    """All clients of one run.

    Args:
        schedulers: Their addresses.
        model: What the tasks ask; it echoes INPUT as OUTPUT.
        seed: For all choices.

    Attributes:
        history: What they saw.
        ids: Of the tasks that were accepted.
        errors: Calls that failed, by status.
    """

    def __init__(self, schedulers: Sequence[str], model: str, seed: int) -> None:
        self.history = History()
        self.ids: list[str] = []
        self.errors: Counter[str] = Counter()
        self._model = model
        self._runs: dict[str, int] = {}
        self._chance = random.Random(seed)
        self._channels = [grpc.aio.insecure_channel(a, options=NO_RETRIES) for a in schedulers]
        self._stubs: list[TaskServiceAsyncStub] = [TaskServiceStub(c) for c in self._channels]

    async def close(self) -> None:
        """Closes the channels."""
        for channel in self._channels:
            await channel.close()

    async def submit_all(self, tasks: int, over_s: float, callers: int) -> None:
        """Submits so many tasks from so many callers, evenly over the time."""
        await asyncio.gather(
            *(self._submit_share(number, tasks, over_s, callers) for number in range(callers))
        )

    async def _submit_share(self, caller: int, tasks: int, over_s: float, callers: int) -> None:
        loop = asyncio.get_running_loop()
        began_s = loop.time()
        mine = list(range(caller, tasks, callers))
        done = 0
        while done < len(mine):
            await asyncio.sleep(max(0.0, began_s + over_s * done / len(mine) - loop.time()))
            if self._chance.random() < BATCHED / BATCH:
                numbers = mine[done : done + BATCH]
                await self._submit_many([self._task(number) for number in numbers])
            else:
                numbers = mine[done : done + 1]
                await self._submit(self._task(numbers[0]))
            done += len(numbers)

    def _task(self, number: int) -> pb.NewTask:
        return self._new(f"task-{number}", float(number))

    def _new(self, request_id: str, value: float) -> pb.NewTask:
        request = serialised(self._model, "INPUT", np.full((1, 4), value, np.float32))
        return pb.NewTask(request_id=request_id, request=request, attempts_max=ATTEMPTS_MAX)

    async def _submit(self, task: pb.NewTask) -> None:
        """Until it is known to be accepted."""
        while await self._submit_once(task) is not Reply.OK:
            await self._pause()
        self.ids.append(task.request_id)
        if self._chance.random() < OTHER_CONTENT:
            await self._submit_once(self._new(task.request_id, -1.0))

    async def _submit_once(self, task: pb.NewTask) -> Reply:
        reply = Reply.OK
        try:
            await self._stub().SubmitTask(pb.SubmitTaskRequest(task=task), timeout=CALL_S_MAX)
        except grpc.aio.AioRpcError as error:
            reply = self._reply_of(error)
        self._note(task, reply)
        return reply

    async def _submit_many(self, tasks: list[pb.NewTask]) -> None:
        """By a stream; what has no outcome after a break is sent again."""
        left = tasks
        while left:
            outcomes: list[pb.SubmitOutcome] = []
            request = pb.SubmitTasksRequest(tasks=left)
            try:
                stream = self._stub().SubmitTasks(iter([request]), timeout=CALL_S_MAX)
                async for response in stream:
                    outcomes += response.outcomes
            except grpc.aio.AioRpcError as error:
                self._reply_of(error)
            again = left[len(outcomes) :]
            for task in again:
                self._note(task, Reply.UNKNOWN)
            for task, outcome in zip(left, outcomes, strict=False):
                reply = self._reply_to(outcome)
                self._note(task, reply)
                if reply is Reply.OK:
                    self.ids.append(task.request_id)
                else:
                    again.append(task)
            left = again
            if left:
                await self._pause()

    def _reply_to(self, outcome: pb.SubmitOutcome) -> Reply:
        if not outcome.HasField("failure"):
            return Reply.OK
        self.errors[f"outcome {outcome.failure.reason}"] += 1
        return Reply.UNKNOWN

    def _note(self, task: pb.NewTask, reply: Reply) -> None:
        self.history.submitted.append(
            Submitted(task.request_id, digest(task.request), reply),
        )

    async def look_around(self, until: asyncio.Event) -> None:
        """Looks at tasks by chance until told to end."""
        while not until.is_set():
            if self.ids:
                await self.look(self._chance.choice(self.ids))
            await self._pause()

    async def look(self, request_id: str) -> Seen | None:
        """What a task is now; None when nobody answers."""
        loop = asyncio.get_running_loop()
        asked_s = loop.time()
        request = pb.GetTaskRequest(name=pb.TaskName(request_id=request_id))
        try:
            reply = await self._stub().GetTask(request, timeout=CALL_S_MAX)
        except grpc.aio.AioRpcError as error:
            if error.code() is not grpc.StatusCode.NOT_FOUND:
                self._reply_of(error)
                return None
            sighting = Sighting(request_id, Seen.MISSING, "", "", asked_s, loop.time())
        else:
            sighting = self._sighting(request_id, reply.task, asked_s, loop.time())
        self.history.sightings.append(sighting)
        return sighting.seen

    def _sighting(self, request_id: str, task: pb.Task, asked_s: float, told_s: float) -> Sighting:
        seen = SEEN[task.state]
        self._runs[request_id] = task.runs
        evidence = content = ""
        if seen is Seen.DONE:
            # A second result would have ended at another moment after the task was accepted.
            took_ms = round((task.age_us - task.ended_us) / 1000)
            evidence = f"{digest(task.response)} after {took_ms} ms and {task.runs} runs"
            content = self._content_of(task.response)
        elif seen is Seen.FAILED:
            evidence = task.failure.reason
        return Sighting(request_id, seen, evidence, content, asked_s, told_s)

    def _content_of(self, response: bytes) -> str:
        """Of the request that this answers: the model gives back what it got."""
        (raw,) = inference_pb2.ModelInferResponse.FromString(response).raw_output_contents
        value = float(np.frombuffer(raw, np.float32)[0])
        return digest(serialised(self._model, "INPUT", np.full((1, 4), value, np.float32)))

    async def wait_for_all(self, ends_s: float) -> None:
        """Looks at each task until it has ended or the time is over; at some once more, later."""
        loop = asyncio.get_running_loop()
        left = list(dict.fromkeys(self.ids))
        again = self._chance.sample(left, len(left) // AGAIN)
        while left and loop.time() < ends_s:
            left = [task_id for task_id, seen in await self._looks(left) if not _ended(seen)]
            if left:
                await self._pause()
        await self._looks(again, certain=True)
        await self._look_until_still(left)
        # What a worker ran is not more than what was given to one.
        for task_id, runs in self._runs.items():
            self.history.executed += [Executed(task_id)] * runs

    async def _look_until_still(self, left: list[str]) -> None:
        """Looks at tasks once more, and at those that run until they do not: on a busy machine the
        time can be over while work goes on, but one that stays so for long is run by nobody.
        """
        loop = asyncio.get_running_loop()
        ends_s = loop.time() + STILL_RUNNING_S
        while left:
            seen = await self._looks(left, certain=True)
            left = [task_id for task_id, state in seen if state is Seen.RUNNING]
            if loop.time() > ends_s:
                break
            await self._pause()

    async def _looks(
        self, ids: list[str], *, certain: bool = False
    ) -> list[tuple[str, Seen | None]]:
        """Looks at many, some at a time."""
        room = asyncio.Semaphore(16)

        async def one(task_id: str) -> tuple[str, Seen | None]:
            async with room:
                seen = await self.look(task_id)
                while certain and seen is None:
                    await self._pause()
                    seen = await self.look(task_id)
                return task_id, seen

        return await asyncio.gather(*(one(task_id) for task_id in ids))

    def _stub(self) -> "TaskServiceAsyncStub":
        return self._chance.choice(self._stubs)

    def _reply_of(self, error: grpc.aio.AioRpcError) -> Reply:
        self.errors[error.code().name] += 1
        return Reply.REFUSED if error.code() in NOTHING_DONE else Reply.UNKNOWN

    async def _pause(self) -> None:
        await asyncio.sleep(self._chance.uniform(*PAUSE_S))


def digest(content: bytes) -> str:
    """Tells contents apart."""
    return hashlib.blake2b(content, digest_size=8).hexdigest()


def _ended(seen: Seen | None) -> bool:
    return seen is not None and seen.final
