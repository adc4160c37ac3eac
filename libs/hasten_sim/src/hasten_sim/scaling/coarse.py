"""The demand level instead of calls: days of a pool in a second.

The same arrivals as those of the whole mesh are counted into steps. In each step the workers that
serve do so much work; what waits may be as much as can still be done within the deadline, and
admission refuses the rest. Routers, batches, links and the noise of runs are left out; the
autoscaler's machine and its shell are those of the whole mesh.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from functools import lru_cache
from typing import Final

from hasten_policy.autoscaler.events import DemandTold, LoadTold, ModelDemand
from hasten_policy.autoscaler.policy import AutoscalerPolicy
from hasten_policy.scaling.backlog import QueuedWork
from hasten_sim.figures import Figures
from hasten_sim.loop import Loop
from hasten_sim.pool import PlannedBatch, PoolShape
from hasten_sim.scaling.outcome import Outcome
from hasten_sim.scaling.planned import PlannedWork
from hasten_sim.scaling.profiles import profiles_of
from hasten_sim.scaling.shell import Left, SimAutoscaler, name_of
from hasten_sim.scaling_figures import ScalingFigures
from hasten_sim.scenario import Scenario

STEP_S: Final = 0.5
DRAIN_S: Final = 1.0
"""A worker that drains is gone after so long."""
WAITS_MAX_S: Final = 30.0
"""Nobody waits longer, even without a deadline."""


@dataclass(frozen=True, slots=True)
class Bins:
    """Arrivals by step.

    Attributes:
        calls: Model to calls, by step.
        rows: Model to rows, by step.
    """

    calls: tuple[list[int], ...]
    rows: tuple[list[int], ...]


def binned(scenario: Scenario, seed: int) -> Bins:
    """The arrivals of a run, counted."""
    steps = int(scenario.duration_s / STEP_S) + 1
    models = range(len(scenario.models))
    calls, rows = tuple([0] * steps for _ in models), tuple([0] * steps for _ in models)
    for arrival in scenario.arrivals(seed):
        step = int(arrival.at_s / STEP_S)
        calls[arrival.model][step] += 1
        rows[arrival.model][step] += arrival.rows
    return Bins(calls, rows)


class CoarseMesh:
    """Work that comes, waits and is done, as numbers; a `ScaledMesh`.

    Args:
        scenario: What is simulated.
        bins: Its arrivals.
        loop: Virtual time.
        planned: Batches of tasks beside the calls.
    """

    def __init__(
        self, scenario: Scenario, bins: Bins, loop: Loop, planned: Sequence[PlannedBatch] = ()
    ) -> None:
        self._bins = bins
        self._planned = PlannedWork(planned, scenario.models[0].name, scenario.warmup_s)
        self._loop = loop
        self._warmup_s = scenario.warmup_s
        self._names = [model.name for model in scenario.models]
        profiles = profiles_of(scenario)
        slack_s = min(profile.slack_s for profile in profiles.values())
        self._row_s = [
            1.0 / profiles[name].curve.rows_per_s(profiles[name].slack_s) for name in self._names
        ]
        self._one_s = [model.mean_s(1) for model in scenario.models]
        own_s = max(self._one_s)
        self._waits_s = min(WAITS_MAX_S, max(0.0, slack_s - own_s))
        self._lanes = scenario.mesh.lanes
        self._serving: set[int] = set()
        self._work_s = 0.0
        self._call_s = 1.0
        self._span_s = 0.0
        self._since = [[0, 0] for _ in self._names]
        self._refused = self._alone_s = self._there_s = 0.0
        self._offered = 0
        self._missed = 0.0
        self.busy_s = 0.0

    @property
    def offered(self) -> int:
        """Calls that came and tasks that were due, in the time that is measured."""
        return self._offered + self._planned.offered

    @property
    def missed(self) -> float:
        """Of them refused, or not done in time."""
        return self._missed + self._planned.missed

    def step(self, number: int) -> None:
        """One step: what came, what is done, what is refused."""
        came_s, alone_s, came = 0.0, 0.0, 0
        for model, row_s in enumerate(self._row_s):
            calls, rows = self._bins.calls[model][number], self._bins.rows[model][number]
            came_s, came = came_s + rows * row_s, came + calls
            alone_s += rows * self._one_s[model]
            since = self._since[model]
            since[0] += calls
            since[1] += rows
        if came:
            self._call_s = came_s / came
        workers = len(self._serving)
        work_s = self._work_s + came_s
        done_s = min(work_s, workers * STEP_S)
        work_s -= done_s
        refused_s = max(0.0, work_s - workers * self._waits_s)
        self._work_s = work_s - refused_s
        refused = min(float(came), refused_s / self._call_s)
        spare_s = workers * STEP_S - done_s
        tasks_s = self._planned.step(number * STEP_S, spare_s)
        self._refused += refused
        self._alone_s += alone_s + tasks_s * self._lanes
        self._there_s += workers * STEP_S
        self._span_s += STEP_S
        if number * STEP_S >= self._warmup_s:
            self._offered += came
            self._missed += refused
            self.busy_s += done_s + tasks_s

    # --- what the autoscaler sees and does ------------------------------------------------

    def demand(self) -> DemandTold:
        """As `ScaledMesh`."""
        refused = round(self._refused)
        # What is left of a rounded count is told the next time.
        self._refused -= refused
        models: list[ModelDemand] = []
        for name, (calls, rows) in zip(self._names, self._since, strict=True):
            part = min(calls, refused)
            refused -= part
            models.append(ModelDemand(name, 1, calls, rows, part))
        span_s = max(self._span_s, STEP_S)
        self._since = [[0, 0] for _ in self._names]
        self._span_s = 0.0
        return DemandTold("routers", span_s, tuple(models))

    def loads(self) -> list[LoadTold]:
        """As `ScaledMesh`: all workers are alike."""
        workers = len(self._serving)
        # A worker does not wait for full batches: while calls are few it runs them alone, and is
        # busy for longer than full batches would need.
        there_s = self._there_s * self._lanes
        busy = min(1.0, self._alone_s / there_s) if there_s else 0.0
        self._alone_s = self._there_s = 0.0
        calls = self._work_s / self._call_s / max(1, workers)
        backlog_s = self._work_s / max(1, workers)
        running = round(busy * self._lanes)
        models = tuple(self._names)
        return [
            LoadTold(name_of(index), busy, running, round(calls), backlog_s, 0.0, models)
            for index in sorted(self._serving)
        ]

    def backlog(self) -> tuple[QueuedWork, ...]:
        """As `ScaledMesh`."""
        return self._planned.told(self._loop.now_s)

    def serving(self, index: int) -> bool:
        """As `ScaledMesh`."""
        return index in self._serving

    def start(self, index: int) -> None:
        """As `ScaledMesh`."""
        self._serving.add(index)

    def drain(self, index: int, left: Left) -> None:
        """As `ScaledMesh`."""
        self._serving.discard(index)
        self._loop.at(self._loop.now_s + DRAIN_S, lambda _: left(index))


def coarse_faults(scenario: Scenario) -> str:
    """What of a scenario the demand level does not show; nothing where it shows all."""
    if scenario.faults or set(scenario.mesh.speeds) != {1.0}:
        return f"{scenario.name}: faults and speeds of workers need the whole mesh"
    return ""


def simulate_coarse(
    scenario: Scenario,
    pool: PoolShape,
    policy: AutoscalerPolicy,
    seed: int,
    *,
    rule: str = "",
    load: float = 0.0,
) -> Figures:
    """Runs the autoscaler over the demand of a scenario.

    Args:
        scenario: Mesh, models, arrivals. Faults are not for this.
        pool: Where its workers come from.
        policy: Of the autoscaler.
        seed: Of everything that is drawn.
        rule: What the figures call the policy.
        load: What the figures say of the offered load.

    Raises:
        ValueError: The scenario has faults, or workers of different speeds.
    """
    wrong = coarse_faults(scenario)
    if wrong:
        raise ValueError(wrong)
    bins = _binned(_Run(scenario, seed))
    loop = Loop(0.0)
    mesh = CoarseMesh(scenario, bins, loop, pool.planned)
    outcome = Outcome(scenario.warmup_s, scenario.duration_s)
    shell = SimAutoscaler(scenario, pool, policy, mesh, loop, outcome, seed)
    for index in range(scenario.mesh.workers):
        mesh.start(index)
    shell.begin(scenario.mesh.workers)
    for number in range(len(bins.calls[0])):
        # What is told at the end of a step is what came in it.
        loop.run_before((number + 0.5) * STEP_S)
        mesh.step(number)
    loop.run_before(scenario.duration_s)
    made = outcome.figures(rule or policy.rule, pool.bounds.price_per_h)
    return _figures(scenario, mesh, made, seed, load, shell.events)


class _Run:
    """A scenario and a seed, the same for the runs of all rules: what counts as equal."""

    def __init__(self, scenario: Scenario, seed: int) -> None:
        self.scenario = scenario
        self.seed = seed
        self._key = (scenario.arrivals, scenario.duration_s, seed)

    def __eq__(self, other: object) -> bool:
        return isinstance(other, _Run) and self._key == other._key

    def __hash__(self) -> int:
        return hash((self.scenario.duration_s, self.seed))


@lru_cache(maxsize=8)
def _binned(run: _Run) -> Bins:
    """Counting takes far longer than the run itself: rules share it."""
    return binned(run.scenario, run.seed)


def _figures(
    scenario: Scenario,
    mesh: CoarseMesh,
    made: ScalingFigures,
    seed: int,
    load: float,
    events: int,
) -> Figures:
    missed = min(mesh.offered, round(mesh.missed))
    return Figures(
        scenario=scenario.name,
        policy="coarse",
        load=load,
        seed=seed,
        measured_s=scenario.duration_s - scenario.warmup_s,
        offered=mesh.offered,
        in_time=mesh.offered - missed,
        late=0,
        refused={"overloaded": missed} if missed else {},
        abandoned=0,
        admitted=mesh.offered - missed,
        missed=0,
        executed_late=0,
        busy_s=mesh.busy_s,
        wasted_s=0.0,
        lane_s=made.replica_s * scenario.mesh.lanes,
        latency_ms={},
        refusal_ms={},
        batch_rows_mean=0.0,
        fairness=1.0,
        attainment_by_model={},
        attainment_by_tenant={},
        attainment_by_priority={},
        goodput_by_s=(),
        offered_by_s=(),
        share_by_worker=(),
        events=events,
        scaling=made,
    )
