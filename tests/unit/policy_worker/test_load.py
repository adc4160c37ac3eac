"""What a worker says of its load."""

from math import inf

import pytest

from hasten_policy.batching import BatchingPolicy
from hasten_policy.worker.events import (
    BatchEnded,
    CallCancelled,
    DrainBegan,
    LinkClosed,
    LinkOpened,
    ModelClosed,
)
from hasten_policy.worker.policy import WorkerPolicy
from tests.unit.policy_worker.harness import (
    PretendedWorker,
    call,
    load_of,
    model,
    report_of,
    starts,
    worker,
)


def window(pretended: PretendedWorker, link_id: int = 1) -> int:
    return load_of(pretended.machine, link_id, now_s=pretended.now_s).window


def test_an_idle_worker_has_no_load_and_counts_its_reports() -> None:
    machine = worker().machine
    first, second = load_of(machine, 0, now_s=0.0), load_of(machine, 0, now_s=0.0)
    assert second.seq == first.seq + 1
    assert (first.depth, first.backlog_s, first.residual_s) == (0, 0.0, 0.0)


def test_depth_and_backlog_count_batches_not_calls() -> None:
    pretended = worker()
    for call_id in range(1, 35):
        pretended.send(call(call_id, 50.0))
    load = load_of(pretended.machine, 0, now_s=0.0)
    typical_s = pretended.machine.predictor("m/1").typical_s
    assert (load.depth, load.waiting) == (34, 33)
    # One runs; 33 wait: a full batch and one more.
    wanted_s = typical_s(1, 1.0) + typical_s(32, 1.0) + typical_s(1, 1.0)
    assert load.backlog_s == pytest.approx(wanted_s)
    assert load.residual_s == pytest.approx(typical_s(1, 1.0))


def test_lanes_share_the_backlog_and_a_free_lane_is_free_now() -> None:
    pretended = worker(policy=WorkerPolicy(lanes=2))
    pretended.send(call(1, 50.0))
    load = load_of(pretended.machine, 0, now_s=0.004)
    typical_s = pretended.machine.predictor("m/1").typical_s(1, 1.0)
    assert load.backlog_s == pytest.approx((typical_s - 0.004) / 2)
    assert load.residual_s == 0.0


def test_a_run_that_takes_longer_than_thought_is_expected_to_go_on_for_a_while() -> None:
    pretended = worker()
    pretended.send(call(1, 50.0))
    assert load_of(pretended.machine, 0, now_s=4.0).residual_s == pytest.approx(0.4)


def test_calls_are_counted_per_link_refused_ones_too() -> None:
    pretended = worker()
    pretended.send(LinkOpened(1))
    pretended.send(LinkOpened(2))
    pretended.send(call(1, 5.0, link_id=1))
    pretended.send(call(2, 0.0, link_id=1))
    pretended.send(call(3, 5.0, link_id=2))
    received = [load_of(pretended.machine, link, now_s=0.0).received for link in (0, 1, 2, 9)]
    assert received == [0, 2, 1, 0]


def test_the_window_lets_every_lane_find_a_second_batch() -> None:
    assert window(worker()) == 64
    assert window(worker(policy=WorkerPolicy(lanes=3))) == 192


def test_one_call_at_a_time_needs_a_window_of_two() -> None:
    pretended = worker(model(batch_max=1, profile=((1, 1, 0.3),) * 3))
    pretended.send(LinkOpened(1))
    assert window(pretended) == 2


def test_the_window_shrinks_to_batches_that_the_deadlines_allow() -> None:
    pretended = worker()
    for index in range(60):
        pretended.at(float(index), call(index + 1, 0.020))
    pretended.run()
    # 20 ms hold a batch of nine rows, however long ago most of the steady runs were.
    assert window(pretended) == 18


def test_the_window_counts_calls_of_many_rows_as_such() -> None:
    pretended = worker()
    for index in range(60):
        pretended.at(float(index), call(index + 1, 5.0, rows=8))
    pretended.run()
    assert window(pretended) == 8


def test_busy_links_share_the_window_and_idle_ones_leave_theirs() -> None:
    pretended = worker()
    for link_id in (1, 2):
        pretended.send(LinkOpened(link_id))
    assert (window(pretended, 1), window(pretended, 2)) == (44, 44), "32 and twice its root"
    pretended.now_s = 5.0
    pretended.send(call(1, 5.0, link_id=1))
    assert (window(pretended, 1), window(pretended, 2)) == (64, 44)
    for link_id in range(3, 200):
        pretended.send(LinkOpened(link_id))
    assert window(pretended, 1) == 1


def test_waiting_calls_are_told_by_the_model_s_place_in_the_report() -> None:
    pretended = worker(model("a"), model("b"), model("c"))
    assert load_of(pretended.machine, 0, now_s=0.0).waiting_of == ()
    pretended.send(call(1, 5.0, model_key="a/1"))
    for call_id, key in ((2, "c/1"), (3, "b/1"), (4, "c/1")):
        pretended.send(call(call_id, 5.0, model_key=key))
    assert load_of(pretended.machine, 0, now_s=0.0).waiting_of == ((2, 2), (1, 1)), "most first"
    pretended.send(ModelClosed("a/1"))
    pretended.send(BatchEnded(1, 0.011))
    names = [m.name for m in report_of(pretended.machine, 0, now_s=0.0).models]
    assert names == ["b", "c"]
    load = load_of(pretended.machine, 0, now_s=0.0)
    assert load.waiting == sum(calls for _, calls in load.waiting_of)
    assert {names[place] for place, _ in load.waiting_of} <= {"b", "c"}


def test_each_waiting_model_is_told_when_its_next_batch_begins() -> None:
    pretended = worker(*(model(name) for name in "abc"))
    assert load_of(pretended.machine, 0, now_s=0.0).starts_s == ()
    pretended.send(call(1, 5.0, model_key="a/1"))
    pretended.send(call(2, 0.9, model_key="c/1"))
    for call_id in (3, 4):
        pretended.send(call(call_id, 1.0, model_key="b/1"))
    load = load_of(pretended.machine, 0, now_s=0.004)
    assert [place for place, _ in load.waiting_of] == [1, 2]
    assert load.starts_s == pytest.approx((0.018, 0.007), rel=0.05), "c is due before b"
    [batch] = starts(pretended.send(BatchEnded(1, 0.011)))
    assert batch.model_key == "c/1"


def test_no_more_than_32_models_are_named_with_their_waiting_calls() -> None:
    pretended = worker(*(model(f"m{number}") for number in range(40)))
    pretended.send(call(1, 50.0, model_key="m0/1"))
    for number in range(40):
        pretended.send(call(number + 2, 50.0, model_key=f"m{number}/1"))
    assert len(load_of(pretended.machine, 0, now_s=0.0).waiting_of) == 32


def test_calls_of_all_links_are_counted_those_of_closed_ones_too() -> None:
    pretended = worker()
    for link_id in (1, 2):
        pretended.send(LinkOpened(link_id))
        pretended.send(call(link_id, 5.0, link_id=link_id))
    pretended.send(LinkClosed(2))
    load = load_of(pretended.machine, 1, now_s=0.0)
    assert (load.received, load.arrived) == (1, 2)


def test_a_draining_worker_offers_no_window() -> None:
    pretended = worker()
    pretended.send(DrainBegan())
    assert window(pretended) == 0


def test_the_service_time_is_of_the_model_answered_last_per_call() -> None:
    pretended = worker(model(), model("n"))
    pretended.send(call(1, 5.0))
    assert load_of(pretended.machine, 0, now_s=0.0).service_s == 0.0
    for call_id in range(2, 6):
        pretended.send(call(call_id, 5.0))
    pretended.send(BatchEnded(1, 0.011))
    assert load_of(pretended.machine, 0, now_s=0.0).service_s == pytest.approx(0.011)
    pretended.send(BatchEnded(2, 0.014))
    # Four calls of 3.5 ms each, at a weight of a twentieth per call.
    wanted_s = 0.011 + (1.0 - 0.95**4) * (0.0035 - 0.011)
    assert load_of(pretended.machine, 0, now_s=0.0).service_s == pytest.approx(wanted_s)


def test_the_report_describes_each_model() -> None:
    pretended = worker(model(default_timeout_s=2.0), model("n", serves_unversioned=False))
    pretended.send(call(1, 5.0))
    pretended.send(call(2, inf, model_key="n/1"))
    pretended.send(ModelClosed("n/1"))
    report = report_of(pretended.machine, 0, now_s=0.0)
    assert (report.incarnation, report.draining, report.lanes) == ("abc", False, 1)
    m, n = report.models
    assert (m.name, m.version, m.ready, m.serves_unversioned) == ("m", "1", True, True)
    assert (n.name, n.ready, n.serves_unversioned, n.depth) == ("n", False, False, 1)
    predictor = pretended.machine.predictor("m/1")
    assert m.alpha_s + m.beta_s == pytest.approx(predictor.typical_s(1, 1.0))
    assert m.alpha_s + 32 * m.beta_s == pytest.approx(predictor.typical_s(32, 1.0))
    assert m.best_s == pytest.approx(0.011)
    assert (m.batch_max, m.default_timeout_s) == (32, 2.0)
    assert (m.size, m.target_rows, m.rows_mean, m.unlike) == (1.0, 32, 1.0, 0.0)
    assert m.gamma_s == predictor.gamma_s


def test_the_reported_line_goes_through_one_row_and_the_batch_that_the_slack_allows() -> None:
    pretended = worker()
    pretended.send(call(1, 5.0))
    for call_id in range(2, 34):
        pretended.send(call(call_id, 0.051))
    m = report_of(pretended.machine, 0, now_s=0.0).models[0]
    predictor = pretended.machine.predictor("m/1")
    # Of 50 ms at the margin half is for the batch before it, and a sixth is caution: 21.4 ms.
    assert m.target_s == pytest.approx(0.050 / 2 / (1 + 0.3 * 0.25 / 0.45))
    assert m.target_rows == 11
    assert m.alpha_s + 11 * m.beta_s == pytest.approx(predictor.typical_s(11, 1.0))
    pretended = worker(policy=WorkerPolicy(lanes=4))
    for call_id in range(1, 40):
        pretended.send(call(call_id, 0.051))
    m = report_of(pretended.machine, 0, now_s=0.0).models[0]
    assert m.target_s == pytest.approx(0.050 / 1.25 / (1 + 0.3 * 0.25 / 0.45))


def test_the_report_tells_the_usual_size_and_how_often_it_changes() -> None:
    pretended = worker(model(profile=((1, 24, 0.01), (4, 96, 0.02))))
    m = report_of(pretended.machine, 0, now_s=0.0).models[0]
    assert (m.size, m.rows_mean, m.target_s) == (24.0, 0.0, 0.0), "of the profile, as yet"
    for call_id in range(1, 200):
        rows = 1 + call_id % 2
        event = call(call_id, 50.0, rows=rows, elements=64 * rows, shape_key=call_id % 4 == 0)
        pretended.send(event)
    m = report_of(pretended.machine, 0, now_s=0.0).models[0]
    assert m.size == 64.0
    assert m.rows_mean == pytest.approx(1.5, abs=0.1)
    assert m.unlike == pytest.approx(0.5, abs=0.1)


def test_a_line_steeper_than_in_proportion_goes_through_the_origin() -> None:
    steep = ((1, 1, 0.001), (8, 8, 0.08)) * 3
    pretended = worker(model(batch_max=8, profile=steep))
    m = report_of(pretended.machine, 0, now_s=0.0).models[0]
    seconds = pretended.machine.predictor("m/1").typical_s(8, 1.0)
    assert m.alpha_s == 0.0
    assert m.beta_s == pytest.approx(seconds / 8)
    single = worker(model(batch_max=1, profile=((1, 1, 0.3),) * 3))
    m = report_of(single.machine, 0, now_s=0.0).models[0]
    assert m.alpha_s == pytest.approx(0.3)
    assert m.beta_s == 0.0


def test_a_draining_worker_has_no_ready_model() -> None:
    pretended = worker()
    pretended.send(DrainBegan())
    report = report_of(pretended.machine, 0, now_s=0.0)
    assert report.draining
    assert not report.models[0].ready


def test_an_unknown_model_has_no_predictor() -> None:
    with pytest.raises(KeyError):
        worker().machine.predictor("x/1")


def test_what_is_of_the_lowest_class_is_told_apart() -> None:
    pretended = worker()
    pretended.send(LinkOpened(1))
    for call_id, priority in enumerate((1, 3, 3, 0, 3), start=1):
        pretended.send(call(call_id, 50.0, priority=priority, link_id=1))
    load = load_of(pretended.machine, 1, now_s=pretended.now_s)
    assert (load.waiting, load.waiting_batch) == (4, 3)
    assert (load.arrived, load.arrived_batch) == (5, 3)
    pretended.send(CallCancelled(2))
    load = load_of(pretended.machine, 1, now_s=pretended.now_s)
    assert (load.waiting, load.waiting_batch) == (3, 2)


def test_what_whatever_has_a_deadline_goes_before_is_told_apart() -> None:
    pretended = worker(model("m"), model("n"))
    pretended.send(LinkOpened(1))
    pretended.send(call(1, 50.0))
    assert load_of(pretended.machine).backlog_guests_s == 0.0
    for call_id in range(2, 6):
        pretended.send(call(call_id, priority=3, model_key="n/1"))
    load = load_of(pretended.machine)
    assert load.backlog_guests_s == pytest.approx(0.014)
    assert load.backlog_s == pytest.approx(0.011 + 0.014)
    pretended.send(call(6, 50.0, priority=3, model_key="n/1"))
    load = load_of(pretended.machine)
    assert load.backlog_s == pytest.approx(0.011 + 0.015, rel=1e-4)
    assert load.backlog_guests_s == pytest.approx(0.004, rel=1e-4), "they join a batch"
    for call_id in range(2, 6):
        pretended.send(CallCancelled(call_id))
    assert load_of(pretended.machine).backlog_guests_s == 0.0


def test_where_the_first_to_come_go_first_nobody_stands_back() -> None:
    policy = WorkerPolicy(batching=BatchingPolicy(order="fifo"))
    pretended = worker(policy=policy)
    for call_id in range(1, 4):
        pretended.send(call(call_id, priority=3))
    load = load_of(pretended.machine)
    assert (load.waiting_batch, load.backlog_guests_s) == (2, 0.0)


def test_what_routers_refused_is_added_up() -> None:
    pretended = worker()
    pretended.send(LinkOpened(1))
    for call_id, refused in ((1, 0), (2, 3), (3, 4)):
        pretended.send(call(call_id, refused_before=refused))
    assert load_of(pretended.machine, 1).refused == 7
