"""A task as it is put into a queue by those who measure the queue alone."""

from hasten_policy.scheduler.tasks import Lane
from hasten_runtime.tasks.port import NewTask, Place


def stored_task(
    task_id: str, lane: Lane, place: Place, *, left_s: float, keep_s: float, payload: bytes
) -> NewTask:
    """One of a row, at once due to run.

    Args:
        task_id: Its name, which is its content too.
        lane: Where it waits.
        place: Its place there.
        left_s: Seconds until its deadline.
        keep_s: Seconds for which its result is kept.
        payload: The request.
    """
    return NewTask(
        task_id=task_id,
        digest=task_id.encode().rjust(16)[-16:],
        lane=lane,
        place=place,
        left_s=left_s,
        start_in_s=0.0,
        keep_s=keep_s,
        attempts_max=3,
        rows=1,
        elements=4,
        key="",
        key_max=1,
        about=b"",
        payload=payload,
    )
