"""Records of tasks as they lie in Redis. `common.lua` says how they are laid out."""

import math
import struct
from typing import Final

from hasten_runtime.redis_store.queue.lanes import lane_from_bytes
from hasten_runtime.tasks.port import NewTask, State, TaskRecord

DIGEST_BYTES: Final = 16
MS: Final = 1000.0
_VERSION: Final = 1
_ALONE: Final = 1
_HEAD: Final = struct.Struct("<BBBHHddddddIIHHH")
# What Redis has no need of: attempts_max, rows, elements, key_max, bytes of the key; then the key.
_BODY: Final = struct.Struct("<HIQIH")
# Factor and offset of the place, ms left, ms to the start, ms to keep, bytes of body and payload.
_FACTS: Final = struct.Struct("<dddddII")
_STATES: Final = {state.value: state for state in State}


def new_task_to_args(task: NewTask) -> tuple[bytes, bytes, bytes]:
    """A task as `enqueue.lua` takes it: its id, facts but for the number of its lane, and body with
    payload. Raises ValueError for what no record has room for.
    """
    if len(task.digest) != DIGEST_BYTES:
        raise ValueError(f"a digest has {DIGEST_BYTES} bytes")
    if not task.task_id.isprintable() or not task.task_id:
        raise ValueError("a task's id is printable and not empty")
    key = task.key.encode()
    try:
        body = (
            _BODY.pack(task.attempts_max, task.rows, task.elements, task.key_max, len(key))
            + key
            + task.about
        )
        facts = _FACTS.pack(
            task.place.now_factor,
            task.place.offset,
            task.left_s * MS,
            task.start_in_s * MS,
            task.keep_s * MS,
            len(body),
            len(task.payload),
        )
    except struct.error as error:
        raise ValueError(f"task {task.task_id}: {error}") from error
    return task.task_id.encode(), facts + task.digest, body + task.payload


def record_from_bytes(
    task_id: str, record: bytes, now_ms: int, *, running: bool = False
) -> TaskRecord:
    """A record, or the part of one before its payload. Raises ValueError when it cannot be read.

    Args:
        task_id: The task.
        record: As it lies in Redis.
        now_ms: The server's time at which it was read.
        running: It stands among those that run.
    """
    try:
        head = _HEAD.unpack_from(record)
        if head[0] != _VERSION:
            raise ValueError(f"a record of version {head[0]}")
        found = _record(task_id, record, head, now_ms)
    except (struct.error, KeyError, IndexError) as error:
        raise ValueError(f"no record of a task: {error}") from error
    if running:
        found.state = State.RUNNING
        found.runs += 1
    return found


def _record(task_id: str, record: bytes, head: tuple[float, ...], now_ms: int) -> TaskRecord:
    _, state_value, flags, attempts, runs, submitted, deadline, due = head[:8]
    body_bytes, payload_bytes, lane_bytes, attempt_bytes, deaths_bytes = map(int, head[11:])
    lane_at = _HEAD.size + DIGEST_BYTES
    deaths_at = lane_at + lane_bytes + attempt_bytes
    body_at = deaths_at + deaths_bytes
    payload_at = body_at + body_bytes
    if len(record) < payload_at:
        raise ValueError("a record is cut off")
    attempts_max, rows, elements, key_max, key_bytes = _BODY.unpack_from(record, body_at)
    key_at = body_at + _BODY.size
    about_at = key_at + key_bytes
    result_at = payload_at + payload_bytes
    state = _STATES[int(state_value)]
    return TaskRecord(
        task_id=task_id,
        state=state,
        lane=lane_from_bytes(record[lane_at : lane_at + lane_bytes]),
        # In whole milliseconds, as the deadline is: so the two add up to what was said at first.
        age_s=(now_ms - math.floor(submitted)) / MS,
        left_s=(deadline - now_ms) / MS if deadline != math.inf else math.inf,
        start_in_s=max(0.0, (due - now_ms) / MS) if state is State.LATER else 0.0,
        ended_s=(now_ms - due) / MS if state.ended else -1.0,
        attempts=int(attempts),
        attempts_max=attempts_max,
        rows=rows,
        elements=elements,
        deaths=tuple(record[deaths_at:body_at].decode().splitlines()) if deaths_bytes else (),
        alone=bool(int(flags) & _ALONE),
        key=record[key_at:about_at].decode(),
        key_max=key_max,
        runs=int(runs),
        about=record[about_at:payload_at],
        payload=record[payload_at:result_at],
        result=record[result_at:],
    )
