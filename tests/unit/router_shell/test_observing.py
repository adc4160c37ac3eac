"""What the router counts of a call, once it has ended."""

import pytest
from prometheus_client import CollectorRegistry

from hasten.common.v1.demand_pb2 import DemandState, ModelDemand, RefusedCalls
from hasten_policy.fleet.events import WorkerLost
from hasten_policy.reasons import Reason, Refusal
from hasten_policy.router.events import (
    AttemptAnswered,
    CallArrived,
    Deliver,
    Refuse,
    RouterEffect,
    RouterEvent,
    Send,
)
from hasten_router.calls import Call
from hasten_router.metrics import RouterMetrics
from hasten_router.observing import NO_DEMAND, Meter
from hasten_router.shell import Shell
from hasten_runtime.clock import ManualClock
from hasten_runtime.demand import DemandTally
from hasten_runtime.fleet.port import Reply
from hasten_runtime.telemetry import Telemetry
from tests.unit.router_shell.test_shell import NotingLink, ScriptedMachine

BUSY = Refusal(Reason.OVERLOADED, "busy")


def once_lost_once_answered(event: RouterEvent) -> list[RouterEffect]:
    """Model "full" is refused, "held" waits, any other is sent to a, and to b when a is lost."""
    match event:
        case CallArrived(call_id=call_id, model="full"):
            return [Refuse(call_id, BUSY)]
        case CallArrived(model="held"):
            return []
        case CallArrived(call_id=call_id):
            return [Send(call_id, "a", 9.0, 1)]
        case WorkerLost():
            return [Send(1, "b", 9.0, 2)]
        case AttemptAnswered(call_id=call_id, worker_id=worker_id):
            return [Deliver(call_id, worker_id)]
    return []


class Counted:
    """A shell whose calls are counted."""

    def __init__(self) -> None:
        self._registry = CollectorRegistry()
        self.clock = ManualClock()
        machine = ScriptedMachine(once_lost_once_answered)
        self.demand = DemandTally("r1", self.clock)
        meter = Meter(RouterMetrics(self._registry), Telemetry(), self.demand)
        self.shell = Shell(machine, self.clock, meter, suspect_sizes=machine.suspect_sizes)
        for worker in "ab":
            self.shell.joined(NotingLink(worker))

    def begin(self, model: str) -> Call:
        call = Call(model, "", b"request", arrived_s=self.clock.now_s())
        call.time_left_s = 2.5
        self.shell.begin(call)
        return call

    def demanded(self) -> dict[str, ModelDemand]:
        """What was asked for, by model."""
        self.shell.close()
        state = DemandState.FromString(self.demand.state(self.shell.open_calls()))
        return {row.model: row for row in state.models}

    def totals(self) -> dict[str, float]:
        """Everything that was counted, after the last call has ended."""
        self.shell.close()
        wanted = {
            "admitted": ("hasten_admission_slack_seconds_count", {}),
            "first": ("hasten_router_attempts_total", {"kind": "first"}),
            "again": ("hasten_router_attempts_total", {"kind": "again"}),
            "held_s": ("hasten_router_hold_seconds_sum", {}),
            "answered": ("hasten_requests_total", {"model": "m", "outcome": "answered"}),
            "busy": ("hasten_refusals_total", {"reason": "overloaded"}),
            "cancelled": ("hasten_refusals_total", {"reason": "cancelled"}),
        }
        found = {
            word: self._registry.get_sample_value(name, labels)
            for word, (name, labels) in wanted.items()
        }
        return {word: value for word, value in found.items() if value}


@pytest.fixture
async def counted() -> Counted:
    return Counted()


async def test_a_call_that_was_sent_twice_is_one_call_with_two_attempts(counted: Counted) -> None:
    counted.begin("m")
    counted.clock.advance(1.0)
    counted.shell.lost("a", "gone")
    counted.shell.replied("b", [Reply(1, b"answer")])
    # It waited for nobody before it was first sent.
    assert counted.totals() == {"admitted": 1, "first": 1, "again": 1, "answered": 1}


async def test_a_call_that_is_refused_at_once_was_not_admitted(counted: Counted) -> None:
    counted.begin("full")
    assert counted.totals() == {"busy": 1}


@pytest.mark.parametrize(
    "reason", [Reason.INVALID_REQUEST, Reason.NO_WORKER, Reason.MODEL_NOT_FOUND, Reason.OVERLOADED]
)
def test_refusals_count_under_models_that_exist_and_no_others(reason: Reason) -> None:
    registry = CollectorRegistry()
    meter = Meter(RouterMetrics(registry), Telemetry(), knows=lambda name: name == "known")
    for number in range(100):
        meter.request_refused(f"made up {number}", Refusal(reason, ""))
    meter.request_refused("", Refusal(reason, ""))
    meter.request_refused("known", Refusal(reason, ""))

    def refused(model: str) -> float | None:
        return registry.get_sample_value(
            "hasten_requests_total", {"model": model, "outcome": "refused"}
        )

    assert (refused("known"), refused("other"), refused("made up 1")) == (1, 101, None)


async def test_a_call_that_waits_until_its_caller_leaves_was_admitted_and_not_sent(
    counted: Counted,
) -> None:
    counted.shell.abandon(counted.begin("held"))
    assert counted.totals() == {"admitted": 1, "cancelled": 1}


async def test_what_was_asked_for_is_counted_for_whoever_scales(counted: Counted) -> None:
    for _ in range(2):
        counted.begin("m")
        counted.begin("full")
    counted.shell.replied("a", [Reply(1, b"answer")])
    left, gave_up = counted.begin("held"), counted.begin("held")
    counted.shell.abandon(gave_up)
    counted.clock.advance(2.5)
    counted.shell.abandon(left)
    arrived = DemandState.FromString(counted.demand.state(counted.shell.open_calls()))
    assert sum(row.calls for row in arrived.models) == 6, "one is still with its worker"
    found = counted.demanded()
    assert (found["m"].calls, found["m"].late) == (1, 1), "the machine's deadline was long ago"
    assert found["full"].refused == [RefusedCalls(reason="OVERLOADED", calls=2)]
    assert (found["full"].admitted, found["held"].admitted) == (0, 2)
    assert found["held"].late == 1, "it left at its deadline, the other one long before"
    assert found["held"].slack_s == 5.0


async def test_refusals_that_no_worker_would_mend_are_no_demand(counted: Counted) -> None:
    meter = counted.shell._observer
    assert isinstance(meter, Meter)
    for reason in Reason:
        call = Call("made up", "", b"", arrived_s=0.0)
        call.outcome = Refusal(reason, "")
        meter.call_ended(call)
    meter.unread_refused(BUSY)
    found = counted.demanded()
    reasons = {row.reason for row in found["made up"].refused}
    assert not reasons & {reason.name for reason in NO_DEMAND}
    assert {"OVERLOADED", "NO_WORKER"} <= reasons
    assert found[""].calls == 1
