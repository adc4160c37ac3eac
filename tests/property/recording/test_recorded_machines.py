"""Whatever happens to a machine: its log gives the same effects again."""

from pathlib import Path
from random import Random
from tempfile import TemporaryDirectory

from hypothesis import HealthCheck, settings

from hasten_policy.eventlog import encode_header
from hasten_policy.router.machine import RouterMachine
from hasten_policy.router.policy import RouterPolicy
from hasten_policy.scheduler.machine import SchedulerMachine
from hasten_policy.scheduler.policy import SchedulerPolicy
from hasten_policy.worker.machine import WorkerMachine
from hasten_policy.worker.policy import WorkerPolicy
from hasten_runtime.recording import Recorded, Recorder
from hasten_runtime.recording.recorder import RecorderLimits
from hasten_sim.replay import replay
from tests.property.policy_router import test_machine as routers
from tests.property.policy_scheduler import test_machine as schedulers
from tests.property.policy_scheduler import watched
from tests.property.policy_worker import test_machine as workers

SEED = 7
SETTINGS = settings(
    max_examples=30,
    stateful_step_count=40,
    deadline=None,
    suppress_health_check=list(HealthCheck),
)


class Log:
    """A log in a folder of its own."""

    def __init__(self, policy: RouterPolicy | SchedulerPolicy | WorkerPolicy) -> None:
        self._folder = TemporaryDirectory()
        self._path = Path(self._folder.name) / "log"
        header = encode_header(policy, seed=SEED, about={})
        limits = RecorderLimits(bytes_max=10**7)
        self.recorder = Recorder(self._path.open("wb"), "log", header, limits)

    def check(self, events_min: int) -> None:
        """It is whole, and every effect comes out as it was."""
        self.recorder.close()
        outcome = replay(self._path)
        assert outcome.first_difference is None
        assert outcome.end == "closed"
        assert outcome.events >= events_min
        self._folder.cleanup()


class RecordedRouter(routers.Router):
    """Any events at any time, recorded."""

    def __init__(self) -> None:
        super().__init__()
        self.recorded = Log(routers.POLICY)
        self.machine = RouterMachine(routers.POLICY, rng=Random(SEED))
        self.told = Recorded(self.machine, self.recorded.recorder)

    def teardown(self) -> None:
        super().teardown()
        self.recorded.check(len(self.log))


class RecordedScheduler(schedulers.Scheduler):
    """Any events at any time, recorded."""

    def __init__(self) -> None:
        super().__init__()
        self.recorded = Log(watched.POLICY)
        self.machine = SchedulerMachine(watched.POLICY, rng=Random(SEED))
        self.told = Recorded(self.machine, self.recorded.recorder)

    def teardown(self) -> None:
        super().teardown()
        self.recorded.check(len(self.log))


class RecordedWorker(workers.Worker):
    """Any events at any time, recorded; the invariants ask for the load after each."""

    def __init__(self) -> None:
        super().__init__()
        self.recorded = Log(workers.POLICY)
        self.machine = WorkerMachine(workers.POLICY)
        self.told = Recorded(self.machine, self.recorded.recorder)

    def teardown(self) -> None:
        super().teardown()
        self.recorded.check(len(self.log))


RecordedRouter.TestCase.settings = SETTINGS
RecordedScheduler.TestCase.settings = SETTINGS
RecordedWorker.TestCase.settings = SETTINGS
TestRecordedScheduler = RecordedScheduler.TestCase
TestRecordedRouter = RecordedRouter.TestCase
TestRecordedWorker = RecordedWorker.TestCase
