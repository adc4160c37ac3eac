"""The lanes of a worker in virtual time: batches that run, and how long they take."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final

from hasten_policy.worker.events import BatchEnded, StartBatch
from hasten_sim.ask import Ask
from hasten_sim.cpu import Process, Work
from hasten_sim.loop import Act, Loop
from hasten_sim.scenario import Scenario
from hasten_sim.tally import Tally

if TYPE_CHECKING:
    from hasten_sim.runs import RunTimes

STOP_S: Final = 0.001
"""Seconds until a terminated run has ended."""


@dataclass(slots=True)
class _Run:
    """One batch on a lane."""

    members: list[Ask]
    began_s: float
    work: Work | None = None


class SimLanes:
    """What runs on one worker.

    Args:
        index: Number of the worker.
        scenario: Whose mesh it is in.
        loop: Virtual time.
        tally: Told of every run.
        process: The worker's CPU; None when runs take as long as they would alone.
        ended: Told of the end of a batch, when the worker's thread of decisions may hear of it.
        delays: Keeps what happens while the worker stands still; False when it does not.

    Attributes:
        times: Of the models, by key.
        busy_s: Seconds of all runs that have ended.
    """

    def __init__(  # noqa: PLR0913, PLR0917  (its place in a worker)
        self,
        index: int,
        scenario: Scenario,
        loop: Loop,
        tally: Tally,
        process: Process | None,
        ended: Callable[[BatchEnded], None],
        delays: Callable[[Act, Any], bool],
    ) -> None:
        self.times: dict[str, RunTimes] = {}
        self.busy_s = 0.0
        self._index = index
        self._lag_s = scenario.mesh.lag_s
        self._threads = scenario.mesh.host.run_threads if scenario.mesh.host else 1.0
        self._loop = loop
        self._tally = tally
        self._process = process
        self._tell = ended
        self._delays = delays
        self._running: dict[int, _Run] = {}
        self._slowness = 1.0
        self._stall_s = 0.0
        self._life = 0

    def slow(self, factor: float) -> None:
        """Runs that begin from now on take `factor` times as long."""
        self._slowness = factor

    def hiccup(self, stall_s: float) -> None:
        """The next run to begin takes so much longer."""
        self._stall_s += stall_s

    def start(self, batch: StartBatch, members: list[Ask]) -> None:
        """Begins to run a batch of these."""
        now_s = self._loop.now_s
        self._running[batch.batch_id] = run = _Run(members, now_s)
        self._tally.began(members, now_s)
        times = self.times[batch.model_key]
        took_s = times.seconds(batch.padded_rows, members[0].length, now_s) * self._slowness
        took_s += self._stall_s
        self._stall_s = 0.0
        ended = (self._life, batch.batch_id, took_s)
        if self._process is None:
            self._loop.at(now_s + took_s, self._ended, ended)
        else:
            run.work = self._process.start(took_s, self._threads, self._done, ended)

    def stop(self, batch_id: int) -> None:
        """Terminates a run."""
        self._loop.at(self._loop.now_s + STOP_S, self._stopped, (self._life, batch_id))

    def die(self) -> None:
        """The process dies, and what runs with it."""
        for run in self._running.values():
            self._tally.ran(run.members, self._index, self._loop.now_s - run.began_s)
            self._give_up(run)
        self._running.clear()
        self._life += 1

    def _done(self, ended: tuple[int, int, float]) -> None:
        """A run is over that may have taken longer than it would have alone."""
        life, batch_id, _ = ended
        self._ended((life, batch_id, self._loop.now_s - self._running[batch_id].began_s))

    def _ended(self, ended: tuple[int, int, float]) -> None:
        life, batch_id, took_s = ended
        if life != self._life or batch_id not in self._running or self._delays(self._ended, ended):
            return
        run = self._running.pop(batch_id)
        self.busy_s += took_s
        self._tally.ran(run.members, self._index, took_s)
        event = BatchEnded(batch_id, self._loop.now_s - run.began_s)
        if self._lag_s:
            self._loop.at(self._loop.now_s + self._lag_s, self._heard, (life, event))
        else:
            self._tell(event)

    def _heard(self, heard: tuple[int, BatchEnded]) -> None:
        if heard[0] == self._life:
            self._tell(heard[1])

    def _stopped(self, stopped: tuple[int, int]) -> None:
        life, batch_id = stopped
        run = self._running.pop(batch_id, None) if life == self._life else None
        if run is None:
            return
        self._give_up(run)
        took_s = self._loop.now_s - run.began_s
        self.busy_s += took_s
        self._tally.ran(run.members, self._index, took_s)
        self._tell(BatchEnded(batch_id, took_s, failed=True, terminated=True))

    def _give_up(self, run: _Run) -> None:
        if self._process is not None and run.work is not None:
            self._process.stop(run.work)
