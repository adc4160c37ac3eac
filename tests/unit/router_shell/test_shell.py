"""The shell carries effects out, in order, and nothing else."""

import asyncio
import math
from collections.abc import Callable

import pytest
from structlog.testing import capture_logs

from hasten_policy.fleet.events import (
    StandingChanged,
    WeightSet,
    WorkerJoined,
    WorkerLost,
    WorkerReported,
)
from hasten_policy.reasons import Reason, Refusal
from hasten_policy.router.events import (
    AttemptAnswered,
    AttemptRefused,
    CallAbandoned,
    CallArrived,
    Deliver,
    InputBanned,
    Refuse,
    Revoke,
    RouterEffect,
    RouterEvent,
    Send,
)
from hasten_policy.timers import WakeAt, Woke
from hasten_router.calls import Call
from hasten_router.shell import Shell
from hasten_runtime.clock import ManualClock, SystemClock
from hasten_runtime.fleet.port import Reply
from tests.support.virtual_time import elapse
from tests.unit.router_shell.reports import REPORT

pytestmark = pytest.mark.virtual_time

BUSY = Refusal(Reason.OVERLOADED, "busy")


class ScriptedMachine:
    """Notes events and answers with what the test wants done."""

    def __init__(self, script: Callable[[RouterEvent], list[RouterEffect]]) -> None:
        self.events: list[RouterEvent] = []
        self.sizes: tuple[int, ...] = ()
        self._script = script

    def on(self, event: RouterEvent, *, now_s: float) -> list[RouterEffect]:
        assert now_s >= 0.0
        self.events.append(event)
        return self._script(event)

    def suspect_sizes(self, model: str) -> tuple[int, ...]:
        assert model
        return self.sizes


class Watcher:
    """Notes what the shell observes."""

    def __init__(self) -> None:
        self.seen: list[str] = []

    def sampled_call_admitted(self, call: Call) -> None:
        self.seen.append(f"admitted {call.call_id}")

    def sampled_call_sent(self, call: Call, worker_id: str) -> None:
        self.seen.append(f"sent {call.call_id} {worker_id} {call.attempts}")

    def sampled_call_ended(self, call: Call) -> None:
        self.seen.append(f"traced {call.call_id}")

    def call_ended(self, call: Call) -> None:
        assert call.ended_s >= call.arrived_s
        outcome = call.outcome
        told = outcome.reason.name if isinstance(outcome, Refusal) else str(outcome)
        self.seen.append(f"ended {told}")

    def standing_changed(self, worker_id: str, standing: str, cause: str) -> None:
        self.seen.append(f"{worker_id} {standing} {cause}")

    def link_lost(self, worker_id: str, cause: str) -> None:
        self.seen.append(f"{worker_id} lost {cause}")

    def input_banned(self, banned: InputBanned) -> None:
        self.seen.append(f"banned {banned.digest}")


class NotingLink:
    """A link that notes what it is told."""

    def __init__(self, worker_id: str) -> None:
        self.worker_id = worker_id
        self.address = "nowhere"
        self.weight = 1.0
        self.did: list[str] = []

    def send(self, call: Call, deadline_s: float) -> None:
        self.did.append(f"send {call.call_id} {deadline_s}")

    def revoke(self, call_id: int) -> None:
        self.did.append(f"revoke {call_id}")


def shell_with(
    script: Callable[[RouterEvent], list[RouterEffect]] = lambda _: [],
    clock: ManualClock | SystemClock | None = None,
) -> tuple[Shell, ScriptedMachine, Watcher]:
    machine = ScriptedMachine(script)
    watcher = Watcher()
    shell = Shell(machine, clock or ManualClock(), watcher, suspect_sizes=machine.suspect_sizes)
    return shell, machine, watcher


def a_call() -> Call:
    return Call("m", "", b"request", arrived_s=0.0)


def route_to(*workers: str) -> Callable[[RouterEvent], list[RouterEffect]]:
    """Sends each call to these workers, and delivers the first answer."""

    def script(event: RouterEvent) -> list[RouterEffect]:
        if isinstance(event, CallArrived):
            return [
                Send(event.call_id, worker, 9.0, attempt)
                for attempt, worker in enumerate(workers, 1)
            ]
        if isinstance(event, AttemptAnswered):
            others = [Revoke(event.call_id, w) for w in workers if w != event.worker_id]
            return [*others, Deliver(event.call_id, event.worker_id)]
        if isinstance(event, AttemptRefused):
            return [Deliver(event.call_id, event.worker_id)]
        return []

    return script


async def test_a_call_is_sent_answered_and_handed_out() -> None:
    shell, machine, watcher = shell_with(route_to("a", "b"))
    links = [NotingLink("a"), NotingLink("b")]
    for link in links:
        shell.joined(link)
    call = a_call()
    call.time_left_s = 2.5
    call.caller_traceparent = "sampled"
    shell.begin(call)
    waiting = asyncio.create_task(call.ended())
    shell.replied("b", [Reply(call.call_id, b"answer")])
    assert await waiting == b"answer"
    assert links[0].did == ["send 1 9.0", "revoke 1"]
    assert links[1].did == ["send 1 9.0"]
    arrived = machine.events[2]
    assert isinstance(arrived, CallArrived)
    assert (arrived.model, arrived.time_left_s, arrived.payload_bytes) == ("m", 2.5, 7)
    assert watcher.seen == ["sent 1 a 1", "sent 1 b 2", "admitted 1", "ended b'answer'"]


async def test_a_refusal_at_arrival_is_there_at_once() -> None:
    shell, _, watcher = shell_with(
        lambda event: [Refuse(event.call_id, BUSY)] if isinstance(event, CallArrived) else []
    )
    call = a_call()
    shell.begin(call)
    assert call.outcome is BUSY
    await shell.drained()
    await asyncio.sleep(0)
    assert watcher.seen == ["ended OVERLOADED"]


async def test_a_worker_is_told_once_what_was_refused_before() -> None:
    refusal = Refusal(Reason.OVERLOADED, "no")

    def script(event: RouterEvent) -> list[RouterEffect]:
        if not isinstance(event, CallArrived):
            return []
        if event.call_id < 3:
            return [Refuse(event.call_id, refusal)]
        return [Send(event.call_id, "a", 9.0, 1)]

    shell, _, _ = shell_with(script)
    shell.joined(NotingLink("a"))
    calls = [a_call() for _ in range(4)]
    for call in calls:
        shell.begin(call)
    assert [call.refused_before for call in calls] == [0, 0, 2, 0]


async def test_a_caller_is_woken_after_its_spans_ended_and_before_its_call_is_counted() -> None:
    shell, _, watcher = shell_with(route_to("a"))
    shell.joined(NotingLink("a"))
    call = a_call()
    shell.begin(call)

    async def caller() -> None:
        watcher.seen.append(f"woken with {await call.ended()!r}")

    waiting = asyncio.create_task(caller())
    await asyncio.sleep(0)
    call.spans = []
    shell.replied("a", [Reply(call.call_id, b"answer")])
    await waiting
    shell.close()
    assert watcher.seen == ["traced 1", "woken with b'answer'", "ended b'answer'"]
    assert (call.admitted, call.attempts) == (True, 1)


async def test_what_ends_with_the_shell_is_counted() -> None:
    shell, _, watcher = shell_with(route_to("a"))
    shell.joined(NotingLink("a"))
    shell.begin(a_call())
    shell.close()
    assert watcher.seen == ["ended DRAINING"]


async def test_a_fault_in_counting_costs_the_count_of_one_call(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    shell, _, watcher = shell_with(
        lambda event: [Refuse(event.call_id, BUSY)] if isinstance(event, CallArrived) else []
    )
    count = watcher.call_ended

    def fails_once(call: Call) -> None:
        if call.call_id == 1:
            raise ZeroDivisionError
        count(call)

    monkeypatch.setattr(watcher, "call_ended", fails_once)
    for _ in range(3):
        shell.begin(a_call())
    with capture_logs() as logged:
        await asyncio.sleep(0)
    assert watcher.seen == ["ended OVERLOADED"] * 2
    assert [line["event"] for line in logged] == ["counting.failed"]


async def test_a_workers_weight_goes_to_the_machine_when_it_joins_and_when_it_changes() -> None:
    shell, machine, _ = shell_with()
    link = NotingLink("a")
    link.weight = 2.0
    shell.joined(link)
    shell.weighed("a", 0.5)
    assert machine.events == [WorkerJoined("a", 2.0), WeightSet("a", 0.5)]


async def test_a_workers_failure_is_delivered_unchanged() -> None:
    shell, _, _ = shell_with(route_to("a"))
    shell.joined(NotingLink("a"))
    call = a_call()
    shell.begin(call)
    failure = Refusal(Reason.MODEL_FAILED, "it broke", started=True)
    shell.replied("a", [Reply(call.call_id, refusal=failure)])
    assert call.outcome is failure


async def test_each_reply_of_a_message_reaches_its_own_call() -> None:
    shell, _, _ = shell_with(route_to("a"))
    shell.joined(NotingLink("a"))
    calls = [a_call() for _ in range(3)]
    for call in calls:
        shell.begin(call)
    shell.replied("a", [Reply(call.call_id, b"%d" % call.call_id) for call in reversed(calls)])
    assert [call.outcome for call in calls] == [b"1", b"2", b"3"]


async def test_an_abandoned_call_is_told_once_and_never_after_its_end() -> None:
    shell, machine, _ = shell_with(
        lambda event: [Revoke(1, "a")] if isinstance(event, CallAbandoned) else []
    )
    link = NotingLink("a")
    shell.joined(link)
    call = a_call()
    shell.begin(call)
    shell.abandon(call)
    shell.abandon(call)
    assert [type(event) for event in machine.events].count(CallAbandoned) == 1
    assert link.did == ["revoke 1"]
    shell.replied("a", [Reply(call.call_id, b"late")])
    assert isinstance(call.outcome, Refusal)
    assert call.outcome.reason is Reason.CANCELLED


async def test_an_answer_while_the_client_leaves_is_no_error() -> None:
    shell, _, _ = shell_with(route_to("a"))
    shell.joined(NotingLink("a"))
    call = a_call()
    shell.begin(call)
    waiting = asyncio.create_task(call.ended())
    await asyncio.sleep(0)
    waiting.cancel()
    await asyncio.wait([waiting])
    shell.replied("a", [Reply(call.call_id, b"answer")])
    assert call.outcome == b"answer"


async def test_stored_reports_count_until_the_worker_speaks_for_itself() -> None:
    shell, machine, _ = shell_with()
    shell.remember({"a": REPORT, "b": REPORT})
    shell.joined(NotingLink("a"))
    assert machine.events == [WorkerJoined("a"), WorkerReported("a", REPORT)]
    shell.lost("a", "gone")
    shell.joined(NotingLink("a"))
    assert machine.events[2:] == [WorkerLost("a"), WorkerJoined("a")]


async def test_a_link_is_lost_once() -> None:
    shell, machine, watcher = shell_with()
    shell.lost("a", "it never joined")
    shell.joined(NotingLink("a"))
    shell.lost("a", "cut")
    shell.lost("a", "cut again")
    assert machine.events == [WorkerJoined("a"), WorkerLost("a")]
    assert watcher.seen == ["a lost cut"]


async def test_standings_are_observed() -> None:
    shell, _, watcher = shell_with(lambda _: [StandingChanged("a", "ready", "reported")])
    shell.reported("a", REPORT)
    assert watcher.seen == ["a ready reported"]


async def test_it_wakes_the_machine_at_the_earliest_time_asked_for() -> None:
    clock = SystemClock()
    wakes = [50.0, 10.0, 60.0]

    def script(event: RouterEvent) -> list[RouterEffect]:
        return [WakeAt(clock.now_s() + wakes.pop(0))] if isinstance(event, CallArrived) else []

    shell, machine, _ = shell_with(script, clock)
    began_s = clock.now_s()
    shell.begin(a_call())
    shell.begin(a_call())
    await elapse(9.999)
    assert Woke() not in machine.events
    await elapse(0.002)
    assert machine.events.count(Woke()) == 1
    shell.begin(a_call())
    await elapse(69.0 - (clock.now_s() - began_s))
    assert machine.events.count(Woke()) == 1
    shell.close()


async def test_a_router_that_leaves_refuses_new_calls_and_waits_for_the_old() -> None:
    shell, machine, _ = shell_with(route_to("a"))
    shell.joined(NotingLink("a"))
    old = a_call()
    shell.begin(old)
    shell.begin_drain()
    new = a_call()
    shell.begin(new)
    assert isinstance(new.outcome, Refusal)
    assert new.outcome.reason is Reason.DRAINING
    assert len([event for event in machine.events if isinstance(event, CallArrived)]) == 1
    waiting = asyncio.create_task(shell.drained())
    await asyncio.sleep(0)
    assert not waiting.done()
    shell.replied("a", [Reply(old.call_id, b"answer")])
    await waiting


async def test_what_is_left_at_the_end_is_refused() -> None:
    shell, _, _ = shell_with()
    call = a_call()
    shell.begin(call)
    shell.close()
    assert isinstance(call.outcome, Refusal)
    assert call.deadline_s == math.inf


def test_an_effect_that_the_shell_does_not_know_is_an_error() -> None:
    shell, _, _ = shell_with(lambda _: [object()])  # type: ignore[list-item]  # what is tested
    with pytest.raises(AssertionError, match="unreachable"):
        shell.quiesced("w")


async def test_a_fault_of_the_machine_leaves_no_call_behind() -> None:
    def script(event: RouterEvent) -> list[RouterEffect]:
        if isinstance(event, CallArrived):
            raise ZeroDivisionError
        return []

    shell, _, _ = shell_with(script)
    call = a_call()
    with pytest.raises(ZeroDivisionError):
        shell.begin(call)
    assert isinstance(call.outcome, Refusal)
    assert call.outcome.reason is Reason.INTERNAL
    await shell.drained()
