"""A fleet by itself: no router, no call but a number, no hold queue."""

from random import Random

from hasten_policy.fleet import changes
from hasten_policy.fleet.events import LoadTold, StandingChanged, WorkerJoined
from hasten_policy.fleet.models import ModelView
from hasten_policy.fleet.policy import FleetPolicy
from hasten_policy.fleet.registry import Registry
from hasten_policy.fleet.state import Fleet
from hasten_policy.fleet.workers import ModelEntry, WorkerRecord
from hasten_policy.load import LoadSample, ModelLoad, WorkerReport
from hasten_policy.timers import Timers

MODEL = ModelLoad(
    name="m",
    version="1",
    serves_unversioned=True,
    alpha_s=0.01,
    beta_s=0.001,
    best_s=0.011,
    batch_max=8,
    service_s=0.0,
    depth=0,
    default_timeout_s=0.0,
    ready=True,
)


def load(seq: int) -> LoadSample:
    return LoadSample(seq, 0, 0.0, 0.0, 0, 8, 0.0)


class Meeting:
    """A fleet, what it has said, and the time.

    Attributes:
        said: (worker, standing) of each change.
    """

    def __init__(self, *worker_ids: str) -> None:
        policy = FleetPolicy(slow_start_s=0.0)
        self.said: list[tuple[str, str]] = []
        registry: Registry[ModelView] = Registry(policy, lambda key, _: ModelView(key), 8)
        self.fleet = Fleet(policy, registry, Timers[object](), self._hear)
        for worker_id in worker_ids:
            changes.joined(self.fleet, WorkerJoined(worker_id), 0.0)
            self.report(worker_id)

    def _hear(self, changed: StandingChanged) -> None:
        self.said.append((changed.worker_id, changed.standing))

    def report(self, worker_id: str, incarnation: str = "one", now_s: float = 0.0) -> None:
        report = WorkerReport(incarnation, False, 1, load(1), (MODEL,))
        changes.reported(self.fleet, self.worker(worker_id), report, now_s)

    def worker(self, worker_id: str) -> WorkerRecord:
        return self.fleet.workers[worker_id]

    def send(self, call_id: int) -> ModelEntry:
        """Gives a call to the worker that the balancer chooses."""
        view = self.fleet.registry.find("m", "")
        assert view is not None
        entry = self.fleet.balancer.choose(view, 1.0, Random(1), 0.0)
        assert entry is not None
        entry.worker.sends(call_id, entry, 0.01)
        return entry


def test_a_worker_that_leaves_gives_its_calls_back_in_the_order_sent() -> None:
    made = Meeting("a")
    entries = [made.send(call_id) for call_id in (7, 3, 5)]
    worker = made.worker("a")
    orphans = changes.left(made.fleet, worker)
    assert orphans == list(zip((7, 3, 5), entries, strict=True))
    assert made.said[-1] == ("a", "ready"), "said only when the orphans are dealt with"
    changes.gone(made.fleet, worker)
    assert made.said[-1] == ("a", "gone")
    assert not made.fleet.workers
    assert not made.fleet.registry.views


def test_a_new_process_of_a_worker_has_none_of_the_calls_of_the_one_before() -> None:
    made = Meeting("a")
    entry = made.send(1)
    worker = made.worker("a")
    same = WorkerReport("one", False, 1, load(2), (MODEL,))
    other = WorkerReport("two", False, 1, load(1), (MODEL,))
    assert changes.restarted(worker, same) == []
    assert changes.restarted(worker, other) == [(1, entry)]


def test_a_silent_worker_gives_back_what_can_be_rescued_once() -> None:
    made = Meeting("a", "b", "c")
    entry = made.send(1)
    silent = entry.worker
    for worker in made.fleet.workers.values():
        if worker is not silent:
            changes.told(made.fleet, LoadTold(worker.worker_id, load(2)), 1.5)
    assert changes.check_silence(made.fleet, silent, 1.6) == [(1, entry)]
    assert made.said[-1] == (silent.worker_id, "suspect")
    assert changes.check_silence(made.fleet, silent, 1.9) == []
    changes.heard(made.fleet, silent, load(3), 2.0)
    assert made.said[-1] == (silent.worker_id, "ready")


def test_where_most_are_silent_the_balancer_goes_blind_and_nobody_is_suspected() -> None:
    made = Meeting("a", "b", "c")
    made.send(1)
    assert changes.check_silence(made.fleet, made.worker("a"), 5.0) == []
    assert made.fleet.balancer.blind
    assert [standing for _, standing in made.said if standing == "suspect"] == []


def test_a_call_that_has_ended_is_no_orphan() -> None:
    made = Meeting("a")
    entry = made.send(1)
    made.send(2)
    assert entry.in_flight == 2
    entry.worker.ends(1)
    assert entry.in_flight == 1
    assert [call_id for call_id, _ in changes.left(made.fleet, entry.worker)] == [2]
