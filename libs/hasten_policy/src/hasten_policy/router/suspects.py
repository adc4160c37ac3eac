"""Calls that ran when a worker died: which are tried once more, alone, and which never again."""

from hasten_policy.content import Content
from hasten_policy.fleet.events import WorkerLost
from hasten_policy.fleet.models import ModelView
from hasten_policy.fleet.workers import ModelEntry, WorkerRecord
from hasten_policy.reasons import Reason, Refusal
from hasten_policy.router.calls import CallRecord
from hasten_policy.router.events import (
    CallArrived,
    InputBanned,
    Refuse,
)
from hasten_policy.router.state import RouterState
from hasten_policy.router.suspicion import DEATHS_MAX, Input


def deaths(
    state: RouterState, view: ModelView, content: Content | None, now_s: float
) -> tuple[str, ...]:
    """Processes that died of the input, in whichever version that it may be sent to did most."""
    if content is None:
        return ()
    inputs = {Input(entry.name, entry.version, content) for entry in view.open}
    found = [state.suspicions.deaths(each, now_s) for each in inputs]
    return max(found, key=lambda processes: (len(processes), processes), default=())


def banned(state: RouterState, event: CallArrived, now_s: float) -> bool:
    """Whether a new call's input is not run; then it has been refused."""
    view = state.fleet.registry.find(event.model, event.version)
    died = deaths(state, view, event.content, now_s) if view is not None else ()
    if len(died) < DEATHS_MAX:
        return False
    state.out.append(Refuse(event.call_id, _poisonous(died)))
    return True


def blame(state: RouterState, worker: WorkerRecord, event: WorkerLost, now_s: float) -> None:
    """The worker's process died while some calls ran there. Each is tried once more at most.

    Whoever ran is suspect. The verdict needs more: that it ran by itself, or on trial. Else what is
    asked often would be found guilty for having shared its batches with what is.
    """
    for one in event.alike:
        # What it holds was not known until now. In a queue of ours it waits to be tried alone.
        call = state.calls.get(one.call_id)
        if call is not None:
            call.content = one.content
            call.alone = call.alone or call.held
    found = _of(state, worker, event)
    on_trial = {call.content for call, _ in found if call.alone}
    by_itself = len({call.content for call, _ in found}) == 1
    for call, entry in found:
        guilty = by_itself or (call.alone and len(on_trial) == 1)
        suspect = guilty or not on_trial
        call.alone = True
        call.deaths += 1
        if call.content is not None and suspect:
            _died(
                state,
                Input(entry.name, entry.version, call.content),
                worker.process,
                guilty=guilty,
                now_s=now_s,
            )


def _of(
    state: RouterState, worker: WorkerRecord, event: WorkerLost
) -> list[tuple[CallRecord, ModelEntry]]:
    """The calls that ran, their content known."""
    found: list[tuple[CallRecord, ModelEntry]] = []
    for one in event.ran:
        call = state.calls.get(one.call_id)
        entry = worker.calls.get(one.call_id)
        if call is not None and entry is not None:
            call.content = one.content
            found.append((call, entry))
    return found


def _died(state: RouterState, suspect: Input, process: str, *, guilty: bool, now_s: float) -> None:
    known = state.suspicions.deaths(suspect, now_s)
    if known and not guilty:
        return
    died = state.suspicions.died(suspect, process, now_s)
    if len(died) >= DEATHS_MAX > len(known):
        _ban(state, suspect, died, now_s)


def spent(state: RouterState, call: CallRecord, entry: ModelEntry, now_s: float) -> Refusal | None:
    """Why a call that was there when its worker died is not tried again; None if it may be."""
    if call.content is not None:
        suspect = Input(entry.name, entry.version, call.content)
        died = state.suspicions.deaths(suspect, now_s)
        if len(died) >= DEATHS_MAX:
            return _poisonous(died)
    if call.deaths >= DEATHS_MAX:
        return Refusal(
            Reason.WORKER_LOST,
            "the worker was lost, as the one before it, with the call running",
            started=True,
        )
    return None


def survived(state: RouterState, call: CallRecord, entry: ModelEntry) -> None:
    """A worker ran the call and lives."""
    if call.content is None:
        return
    suspect = Input(entry.name, entry.version, call.content)
    if state.suspicions.answered(suspect):
        for held in _held_with(state, suspect):
            held.alone = held.deaths > 0


def ended(
    state: RouterState,
    entry: ModelEntry,
    content: Content,
    processes: tuple[str, ...],
    now_s: float,
) -> None:
    """The run of this input alone ended processes of a worker, or will end its own."""
    suspect = Input(entry.name, entry.version, content)
    for name in processes:
        _died(state, suspect, f"{entry.worker.process}#{name}", guilty=True, now_s=now_s)


def _poisonous(died: tuple[str, ...]) -> Refusal:
    """Processes of workers died of the input."""
    names = ", ".join(process.rpartition("/")[0] for process in died)
    return Refusal(
        Reason.POISONOUS,
        f"{len(died)} processes died while they ran this input ({names}); it is not run again",
        metadata=(("workers", names),),
        started=True,
    )


def _ban(state: RouterState, suspect: Input, died: tuple[str, ...], now_s: float) -> None:
    """Says so once, and refuses those that wait with the same input."""
    state.out.append(InputBanned(suspect.model, suspect.version, suspect.content.digest, died))
    for call in _held_with(state, suspect):
        state.refuse(call, _poisonous(died), now_s, missed=None)


def _held_with(state: RouterState, suspect: Input) -> list[CallRecord]:
    views = [
        state.hold.views.get(key) for key in (suspect.model, f"{suspect.model}/{suspect.version}")
    ]
    return [
        call
        for view in views
        if view is not None
        for call in view.held.calls()
        if call.content == suspect.content
    ]
