"""Hard schedules: who gets a part of which worker, and what goes before what."""

from math import inf

import pytest

from hasten_policy.fleet.events import WorkerJoined, WorkerReported
from hasten_policy.load import WorkerReport
from hasten_policy.scheduler.events import QueuePaused, ReservationsTold, Send
from hasten_policy.scheduler.jobs.periods.reserving import Reservation
from hasten_policy.scheduler.orders import TaskFacts, task_place
from hasten_policy.scheduler.policy import OrderPolicy, ReservePolicy
from hasten_policy.scheduler.tasks import RESERVED_OFFSET, Lane
from tests.unit.policy_router.harness import model
from tests.unit.policy_scheduler.harness import Scheduler

HARD = Lane("line", "m", 0)


def reservation(name: str = "cam", **changes: object) -> Reservation:
    values: dict[str, object] = {"model": "m", "period_us": 200_000, "deadline_us": 200_000}
    values.update(changes)
    return Reservation(f"line/schedule:{name}", **values)  # type: ignore[arg-type]


def turn(found: Scheduler, number: int, name: str = "cam", deadline_s: float = 0.2) -> str:
    task_id = f"line/schedule:{name}/{number}"
    _, offset = task_place(OrderPolicy(), TaskFacts(deadline_s, 0, reserved_s=deadline_s))
    found.submit(task_id, offset, lane=HARD, deadline_s=found.now_s + deadline_s)
    return task_id


def sends(found: Scheduler) -> list[Send]:
    return [effect for effect in found.said if isinstance(effect, Send)]


def test_a_turn_goes_before_all_others_whatever_its_tenant_has_had() -> None:
    found = Scheduler(tenant_running_max=1)
    found.tell(ReservationsTold((reservation(),)))
    for number in range(20):
        found.submit(f"bulk-{number}", -1.0 - number, lane=Lane("line", "m", 0))
    found.worker(window=4)
    assert len(found.running) == 1
    task_id = turn(found, 1)
    found.pass_s(0.1)
    assert found.running[1:] == [task_id]
    last = sends(found)[-1]
    assert last.reserved_s == pytest.approx(0.2, abs=0.001)
    assert not any(each.reserved_s for each in sends(found)[:-1])


def test_a_turn_goes_where_calls_wait() -> None:
    found = Scheduler()
    found.tell(ReservationsTold((reservation(),)))
    found.worker(window=8, waiting=5, backlog_s=1.0, arrived=5, depth=5)
    found.submit("bulk", lane=Lane("b", "m", 3))
    assert not found.running
    task_id = turn(found, 1)
    assert found.running == [task_id]


def test_bulk_leaves_a_place_for_each_schedule() -> None:
    found = Scheduler()
    wants = [reservation(name, deadline_us=900_000, period_us=900_000) for name in "ab"]
    found.tell(ReservationsTold(tuple(wants)))
    for number in range(20):
        found.submit(f"bulk-{number}", lane=Lane("b", "m", 3))
    found.worker(window=6)
    found.pass_s(0.1)
    assert len(found.running) == 4
    assert "reserved" in found.hurdles("bulk-9")
    one, other = turn(found, 1, "a"), turn(found, 1, "b")
    assert {one, other} < set(found.running)


def test_each_schedule_has_its_own_worker_while_there_is_one() -> None:
    found = Scheduler()
    found.worker("w1", n_s=0.05)
    found.worker("w2", n_s=0.05)
    wants = [reservation(name, run_us=110_000, deadline_us=200_000) for name in "ab"]
    found.tell(ReservationsTold(tuple(wants)))
    a, b = turn(found, 1, "a"), turn(found, 1, "b")
    where = {found.at[found.attempt_of(task)][0] for task in (a, b)}
    assert where == {"w1", "w2"}


def test_without_its_worker_a_turn_goes_to_another() -> None:
    found = Scheduler()
    found.worker("w1")
    found.worker("w2")
    found.tell(ReservationsTold((reservation(),)))
    task_id = turn(found, 1)
    (first,) = [worker for worker, _ in found.at.values()]
    found.die(first)
    found.pass_s(0.1)
    assert task_id in found.running
    assert {worker for worker, _ in found.at.values()} == {"w1", "w2"} - {first}


def test_a_pause_holds_turns_too() -> None:
    found = Scheduler()
    found.worker()
    found.tell(ReservationsTold((reservation(),)))
    found.tell(QueuePaused("line", None))
    turn(found, 1)
    assert not found.running


def test_the_figure_that_fails_is_told() -> None:
    found = Scheduler()
    found.worker("w", n_s=0.05)  # one run of "n" blocks 77 ms with its spread and overhead
    machine = found.machine
    assert machine.misfits(reservation(run_us=50_000), ()) == ()
    (late,) = machine.misfits(reservation(run_us=50_000, deadline_us=60_000), ())
    assert late.name == "line/schedule:cam"
    # 20 ms until it is there, 77 ms of "n", 65 ms of a full batch of "m".
    assert "could end 162.001 ms after its time, and its deadline is 60 ms" in late.figure
    (much,) = machine.misfits(reservation(run_us=150_000), ())
    assert "0.75 of worker w's time would be reserved, and at most 0.7 may be" in much.figure
    (nowhere,) = machine.misfits(reservation(model="x"), ())
    assert nowhere.figure == "no worker serves 'x' now"


def test_one_that_would_make_another_late_is_refused_for_that() -> None:
    found = Scheduler()
    found.worker("w")
    there = reservation("there")
    found.tell(ReservationsTold((there,)))
    wanted = reservation("new", run_us=150_000, period_us=1_000_000, deadline_us=1_000_000)
    (misfit,) = found.machine.misfits(wanted, (there,))
    assert misfit.name == "line/schedule:new"
    assert "line/schedule:there could end" in misfit.figure
    found.worker("w2")
    assert found.machine.misfits(wanted, (there,)) == ()


def test_long_bulk_is_kept_from_workers_with_reservations_and_told_why() -> None:
    found = Scheduler()
    found.tell(WorkerJoined("w"))
    by_size = model("m", gamma_s=1e-4, size=10.0)
    found.tell(WorkerReported("w", WorkerReport("1", False, 1, found.load(), (by_size,))))
    found.tell(ReservationsTold((reservation(),)))
    found.submit("long", lane=Lane("b", "m", 3), elements=5000)
    found.pass_s(0.1)
    assert not found.running
    assert found.hurdles("long") == ["reserved"]
    found.tell(ReservationsTold(()))
    found.pass_s(0.1)
    assert found.running == ["long"]


def test_a_place_with_a_reservation_is_before_all_others_in_every_order() -> None:
    for order in ("edf", "rate_monotonic", "fifo", "priority", "weighted_fair"):
        policy = OrderPolicy(order=order)
        factor, offset = task_place(policy, TaskFacts(0.5, 0, reserved_s=0.5))
        assert (factor, offset) == (0.0, RESERVED_OFFSET + 0.5)
        others = [TaskFacts(left_s, 0) for left_s in (0.0, 1.0, inf)]
        assert all(offset < task_place(policy, each)[1] for each in others)


def test_parameters_out_of_range_are_refused() -> None:
    for bad in ({"reserve_share_max": 1.1}, {"reserve_spread": 0.9}, {"reserve_jitter_s": -1.0}):
        with pytest.raises(ValueError, match="reserve_"):
            ReservePolicy(**bad)
