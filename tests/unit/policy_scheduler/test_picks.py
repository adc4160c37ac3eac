"""Which task is picked, and why another is not yet."""

from itertools import pairwise

from hasten_policy.fleet.events import WorkerJoined, WorkerReported
from hasten_policy.load import WorkerReport
from hasten_policy.reasons import Reason
from hasten_policy.scheduler.events import QueuePaused, QueueResumed, ReadLanes, Send
from hasten_policy.scheduler.tasks import Lane
from tests.unit.policy_router.harness import model
from tests.unit.policy_scheduler.harness import Scheduler


def test_the_least_place_of_all_lanes_goes_first() -> None:
    found = Scheduler()
    for at, place in enumerate([3.0, 1.0, 2.0, 0.0, 5.0, 4.0]):
        lane = Lane("", "mn"[at % 2], at % 3)
        found.submit(f"t{place:.0f}", place, lane=lane)
    found.worker(window=1)
    for _ in range(6):
        (task_id,) = found.running
        found.answer(task_id, window=1)
    order = [e.attempt for e in found.said if isinstance(e, Send)]
    assert all(one < two for one, two in pairwise(order))
    assert [task.runs for task in found.store.tasks.values()] == [1] * 6
    picked = sorted(found.store.tasks, key=lambda task_id: found.store.tasks[task_id].attempt)
    assert picked == ["t0", "t1", "t2", "t3", "t4", "t5"]


def test_a_long_lane_is_read_in_windows() -> None:
    found = Scheduler(lane_heads_max=8, lane_poll_s=0.0)
    for number in range(100):
        found.submit(f"t{number:02d}", number)
    found.worker(window=1)
    for number in range(100):
        assert found.running == [f"t{number:02d}"]
        assert found.machine.counts.known <= 8
        found.pass_s(0.05)
        found.answer(f"t{number:02d}", window=1)
    reads = [effect for effect in found.said if isinstance(effect, ReadLanes)]
    assert len(reads) < 40


def test_what_goes_before_all_that_is_known_is_asked_for() -> None:
    found = Scheduler(lane_heads_max=4, lane_poll_s=0.0)
    for number in range(10):
        found.submit(f"t{number}", 10.0 + number)
    found.pass_s(0.1)
    reads = len(found.said)
    found.submit("last", 99.0)
    assert not [e for e in found.said[reads:] if isinstance(e, ReadLanes)]
    found.submit("first", 1.0)
    found.pass_s(0.1)
    found.worker(window=1)
    assert found.running == ["first"]


def test_a_pause_holds_tasks_back_until_it_is_taken_back() -> None:
    found = Scheduler()
    found.worker()
    for pause in [(None, None), ("a", None), (None, "m"), ("a", "m")]:
        found.tell(QueuePaused(*pause))
        name = f"t{pause}"
        found.submit(name, lane=Lane("a", "m", 1))
        assert found.running == []
        assert found.hurdles(name) == ["paused"]
        found.submit("other", lane=Lane("b", "n", 1))
        assert ("other" in found.running) == (pause != (None, None))
        found.tell(QueueResumed(*pause))
        assert name in found.running
        for task_id in list(found.running):
            found.answer(task_id)


def test_only_so_many_with_one_key_run() -> None:
    found = Scheduler()
    found.worker()
    for number in range(5):
        found.submit(f"k{number}", number, key="k", key_max=2)
    found.submit("free", 9.0)
    assert found.running == ["k0", "k1", "free"]
    assert found.hurdles("k2")[0] == "key_busy"
    found.answer("k1")
    assert found.running == ["k0", "free", "k2"]
    for name in ("k0", "k2", "k3", "k4"):
        found.answer(name)
    assert found.running == ["free"]


def test_only_so_many_of_one_tenant_run() -> None:
    found = Scheduler(tenant_running_max=2, tenant_running=(("vip", 3),))
    found.worker()
    for number in range(4):
        found.submit(f"a{number}", number, lane=Lane("a", "m", 1))
        found.submit(f"v{number}", number, lane=Lane("vip", "m", 1))
    assert sorted(found.running) == ["a0", "a1", "v0", "v1", "v2"]
    assert "tenant_limit" in found.hurdles("a2")


def test_a_task_says_what_must_happen_first() -> None:
    found = Scheduler()
    found.submit("t")
    assert found.hurdles("t") == ["no_worker"]
    found.worker(window=0)
    assert found.hurdles("t") == ["workers_full"]
    found.submit("u", 1.0)
    assert found.hurdles("u") == ["workers_full", "behind_others"]
    lane = Lane("", "m", 1)
    assert found.machine.explain(7, lane, "t", now_s=0.0).hurdles[0].name == "not_owned"
    found.told(window=1)
    where = found.machine.explain(0, lane, "t", now_s=found.now_s)
    assert (where.standing, where.worker_id, where.hurdles) == ("running", "w", ())
    unknown = found.machine.explain(0, lane, "x", now_s=found.now_s)
    assert unknown.ahead == -1


def test_tasks_stay_away_from_a_worker_where_calls_wait() -> None:
    found = Scheduler(slack_calls_s=0.01)
    found.worker()
    found.told(depth=3, waiting=2, backlog_s=0.03, residual_s=0.01)
    found.submit("t")
    assert found.running == []
    assert found.hurdles("t") == ["calls_wait"]
    assert found.machine.counts.gates_shut == 1
    # Half as much is not little enough to open, as it was shut; a third is.
    found.told(depth=2, waiting=1, backlog_s=0.016, residual_s=0.01)
    assert found.running == []
    found.told(depth=2, waiting=1, backlog_s=0.013, residual_s=0.01)
    assert found.running == ["t"]


def test_tasks_of_other_schedulers_are_no_calls() -> None:
    found = Scheduler(slack_calls_s=0.01)
    found.worker()
    found.told(depth=9, waiting=8, waiting_batch=8, backlog_s=0.3, residual_s=0.01)
    found.submit("t")
    assert found.running == ["t"]


def test_beside_calls_a_worker_gets_few_tasks_and_more_when_it_runs_dry() -> None:
    found = Scheduler(slack_own_s=0.1)
    found.worker()
    for at in range(1, 9):
        found.pass_s(0.1)
        found.told(arrived=10 * at)
    for number in range(20):
        found.submit(f"t{number:02d}", number)
    found.pass_s(0.1)
    before = len(found.running)
    assert before == 5, "a sixteenth of 100 ms is full with five of 1.3 ms"
    for _ in range(6):
        found.answer(found.running[0], arrived=90)
    assert len(found.running) == 8, "seven sixteenths are more than the credits"
    for _ in range(4):
        found.refuse(found.running[0], Reason.OVERLOADED)
    while len(found.running) > 5:
        found.answer(found.running[0], depth=1, arrived=90)
    waiting = found.machine.counts.known
    found.answer(found.running[0], depth=1, arrived=90)
    assert len(found.running) == 5, "four refusals leave no more than there was"
    assert found.machine.counts.known == waiting - 1


def test_where_no_calls_come_batches_are_full() -> None:
    found = Scheduler(slack_own_s=0.001)
    found.worker(window=200)
    for number in range(100):
        found.submit(f"t{number:02d}", number)
    found.pass_s(0.1)
    # Two batches of 32 are 84 ms; tasks of the first one that is asked for are worth 1.3 ms each.
    assert 64 <= len(found.running) <= 65, "rounded"


def test_a_long_task_keeps_one_lane_and_leaves_the_others_to_short_ones() -> None:
    found = Scheduler(slack_own_s=0.025)
    found.worker(window=1000, lanes=4, n_s=60.0)
    found.submit("long", 0.0, lane=Lane("", "n", 1))
    for number in range(400):
        found.submit(f"t{number:03d}", 1.0 + number)
    found.pass_s(0.1)
    short = [task_id for task_id in found.running if task_id != "long"]
    assert "long" in found.running
    # Three lanes with two batches of 32 each, which are 84 ms: 194 of 1.3 ms.
    assert 190 <= len(short) <= 195
    for task_id in short:
        found.answer(task_id, window=1000, depth=1)
    assert len(found.running) > 190, "and go on, one after another"


def test_long_tasks_fill_all_lanes_where_no_calls_come() -> None:
    found = Scheduler(slack_own_s=0.025)
    found.worker(window=1000, lanes=4, n_s=60.0)
    for number in range(20):
        found.submit(f"n{number:02d}", number, lane=Lane("", "n", 1))
    found.pass_s(0.1)
    assert 4 <= len(found.running) <= 8


def test_beside_calls_one_long_task_is_all_that_a_worker_gets() -> None:
    found = Scheduler(slack_own_s=0.025)
    found.worker(window=1000, lanes=4, n_s=60.0)
    for at in range(1, 9):
        found.pass_s(0.1)
        found.told(window=1000, arrived=10 * at)
    for number in range(20):
        found.submit(f"n{number:02d}", number, lane=Lane("", "n", 1))
    found.pass_s(0.1)
    assert found.running == ["n00"]


def test_parts_of_many_rows_go_to_workers_apart_whatever_calls_took_there() -> None:
    found = Scheduler()
    # One worker has answered a large call, so that a call there seems dear: 0.8 s, against 25 ms.
    for name, service_s in (("one", 0.8), ("other", 0.0)):
        found.tell(WorkerJoined(name))
        rows = model("m", alpha_s=0.0, beta_s=0.025, best_s=0.025, service_s=service_s)
        report = WorkerReport("1", False, 1, found.load(), (rows,))
        found.tell(WorkerReported(name, report))
    for number in range(2):
        found.submit(f"part{number}", number, rows=16, elements=1024)
    found.pass_s(0.1)
    assert sorted(worker for worker, _ in found.at.values()) == ["one", "other"]
