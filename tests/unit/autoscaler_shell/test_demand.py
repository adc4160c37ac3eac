"""What an autoscaler reads out of counts that only grow."""

from math import inf

import pytest

from hasten.common.v1.demand_pb2 import (
    BacklogState,
    DemandState,
    ModelDemand,
    QueuedWork,
    RefusedCalls,
)
from hasten_autoscaler.demand import FIRST_S_MAX, DemandReader, read_backlog
from hasten_policy.autoscaler.events import DemandTold, TellerLeft
from hasten_policy.reasons import Reason
from hasten_runtime.clock import ManualClock
from hasten_runtime.demand import DemandTally, Ended


class Told:
    """Routers that tell, and what is read of it."""

    def __init__(self) -> None:
        self.now_s = 0.0
        self.reader = DemandReader()
        self.values: dict[str, bytes] = {}

    def read(self, **states: DemandState) -> list[DemandTold]:
        self.values |= {name: state.SerializeToString() for name, state in states.items()}
        self.now_s += 1.0
        return [
            event
            for event in self.reader.read(self.values, self.now_s)
            if isinstance(event, DemandTold)
        ]


def state(age_s: float, calls: int, *, incarnation: str = "i", **counts: int) -> DemandState:
    row = ModelDemand(model="m", priority=1, calls=calls, rows=2 * calls, **counts)
    return DemandState(incarnation=incarnation, age_s=age_s, models=[row])


def news(event: DemandTold) -> tuple[float, int, int]:
    (model,) = event.models
    return event.span_s, model.calls, model.rows


def test_what_came_since_the_look_before_is_told_once() -> None:
    told = Told()
    assert [news(event) for event in told.read(r=state(2.0, 10))] == [(2.0, 10, 20)]
    assert told.read() == []
    assert [news(event) for event in told.read(r=state(5.5, 17))] == [(3.5, 7, 14)]


def test_the_past_of_a_process_that_is_seen_for_the_first_time_is_no_news() -> None:
    told = Told()
    assert told.read(r=state(FIRST_S_MAX + 1, 1_000_000)) == []
    assert [news(event) for event in told.read(r=state(FIRST_S_MAX + 2, 1_000_003))] == [(1, 3, 6)]


def test_a_process_that_was_started_again_begins_at_zero() -> None:
    told = Told()
    told.read(r=state(5.0, 50))
    assert [news(event) for event in told.read(r=state(30.0, 4, incarnation="j"))] == [(30, 4, 8)]


def test_counts_that_shrink_are_nothing_and_not_negative() -> None:
    told = Told()
    told.read(r=state(5.0, 50))
    assert [news(event) for event in told.read(r=state(6.0, 40))] == [(1.0, 0, 0)]


def test_who_asked_for_no_worker_is_no_demand() -> None:
    clock = ManualClock()
    tally = DemandTally("r", clock)
    clock.advance(1.0)
    for reason in (Reason.OVERLOADED, Reason.NO_WORKER, Reason.TENANT_QUOTA, Reason.CANCELLED):
        tally.ended(Ended("m", 1, rows=3, refused=reason))
    tally.ended(Ended("m", 1, rows=3, admitted=True, late=True))
    (event,) = DemandReader().read({"r": tally.state()}, 0.0)
    assert isinstance(event, DemandTold)
    (model,) = event.models
    assert (model.calls, model.rows, model.refused, model.late) == (3, 9, 2, 1)


def test_the_time_until_deadlines_is_that_of_late() -> None:
    told = Told()
    first = state(1.0, 10, with_deadline=10)
    first.models[0].slack_s = 5.0
    told.read(r=first)
    assert told.reader.slack_s == {"m": 0.5}
    second = state(2.0, 20, with_deadline=20)
    second.models[0].slack_s = 20.0
    told.read(r=second)
    assert told.reader.slack_s["m"] == pytest.approx(0.9 * 0.5 + 0.1 * 1.5)
    told.read(r=state(3.0, 30, with_deadline=20))
    assert told.reader.slack_s["m"] == pytest.approx(0.6)


def test_what_cannot_be_read_keeps_nobody_from_being_heard() -> None:
    told = Told()
    told.values["bad"] = b"\xff\xff"
    assert len(told.read(r=state(1.0, 1))) == 1
    assert read_backlog({"bad": b"\xff\xff"}) == []


def test_refused_calls_for_an_unknown_reason_ask_for_no_worker() -> None:
    told = Told()
    now = state(1.0, 5)
    now.models[0].refused.append(RefusedCalls(reason="OF_TOMORROW", calls=2))
    assert [news(event)[1] for event in told.read(r=now)] == [3]


def test_tasks_without_a_deadline_have_all_time() -> None:
    work = [QueuedWork(model="m", tasks=1, rows=1), QueuedWork(model="n", left_s=2.5)]
    (event,) = read_backlog({"s": BacklogState(work=work).SerializeToString()})
    assert [(each.model, each.left_s) for each in event.work] == [("m", inf), ("n", 2.5)]


def test_who_takes_back_what_he_told_has_left_and_who_is_silent_has_not() -> None:
    reader = DemandReader()
    both = {name: state(1.0, 1).SerializeToString() for name in ("leaves", "dies")}
    reader.read(both, 0.0)
    assert reader.read({"dies": both["dies"]}, 2.0) == [TellerLeft("leaves")]
    assert reader.read({}, 10.0) == []
