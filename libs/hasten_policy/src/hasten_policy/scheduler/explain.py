"""Why a task does not run yet, and what must happen first: for people. Looking changes nothing."""

from dataclasses import dataclass
from typing import TYPE_CHECKING

from hasten_policy.scheduler.lanes import LaneWindow
from hasten_policy.scheduler.state import SchedulerState
from hasten_policy.scheduler.tasks import Lane, TaskHead

if TYPE_CHECKING:
    from hasten_policy.fleet.workers import ModelEntry


@dataclass(frozen=True, slots=True)
class Hurdle:
    """One thing that keeps a task from running.

    Attributes:
        name: not_owned, paused, no_worker, workers_full, calls_wait, calls_refused, tenant_limit,
            tenant_share, key_busy, alone or behind_others.
        message: What must happen first, one sentence.
    """

    name: str
    message: str


@dataclass(frozen=True, slots=True)
class Explanation:
    """Where a task is, as its owner knows it.

    Attributes:
        standing: waiting, claimed (its worker is chosen, the store has not answered yet) or
            running.
        worker_id: Its worker; "" while it waits.
        ahead: Tasks known before it in its lane; negative for a task that is not among those known.
        waiting: Tasks that wait in its lane, about.
        hurdles: What must happen first, the plainest first; empty for a task that is next.
    """

    standing: str
    worker_id: str
    ahead: int
    waiting: int
    hurdles: tuple[Hurdle, ...] = ()


@dataclass(frozen=True, slots=True)
class SchedulerCounts:
    """What metrics tell of a machine.

    Attributes:
        shards: That it owns.
        lanes: In which tasks wait.
        known: Waiting tasks that it knows.
        claiming: Attempts that the store has not claimed yet.
        running: Attempts at workers.
        gates_shut: Workers that get no tasks, as calls wait there.
    """

    shards: int
    lanes: int
    known: int
    claiming: int
    running: int
    gates_shut: int


def counts_of(state: SchedulerState) -> SchedulerCounts:
    """The counts now."""
    lanes = [lane for shard in state.shards.values() for lane in shard.lanes.values()]
    claiming = sum(not attempt.claimed for attempt in state.attempts.open.values())
    return SchedulerCounts(
        shards=len(state.shards),
        lanes=len(lanes),
        known=sum(lane.known for lane in lanes),
        claiming=claiming,
        running=len(state.attempts.open) - claiming,
        gates_shut=state.slack.shut,
    )


def explain(
    state: SchedulerState, number: int, name: Lane, task_id: str, now_s: float
) -> Explanation:
    """Why a task of a lane of a shard does not run yet."""
    shard = state.shards.get(number)
    if shard is None:
        hurdle = Hurdle("not_owned", f"another scheduler owns shard {number}: ask that one")
        return Explanation("waiting", "", -1, 0, (hurdle,))
    attempt = shard.running.get(task_id)
    if attempt is not None:
        worker_id = attempt.entry.worker.worker_id if attempt.entry is not None else ""
        return Explanation("running" if attempt.sent else "claimed", worker_id, 0, 0)
    lane = shard.lanes.get(name)
    parked = [head for those in lane.parked.values() for head in those] if lane else []
    known = sorted((*lane.heads, *parked), key=lambda head: head.place) if lane else []
    ahead = next((at for at, head in enumerate(known) if head.task_id == task_id), -1)
    head = known[ahead] if ahead >= 0 else None
    hurdles = [
        *_of_lane(state, name),
        *_of_workers(state, name, now_s),
        *(_of_tenant(state, lane) if lane else ()),
        *(_of_task(state, lane, head) if lane and head else ()),
    ]
    if ahead:
        before = f"{ahead} tasks" if ahead > 0 else f"more than {len(known)} tasks, or all of them,"
        hurdles.append(Hurdle("behind_others", f"{before} of its lane go first"))
    return Explanation("waiting", "", ahead, lane.waiting if lane else 0, tuple(hurdles))


def _of_lane(state: SchedulerState, name: Lane) -> list[Hurdle]:
    if not state.is_paused(name):
        return []
    message = f"its queue (tenant {name.tenant!r}, model {name.model!r}) must be resumed"
    return [Hurdle("paused", message)]


def _of_workers(state: SchedulerState, name: Lane, now_s: float) -> list[Hurdle]:
    view = state.fleet.registry.views.get(name.model)
    entries: list[ModelEntry] = view.open if view is not None else []
    if not entries:
        return [Hurdle("no_worker", f"a worker must serve {name.model!r} and take new work")]
    workers = [entry.worker for entry in entries]
    roomy = [worker for worker in workers if worker.worker_id in state.roomy]
    if any(not state.is_quiet(worker, now_s) for worker in roomy):
        return []
    if roomy:
        what = f"{len(roomy)} workers with room have been silent for longer than their tasks take"
        return [Hurdle("workers_quiet", f"{what}: one must say something")]
    shut = [worker for worker in workers if state.slack.is_shut(worker)]
    if len(shut) == len(workers):
        most_s = max(state.slack.calls_s(worker, now_s) for worker in shut)
        message = f"calls of {most_s * 1e3:.1f} ms at most wait at its {len(shut)} workers"
        return [Hurdle("calls_wait", f"{message}: they go first")]
    slowed = [worker for worker in workers if state.slack.is_slowed(worker, now_s)]
    if slowed and len(slowed) + len(shut) == len(workers):
        message = "routers refuse calls of its workers for want of time"
        return [Hurdle("calls_refused", f"{message}: tasks go there at a slower pace")]
    return [Hurdle("workers_full", f"one of its {len(workers)} workers must end a task")]


def _of_tenant(state: SchedulerState, lane: LaneWindow) -> list[Hurdle]:
    tenant = lane.tenant
    if not tenant.may_run:
        message = f"one of the {tenant.running} running tasks of its tenant must end"
        return [Hurdle("tenant_limit", message)]
    over_s = state.tenants.ahead_s(tenant)
    if over_s > 0.0:
        message = f"its tenant has had {over_s * 1e3:.0f} ms of service more than its share"
        return [Hurdle("tenant_share", f"{message}: others go first")]
    return []


def _of_task(state: SchedulerState, lane: LaneWindow, head: TaskHead) -> list[Hurdle]:
    if head.key and state.keys.busy(lane, head):
        message = f"one of the running tasks with its key must end: {head.key_max} run at once"
        return [Hurdle("key_busy", message)]
    view = state.view(lane.desk)
    barred = [
        entry
        for entry in (view.open if view is not None else [])
        if state.reservations.bars(entry, head.rows, head.elements)
    ]
    if not head.reserved and view is not None and barred and len(barred) == len(view.open):
        message = f"hard schedules have reserved each of its {len(barred)} workers"
        return [
            Hurdle("reserved", f"{message}: its run must be shorter, or one of them end a task")
        ]
    if head.alone and lane in lane.desk.stuck:
        return [Hurdle("alone", "a worker that runs no other suspect must have room, as it is one")]
    return []
