"""The one owner of the scheduler's machine: what happens becomes events, effects become IO."""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import Protocol, assert_never

from hasten_policy.content import Asked
from hasten_policy.fleet.events import (
    LoadTold,
    StandingChanged,
    WeightSet,
    WorkerJoined,
    WorkerLost,
    WorkerQuiesced,
    WorkerReported,
)
from hasten_policy.load import HostLag, LoadSample, WorkerReport
from hasten_policy.machines import Machine
from hasten_policy.priorities import HIGHEST, LOWEST
from hasten_policy.reasons import Refusal
from hasten_policy.scheduler.events import (
    Again,
    AttemptAnswered,
    AttemptRefused,
    Claim,
    Claimed,
    Done,
    Drop,
    Failed,
    LaneGrew,
    LanesRead,
    QueuePaused,
    QueueResumed,
    ReadLanes,
    ReservationsTold,
    Revoke,
    SchedulerEffect,
    SchedulerEvent,
    Send,
    ShardGone,
    ShardTaken,
    TaskRevoked,
    TasksLeft,
    WakeAt,
    Woke,
)
from hasten_policy.scheduler.jobs.periods.reserving import Reservation
from hasten_policy.scheduler.tasks import Lane, LaneHeads
from hasten_runtime.alarm import Alarm
from hasten_runtime.clock import Clock
from hasten_runtime.deferred import DeferredCounts
from hasten_runtime.fleet.port import Reply, WorkerLink
from hasten_runtime.tasks.port import Settlement, State
from hasten_runtime.tasks.wake import Wake
from hasten_scheduler import stored
from hasten_scheduler.attempts import Attempt
from hasten_scheduler.ended import End, ShardEnds
from hasten_scheduler.owned import Dropping, Ending, OwnedShard, ending_of

Scope = tuple[str | None, str | None]
"""Tenant and model of a pause; None for all."""


class Observer(Protocol):
    """Told what people want to count and trace. Called on the hot path: must be cheap."""

    def attempt_sent(self, attempt: Attempt, worker_id: str) -> None:
        """An attempt is about to go to a worker."""
        ...

    def attempt_ended(self, attempt: Attempt, refusal: Refusal | None, *, ends_task: bool) -> None:
        """An attempt ended; told when its end is on its way to the store."""
        ...

    def attempt_dropped(self, attempt: Attempt) -> None:
        """An attempt counts no more: its task was cancelled, or its shard is another's."""
        ...

    def task_dropped(self, lane: Lane, refusal: Refusal) -> None:
        """A waiting task is given up."""
        ...

    def standing_changed(self, worker_id: str, standing: str, cause: str) -> None:
        """A worker's standing changed."""
        ...

    def link_lost(self, worker_id: str, cause: str) -> None:
        """The link to a worker broke or was closed."""
        ...


class Shell:
    """Feeds one machine and carries out its effects, in order, on one event loop.

    It is the LinkListener of all worker links and the Owner of all shards that this process owns.

    Args:
        machine: Decides.
        clock: The scheduler's.
        observer: Counts and traces.
        ends: Of each shard, by number: hear of the ends of tasks.
    """

    def __init__(
        self,
        machine: Machine[SchedulerEvent, SchedulerEffect],
        clock: Clock,
        observer: Observer,
        ends: Sequence[ShardEnds],
    ) -> None:
        self._machine = machine
        self._clock = clock
        self._observer = observer
        self._ends = ends
        self._shards: dict[int, OwnedShard] = {}
        self._attempts: dict[int, Attempt] = {}
        self._links: dict[str, WorkerLink] = {}
        self._remembered: dict[str, WorkerReport] = {}
        self._pauses: dict[int, set[Scope]] = {}
        self._counts = DeferredCounts()
        self._count_ended_later = self._counts.kind(self._count_ended)
        self._reply: Reply | None = None
        self._alarm = Alarm(clock, self._woke)

    # --- shards ---------------------------------------------------------------------------

    def took(self, owned: OwnedShard) -> None:
        """This process moves the shard's tasks on from now on."""
        self._shards[owned.shard] = owned
        self._tell(ShardTaken(owned.shard))

    def gone(self, shard: int) -> None:
        """It does not any more; what runs there belongs to nobody."""
        owned = self._shards.pop(shard, None)
        if owned is None:
            return
        self._tell(ShardGone(shard))
        for attempt in owned.running.values():
            del self._attempts[attempt.call_id]
            self._observer.attempt_dropped(attempt)
        self.paused(shard, set())

    @property
    def owned(self) -> list[int]:
        """The shards that this process owns."""
        return sorted(self._shards)

    @property
    def running(self) -> int:
        """Attempts that the store has claimed and that have not ended."""
        return len(self._attempts)

    def open_tasks(self) -> Iterator[tuple[str, int, int]]:
        """Model, class and rows of what runs; all that ran before has been counted."""
        self._counts.settle()
        return (
            (attempt.lane.model.partition("/")[0], attempt.lane.priority, attempt.rows)
            for attempt in self._attempts.values()
        )

    def lanes_read(self, shard: int, lanes: tuple[LaneHeads, ...], *, every: bool) -> None:
        """The store said how these lanes look."""
        if shard in self._shards:
            self._tell(LanesRead(shard, lanes, every))

    def claimed(self, shard: int, attempts: Sequence[Attempt], gone: tuple[int, ...]) -> None:
        """The store said which attempts run."""
        owned = self._shards.get(shard)
        if owned is None:
            return
        for attempt in attempts:
            self._attempts[attempt.call_id] = attempt
            owned.running[attempt.task_id] = attempt
        self._tell(Claimed(shard, tuple([attempt.call_id for attempt in attempts]), gone))

    def lanes_grew(self, shard: int, grew: Sequence[tuple[Lane, float]]) -> None:
        """Tasks came into lanes."""
        if shard in self._shards:
            for lane, place in grew:
                self._tell(LaneGrew(shard, lane, place))

    def woken(self, shard: int, wake: Wake) -> None:
        """Others changed something in the shard."""
        owned = self._shards.get(shard)
        if owned is None:
            return
        self.lanes_grew(shard, wake.grew)
        if wake.left:
            self._tell(TasksLeft(shard, wake.left))
        for task_id in wake.revoked:
            self._tell(TaskRevoked(shard, task_id))
            attempt = owned.running.pop(task_id, None)
            if attempt is not None:
                del self._attempts[attempt.call_id]
                self._observer.attempt_dropped(attempt)
            self._ends[shard].ended(task_id, End(State.CANCELLED))
        if wake.left:
            # Some were cancelled, others only have another place now.
            self._ends[shard].look_soon(wake.left)

    def paused(self, shard: int, pauses: set[Scope]) -> None:
        """These are all pauses of the shard."""
        before = self._all_pauses()
        self._pauses[shard] = pauses
        after = self._all_pauses()
        for tenant, model in after - before:
            self._tell(QueuePaused(tenant, model))
        for tenant, model in before - after:
            self._tell(QueueResumed(tenant, model))

    def _all_pauses(self) -> set[Scope]:
        return set[Scope]().union(*self._pauses.values())

    def settled(self, shard: int, settlement: Settlement, answer: bytes | None) -> None:
        """The store knows how an attempt ended."""
        if settlement.state.ended:
            self._ends[shard].ended(settlement.task_id, End(settlement.state, answer))

    def reservations_told(self, reservations: tuple[Reservation, ...]) -> None:
        """These are the reservations of all hard schedules."""
        self._tell(ReservationsTold(reservations))

    # --- the links ------------------------------------------------------------------------

    def joined(self, link: WorkerLink) -> None:
        """A link is open and can take calls."""
        self._links[link.worker_id] = link
        self._tell(WorkerJoined(link.worker_id, link.weight))
        known = self._remembered.pop(link.worker_id, None)
        if known is not None:
            self._tell(WorkerReported(link.worker_id, known))

    def weighed(self, worker_id: str, weight: float) -> None:
        """Discovery gave a worker whose link is open another weight."""
        self._tell(WeightSet(worker_id, weight))

    def remember(self, reports: Mapping[str, WorkerReport]) -> None:
        """Uses these reports for workers that join before their own first report."""
        self._remembered = dict(reports)

    def reported(self, worker_id: str, report: WorkerReport) -> None:
        """A worker told its whole state."""
        self._remembered.pop(worker_id, None)
        self._tell(WorkerReported(worker_id, report))

    def replied(self, worker_id: str, replies: Iterable[Reply]) -> None:
        """Attempts ended at a worker."""
        for reply in replies:
            # A Done among the effects stores this reply and no other.
            self._reply = reply
            if reply.refusal is None:
                self._tell(
                    AttemptAnswered(
                        reply.call_id, worker_id, reply.load, reply.service_s, reply.server_s
                    )
                )
            else:
                self._tell(AttemptRefused(reply.call_id, worker_id, reply.load, reply.refusal))
        self._reply = None

    def load_told(self, worker_id: str, load: LoadSample) -> None:
        """A worker told its load alone."""
        self._tell(LoadTold(worker_id, load))

    def quiesced(self, worker_id: str) -> None:
        """A worker should get no new calls."""
        self._tell(WorkerQuiesced(worker_id))

    def lost(self, worker_id: str, cause: str, ran: Sequence[int] = ()) -> None:
        """A link broke or was closed; what it had not answered will not be answered."""
        if self._links.pop(worker_id, None) is not None:
            self._observer.link_lost(worker_id, cause)
            self._tell(WorkerLost(worker_id, tuple([Asked(call_id, None) for call_id in ran])))

    def host_lagged(self, lag: HostLag) -> None:
        """The host let this process be late, or said that it did not."""
        self._tell(lag)

    # --- effects --------------------------------------------------------------------------

    def _tell(self, event: SchedulerEvent) -> None:
        for effect in self._machine.on(event, now_s=self._clock.now_s()):
            self._carry_out(effect)

    def _carry_out(self, effect: SchedulerEffect) -> None:
        if isinstance(effect, Send):
            self._send(effect)
        elif isinstance(effect, Done):
            self._done(effect)
        elif isinstance(effect, Claim):
            self._shards[effect.shard].claim(effect.picks)
        elif isinstance(effect, ReadLanes):
            self._shards[effect.shard].read(effect)
        elif isinstance(effect, WakeAt):
            self._alarm.set(effect.at_s)
        else:
            self._carry_out_other(effect)

    def _carry_out_other(self, effect: Revoke | Again | Failed | Drop | StandingChanged) -> None:
        if isinstance(effect, Again):
            self._again(effect)
        elif isinstance(effect, Failed):
            self._failed(effect)
        elif isinstance(effect, Revoke):
            link = self._links.get(effect.worker_id)
            if link is not None:
                link.revoke(effect.attempt)
        elif isinstance(effect, Drop):
            self._drop(effect)
        elif isinstance(effect, StandingChanged):
            self._observer.standing_changed(effect.worker_id, effect.standing, effect.cause)
        else:
            assert_never(effect)

    def _send(self, effect: Send) -> None:
        attempt = self._attempts[effect.attempt]
        attempt.alone = effect.alone
        attempt.reserved_s = effect.reserved_s
        attempt.priority = HIGHEST if effect.reserved_s else LOWEST
        self._observer.attempt_sent(attempt, effect.worker_id)
        self._links[effect.worker_id].send(attempt, effect.deadline_s)

    def _done(self, effect: Done) -> None:
        reply = self._reply
        assert reply is not None, "Done outside a reply"  # noqa: S101  (the machine's contract)
        attempt = self._take(effect.attempt)
        if attempt is not None:
            self._settle(attempt, ending_of(attempt, State.DONE), None, reply.payload)

    def _again(self, effect: Again) -> None:
        attempt = self._take(effect.attempt)
        if attempt is None:
            return
        state = State.LATER if effect.in_s > 0 else State.WAITING
        settlement = ending_of(attempt, state)
        settlement.start_in_s = effect.in_s
        settlement.counts = effect.counts
        settlement.death = effect.death
        settlement.alone = effect.alone
        self._settle(attempt, settlement, effect.cause)

    def _failed(self, effect: Failed) -> None:
        attempt = self._take(effect.attempt)
        if attempt is None:
            return
        state = State.DEAD if effect.dead else State.FAILED
        settlement = ending_of(attempt, state, stored.failure(effect.cause))
        settlement.death = effect.death
        settlement.counts = True
        self._settle(attempt, settlement, effect.cause)

    def _take(self, number: int) -> Attempt | None:
        """The attempt that ends; None when its shard is gone or its task was revoked."""
        attempt = self._attempts.pop(number, None)
        if attempt is not None:
            self._shards[attempt.shard].running.pop(attempt.task_id, None)
        return attempt

    def _settle(
        self,
        attempt: Attempt,
        settlement: Settlement,
        refusal: Refusal | None,
        answer: bytes | None = None,
    ) -> None:
        self._shards[attempt.shard].settle(Ending(settlement, answer))
        self._count_ended_later((attempt, refusal, settlement.state.ended))

    def _count_ended(self, ended: tuple[Attempt, Refusal | None, bool]) -> None:
        attempt, refusal, ends_task = ended
        self._observer.attempt_ended(attempt, refusal, ends_task=ends_task)

    def _drop(self, effect: Drop) -> None:
        result = stored.failure(effect.cause)
        self._shards[effect.shard].drop(Dropping(effect.lane, effect.task_id, result))
        self._observer.task_dropped(effect.lane, effect.cause)

    # --- the timer ------------------------------------------------------------------------

    def _woke(self) -> None:
        self._tell(Woke())

    def close(self) -> None:
        """Stops the timer, and counts what is still to be counted."""
        self._alarm.close()
        self._counts.settle()
