"""The one owner of the router's machine: turns what happens into events, effects into IO."""

import asyncio
from collections.abc import Callable, Collection, Iterable, Iterator, Mapping, Sequence
from typing import Protocol, assert_never

from hasten_policy.content import Asked, Content
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
from hasten_policy.reasons import Reason, Refusal
from hasten_policy.router.events import (
    AttemptAnswered,
    AttemptRefused,
    BarLifted,
    BarSet,
    CallAbandoned,
    CallArrived,
    CallsBarred,
    CheckpointRestored,
    Deliver,
    InputBanned,
    Refuse,
    Revoke,
    RouterEffect,
    RouterEvent,
    Send,
)
from hasten_policy.router.turned_away import TurnedAway
from hasten_policy.timers import WakeAt, Woke
from hasten_router.calls import Call
from hasten_router.content import content_of, look_of
from hasten_router.front.port import BarKeeper, Barred
from hasten_runtime.alarm import Alarm
from hasten_runtime.clock import Clock
from hasten_runtime.deferred import DeferredCounts
from hasten_runtime.fleet.port import Reply, WorkerLink


class Observer(Protocol):
    """Told what people want to count and trace. Called on the hot path: must be cheap."""

    def sampled_call_admitted(self, call: Call) -> None:
        """A sampled call was taken."""
        ...

    def sampled_call_sent(self, call: Call, worker_id: str) -> None:
        """A sampled call is about to go to a worker."""
        ...

    def sampled_call_ended(self, call: Call) -> None:
        """A sampled call has its outcome, and its caller has not heard of it yet."""
        ...

    def call_ended(self, call: Call) -> None:
        """A call had its outcome. Told when it has been handed out: no caller waits for this."""
        ...

    def request_refused(self, model: str, refusal: Refusal) -> None:
        """A request was refused before it became a call."""
        ...

    def calls_barred(self, barred: Barred) -> None:
        """The front refused calls as the machine had said."""
        ...

    def standing_changed(self, worker_id: str, standing: str, cause: str) -> None:
        """A worker's standing changed."""
        ...

    def link_lost(self, worker_id: str, cause: str) -> None:
        """The link to a worker broke or was closed."""
        ...

    def input_banned(self, banned: InputBanned) -> None:
        """An input is run no more."""
        ...


DRAINING = Refusal(
    Reason.DRAINING, "this router is shutting down; send elsewhere", retry_after_s=0.0
)
FAULT = Refusal(Reason.INTERNAL, "the router failed on this request; the log says how")
ABANDONED = Refusal(Reason.CANCELLED, "the caller went away")


class Shell:
    """Feeds one machine and carries out its effects, in order, on one event loop.

    It is the LinkListener of all worker links and the CallDoor of the front.

    Args:
        machine: Decides.
        clock: The router's.
        observer: Counts and traces.
        suspect_sizes: See `RouterMachine.suspect_sizes`.
    """

    def __init__(
        self,
        machine: Machine[RouterEvent, RouterEffect],
        clock: Clock,
        observer: Observer,
        *,
        suspect_sizes: Callable[[str], Collection[int]],
    ) -> None:
        self._machine = machine
        self._suspect_sizes = suspect_sizes
        self._clock = clock
        self._observer = observer
        self._calls: dict[int, Call] = {}
        self._turned_away: TurnedAway[str] = TurnedAway()
        self._links: dict[str, WorkerLink] = {}
        self._remembered: dict[str, WorkerReport] = {}
        self._last_call_id = 0
        self._counts = DeferredCounts()
        self._count_ended_later = self._counts.kind(self._count_ended)
        self._reply: Reply | None = None
        self._bars: BarKeeper | None = None
        self._alarm = Alarm(clock, self._woke)
        self._draining = False
        self._idle = asyncio.Event()
        self._idle.set()

    # --- the front -------------------------------------------------------------------

    def begin(self, call: Call) -> None:
        """Takes a client's call; its outcome may be there when this returns."""
        if self._draining:
            self._hand_out(call, DRAINING)
            return
        self._last_call_id = call_id = self._last_call_id + 1
        call.call_id = call_id
        self._calls[call_id] = call
        self._idle.clear()
        sizes = self._suspect_sizes(call.model)
        try:
            self._tell(
                CallArrived(
                    call_id,
                    call.model,
                    call.version,
                    call.time_left_s,
                    call.priority,
                    call.tenant,
                    len(call.payload),
                    affinity=call.affinity,
                    rows=call.rows,
                    elements=call.elements,
                    content=content_of(call.payload, sizes) if sizes else None,
                )
            )
        except Exception:
            # A fault of ours: the caller hears of it, and nobody waits for this call.
            self._end(call_id, FAULT)
            raise
        call.admitted_s = self._clock.now_s()
        call.admitted = call.outcome is None or call.attempts > 0
        if call.caller_traceparent and call.admitted:
            self._observer.sampled_call_admitted(call)

    def abandon(self, call: Call) -> None:
        """The client cancelled or went away; harmless when the call has ended."""
        if call.call_id in self._calls:
            self._tell(CallAbandoned(call.call_id))
            self._end(call.call_id, ABANDONED)

    def refused_early(self, model: str, refusal: Refusal) -> None:
        """A request was refused before there was a call; it names this model, or none."""
        self._turned_away.refused(model, refusal.reason)
        self._observer.request_refused(model, refusal)

    def tell_bars(self, keeper: BarKeeper) -> None:
        """From now on this front hears what it may refuse by itself."""
        self._bars = keeper

    def barred(self, barred: Barred) -> None:
        """It did so."""
        self._tell(CallsBarred(barred.model, barred.version, barred.calls))
        self._turned_away.refused(barred.model, barred.refusal.reason, barred.calls)
        self._observer.calls_barred(barred)

    def open_calls(self) -> Iterator[tuple[str, int, int]]:
        """Model, class and rows of the calls that have not ended; all others have been counted."""
        self._counts.settle()
        return ((call.model, call.priority, call.rows) for call in self._calls.values())

    @property
    def unanswered(self) -> int:
        """Calls that have not ended."""
        return len(self._calls)

    def begin_drain(self) -> None:
        """From now on, refuses every new call because the router is leaving."""
        self._draining = True

    async def drained(self) -> None:
        """Waits until no call is left; to be asked once no new ones are taken."""
        await self._idle.wait()

    # --- the links -------------------------------------------------------------------

    def joined(self, link: WorkerLink) -> None:
        """A link is open and can take calls."""
        self._links[link.worker_id] = link
        self._tell(WorkerJoined(link.worker_id, link.weight))
        known = self._remembered.pop(link.worker_id, None)
        if known is not None:
            self._tell(WorkerReported(link.worker_id, known))

    def restore(self, checkpoint: bytes) -> None:
        """Uses what the machine had learnt before the restart."""
        self._tell(CheckpointRestored(checkpoint.decode("utf-8", "surrogateescape")))

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
            # A Deliver among the effects hands out this reply and no other.
            self._reply = reply
            if reply.refusal is None:
                self._tell(
                    AttemptAnswered(
                        reply.call_id, worker_id, reply.load, reply.service_s, reply.server_s
                    )
                )
            else:
                content = self._content_that_ends(reply)
                self._tell(
                    AttemptRefused(reply.call_id, worker_id, reply.load, reply.refusal, content)
                )
        self._reply = None

    def _content_that_ends(self, reply: Reply) -> Content | None:
        """Of the request whose run ended processes of the worker; None otherwise."""
        call = self._calls.get(reply.call_id)
        if call is None or reply.refusal is None or not reply.refusal.ended:
            return None
        return content_of(call.payload)

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
            blamed = {call_id: call for call_id in ran if (call := self._calls.get(call_id))}
            alike = self._alike(blamed) if blamed else ()
            self._tell(WorkerLost(worker_id, _asked(blamed.values()), _asked(alike)))

    def _alike(self, blamed: Mapping[int, Call]) -> Iterable[Call]:
        """All other calls that look like one of these."""
        looks = {(call.model, *look_of(call.payload)) for call in blamed.values()}
        return [
            call
            for call_id, call in self._calls.items()
            if call_id not in blamed and (call.model, *look_of(call.payload)) in looks
        ]

    def host_lagged(self, lag: HostLag) -> None:
        """The host let this process be late, or said that it did not."""
        self._tell(lag)

    # --- effects ---------------------------------------------------------------------

    def _tell(self, event: RouterEvent) -> None:
        for effect in self._machine.on(event, now_s=self._clock.now_s()):
            self._carry_out(effect)

    def _carry_out(self, effect: RouterEffect) -> None:
        if isinstance(effect, Send):
            self._send(effect)
        elif isinstance(effect, Deliver):
            self._deliver(effect)
        elif isinstance(effect, WakeAt):
            self._wake_at(effect)
        elif isinstance(effect, Refuse):
            self._end(effect.call_id, effect.refusal)
        elif isinstance(effect, Revoke):
            self._revoke(effect)
        elif isinstance(effect, BarSet | BarLifted):
            self._bar(effect)
        elif isinstance(effect, StandingChanged):
            self._observer.standing_changed(effect.worker_id, effect.standing, effect.cause)
        elif isinstance(effect, InputBanned):
            self._observer.input_banned(effect)
        else:
            assert_never(effect)

    def _bar(self, effect: BarSet | BarLifted) -> None:
        if self._bars is None:
            return
        if isinstance(effect, BarSet):
            self._bars.set_bar(effect)
        else:
            self._bars.lift_bar(effect)

    def _send(self, effect: Send) -> None:
        call = self._calls[effect.call_id]
        call.attempts = effect.attempt
        call.alone = effect.alone
        call.refused_before = self._turned_away.tell(call.model)
        call.deadline_s = effect.deadline_s
        call.sent_s = self._clock.now_s()
        if effect.attempt == 1:
            call.first_sent_s = call.sent_s
        if call.caller_traceparent:
            self._observer.sampled_call_sent(call, effect.worker_id)
        self._links[effect.worker_id].send(call, effect.deadline_s)

    def _revoke(self, effect: Revoke) -> None:
        link = self._links.get(effect.worker_id)
        if link is not None:
            link.revoke(effect.call_id)

    def _deliver(self, effect: Deliver) -> None:
        reply = self._reply
        assert reply is not None, "Deliver outside a reply"  # noqa: S101  (the machine's contract)
        call = self._calls[effect.call_id]
        call.reply = reply
        self._end(effect.call_id, reply.payload if reply.refusal is None else reply.refusal)

    def _end(self, call_id: int, outcome: bytes | Refusal) -> None:
        call = self._calls.pop(call_id, None)
        if call is None:
            return
        if isinstance(outcome, Refusal):
            self._turned_away.refused(call.model, outcome.reason)
        self._hand_out(call, outcome)
        if not self._calls:
            self._idle.set()

    def _hand_out(self, call: Call, outcome: bytes | Refusal) -> None:
        """Wakes the caller; whoever counts hears of it afterwards."""
        call.ended_s = self._clock.now_s()
        call.end(outcome)
        if call.spans is not None:
            self._observer.sampled_call_ended(call)
        self._count_ended_later(call)

    def _count_ended(self, call: Call) -> None:
        self._observer.call_ended(call)

    # --- the timer -------------------------------------------------------------------

    def _wake_at(self, effect: WakeAt) -> None:
        self._alarm.set(effect.at_s)

    def _woke(self) -> None:
        self._tell(Woke())

    def close(self) -> None:
        """Stops the timer; refuses whatever is still here."""
        self._alarm.close()
        for call_id in list(self._calls):
            self._end(call_id, DRAINING)
        self._counts.settle()


def _asked(calls: Iterable[Call]) -> tuple[Asked, ...]:
    return tuple([Asked(call.call_id, content_of(call.payload)) for call in calls])
