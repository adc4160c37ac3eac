"""What is simulated, resolved: plain values that the event loop reads.

Workload files (`hasten_sim.workload`) become a Scenario; so do measured model profiles. The
simulated mesh knows nothing of either.
"""

from bisect import bisect_left
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from typing import Literal, NamedTuple

from hasten_sim.lengths import ONE, Lengths
from hasten_sim.pool import PoolShape


@dataclass(frozen=True, slots=True)
class BatchTimes:
    """Seconds that a batch takes on a worker of speed 1, before noise.

    Attributes:
        alpha_s: Fixed part of the line alpha_s + beta_s * rows.
        beta_s: Seconds a row.
        element_s: Seconds more for each element: for rows of length n, n times that a row.
        square_s: Seconds more a row, times the square of its length: what attention costs.
        points: Measured (rows, seconds), ascending in rows; when given, they replace the line.
            Between two points the time is interpolated, beyond the last it grows in proportion.
    """

    alpha_s: float = 0.0
    beta_s: float = 0.0
    points: tuple[tuple[int, float], ...] = ()
    element_s: float = 0.0
    square_s: float = 0.0

    def seconds(self, rows: int, length: float = 1.0, square: float = 0.0) -> float:
        """Seconds of a batch of `rows` >= 1 rows.

        Args:
            rows: How many.
            length: Of each of them.
            square: Mean of the squares of their lengths; 0 where they are alike.
        """
        if not self.points:
            line_s = self.alpha_s + self.beta_s * rows
            if self.element_s or self.square_s:
                square = square or length * length
                line_s += rows * (self.element_s * length + self.square_s * square)
            return line_s
        at = bisect_left(self.points, (rows, 0.0))
        if at == len(self.points):
            last_rows, last_s = self.points[-1]
            return last_s * rows / last_rows
        upper_rows, upper_s = self.points[at]
        if upper_rows == rows or at == 0:
            return upper_s
        lower_rows, lower_s = self.points[at - 1]
        return lower_s + (upper_s - lower_s) * (rows - lower_rows) / (upper_rows - lower_rows)


@dataclass(frozen=True, slots=True)
class Noise:
    """How runs differ from `BatchTimes`.

    Attributes:
        cv: Coefficient of variation of a log-normal factor of mean 1; 0 for none.
        tail_share: Share of runs that take `tail_factor` times as long on top.
        tail_factor: See tail_share.
        drift_cv: Coefficient of variation of a second such factor, that drifts: runs that follow
            each other are slow or fast together.
        drift_s: Seconds after which 1/e of a deviation of it is left.
        stall_every_s: Mean time between stalls, which come at random; 0 for none.
        stall_s: The run that meets one takes so much longer.
    """

    cv: float = 0.0
    tail_share: float = 0.0
    tail_factor: float = 1.0
    drift_cv: float = 0.0
    drift_s: float = 1.0
    stall_every_s: float = 0.0
    stall_s: float = 0.0


ProfiledAt = Literal["lengths", "length_1", "never"]


@dataclass(frozen=True, slots=True)
class ModelShape:
    """One model.

    Attributes:
        name: Unique.
        times: Seconds of a batch.
        batch_max: Most rows in a batch.
        share: Its share of the arrivals, relative to the others'.
        noise: How runs differ.
        profiled_factor: The load-time profile is this times the truth: an estimator that starts
            biased. 1 for an honest one.
        profiled_at: What that profile is made with: the lengths that requests have, rows of
            length 1 whatever requests have, or nothing: there is none.
        lengths: Of the rows of its requests. Only requests of one length share a batch.
        replicas: Workers that hold it; 0 for all.
        memory_mb: What it takes on a worker.
        load_s: Seconds until a worker that begins to load it is warm.
    """

    name: str
    times: BatchTimes
    batch_max: int = 1
    share: float = 1.0
    noise: Noise = Noise()
    profiled_factor: float = 1.0
    replicas: int = 0
    memory_mb: float = 0.0
    load_s: float = 0.0
    profiled_at: ProfiledAt = "lengths"
    lengths: Lengths = ONE

    def mean_s(self, rows: int) -> float:
        """Seconds of a batch of `rows` rows, averaged over the lengths of its requests."""
        return self.times.seconds(rows, self.lengths.mean(), self.lengths.mean(2))


@dataclass(frozen=True, slots=True)
class Network:
    """What lies between routers and workers.

    Attributes:
        latency_s: One way.
        jitter_s: Mean of an exponential addition to it; messages of a link stay in order.
        report_period_s: Between two full reports of a worker.
        report_loss: Share of full reports that are lost.
    """

    latency_s: float = 0.0002
    jitter_s: float = 0.0
    report_period_s: float = 0.25
    report_loss: float = 0.0


@dataclass(frozen=True, slots=True)
class HostShape:
    """One machine for all routers and workers.

    Attributes:
        cores: Its cores.
        run_threads: Threads that a run keeps busy.
        accept_s: CPU seconds of a router for a call that it takes in and decides about.
        refuse_s: The same, on top, to refuse it.
        answer_s: The same, on top, to answer it.
        dead_s: The same, instead of all these, for a call whose deadline has passed when its turn
            comes.
        worker_s: CPU seconds of a worker's thread of decisions for a call.
        pending_max: Most calls that wait for a router; what comes then hears CANCELLED from its
            transport. 0 for no limit.
        cut_s: CPU seconds for each of these, beside the router's thread.
        task_s: CPU seconds of a scheduler and the store for a task; schedulers are on this machine
            where it is not 0.
        task_weight: Schedulers get so many times what others get where cores are short.
        slice_s: Where more cores are wanted than there are, a thread that wakes up may have to wait
            up to so long for one.
    """

    cores: float
    run_threads: float
    accept_s: float = 0.0
    refuse_s: float = 0.0
    answer_s: float = 0.0
    dead_s: float = 0.0
    worker_s: float = 0.0
    pending_max: int = 0
    slice_s: float = 0.0
    cut_s: float = 0.0
    task_s: float = 0.0
    task_weight: float = 1.0


@dataclass(frozen=True, slots=True)
class MeshShape:
    """Routers and workers.

    Attributes:
        routers: Routers; arrivals are spread over them in turn.
        workers: Workers.
        lanes: Batches that each worker runs at once.
        speeds: Speed of each worker, repeated in turn; 2 is twice as fast.
        weights_known: Routers are given the speeds as operators' weights, those excepted that
            measure them.
        weights: What they are given instead, repeated in turn, where operators are wrong.
        memory_mb: Memory of each worker for models; 0 for no limit.
        network: Between them.
        lag_s: From the end of a run until the worker's machine hears of it.
        host: What they share; None when each process has all the CPU that it wants.
    """

    routers: int = 1
    workers: int = 1
    lanes: int = 1
    speeds: tuple[float, ...] = (1.0,)
    weights_known: bool = False
    weights: tuple[float, ...] = ()
    memory_mb: float = 0.0
    network: Network = Network()
    lag_s: float = 0.0
    host: HostShape | None = None


FaultKind = Literal[
    "crash",
    "hang",
    "slow",
    "partition",
    "store_loss",
    "join",
    "steal",
    "crowd",
    "hiccup",
    "scheduler_crash",
]


@dataclass(frozen=True, slots=True)
class Fault:
    """Something that goes wrong.

    Attributes:
        kind: crash (the process dies and its link breaks), hang (it stands still, the link stays),
            slow (runs take `factor` times as long, silently), partition (messages between it and
            the routers are kept until it heals), store_loss (discovery loses its store: nobody
            new is found until it is back), join (the worker is not there before `at_s`), steal (a
            share of the CPU is taken, of a worker, a router or the whole machine), crowd (other
            processes of the machine want cores too), hiccup (one run takes longer),
            scheduler_crash (the process dies, and others get its shards when its leases have
            ended).
        at_s: When it begins.
        for_s: How long; inf for good. A crashed worker starts again after that, and loads its
            models anew.
        worker: Index of the worker; None where it concerns none.
        scheduler: Index of the scheduler; None where it concerns none.
        factor: Of slow.
        router: Index of the router whose CPU is stolen; None where it is not that of one.
        share: Of steal: of the time of each core.
        every_s: Of steal: it comes back so often, as throttling does; 0 for all the time.
        each_s: Of steal: and lasts so long.
        threads: Of crowd: how many always want a core.
        stall_s: Of hiccup: the next run to begin takes so much longer.
    """

    kind: FaultKind
    at_s: float
    for_s: float = float("inf")
    worker: int | None = None
    factor: float = 1.0
    router: int | None = None
    share: float = 1.0
    every_s: float = 0.0
    each_s: float = 0.0
    threads: float = 0.0
    stall_s: float = 0.0
    scheduler: int | None = None


class Arrival(NamedTuple):
    """One request as it reaches a router.

    Attributes:
        at_s: When.
        model: Index into `Scenario.models`.
        slack_s: Seconds until its deadline; inf for none.
        priority: Class 0 (most urgent) to 3.
        tenant: Index into `Scenario.tenants`.
        rows: Rows that it brings.
        payload_bytes: Its size.
        length: Of each of its rows.
    """

    at_s: float
    model: int
    slack_s: float
    priority: int
    tenant: int
    rows: int
    payload_bytes: int
    length: int = 1


@dataclass(frozen=True, slots=True)
class TaskFlow:
    """Tasks of one kind that are submitted to the scheduler.

    Attributes:
        model: Index into `Scenario.models`.
        tenant: Index into `Scenario.tenants`.
        priority: Class 0 (most urgent) to 3.
        slack_s: Seconds until a task's deadline; inf for none.
        per_s: Tasks a second, at random times (Poisson).
        backlog: So many tasks wait at all times, whatever is done: bulk without limit.
        at_s: When it begins.
        for_s: How long it goes on.
        attempts_max: Most attempts that count.
        period_s: Seconds between two tasks, by a schedule; 0 for none.
        phase_s: Of the first one.
        hard: The schedule has a reservation. Needs a deadline of at most the period.
        catch_up: What becomes of missed turns; a value of `CatchUp`.
        overlap: Of turns that overlap; a value of `Overlap` but for "cancel_previous".
    """

    model: int
    tenant: int = 0
    priority: int = 1
    slack_s: float = float("inf")
    per_s: float = 0.0
    backlog: int = 0
    at_s: float = 0.0
    for_s: float = float("inf")
    attempts_max: int = 3
    period_s: float = 0.0
    phase_s: float = 0.0
    hard: bool = False
    catch_up: str = "skip"
    overlap: str = "skip"


@dataclass(frozen=True, slots=True)
class QueueShape:
    """Schedulers and the store of tasks.

    Attributes:
        schedulers: Scheduler processes.
        shards: Parts of the store, each of which one scheduler owns.
        store_s: From a question to the store until its answer.
        lease_s: From the death of a scheduler until others own its shards.
    """

    schedulers: int = 1
    shards: int = 1
    store_s: float = 0.001
    lease_s: float = 3.0


Arrivals = Callable[[int], Iterator[Arrival]]
"""A seed to the arrivals in order of time; a fresh, lazy iterator for each call."""


@dataclass(frozen=True, slots=True)
class Scenario:
    """All that a run needs beside policies and a seed.

    Attributes:
        name: What reports call it.
        duration_s: Arrivals come for so long.
        warmup_s: Arrivals before this are not counted in the figures.
        mesh: Routers and workers.
        models: Models.
        arrivals: Requests, by seed. Ends at or before `duration_s`.
        tenants: Names; the index is what `Arrival.tenant` says.
        faults: What goes wrong.
        tasks: What is submitted beside the requests.
        queue: Who runs that.
        callers_leave: A caller cancels at its deadline, as gRPC clients do.
        offered_per_s: Mean arrivals a second, for reports.
        pool: Where an autoscaler takes workers from; None where the file says nothing of it.
    """

    name: str
    duration_s: float
    warmup_s: float
    mesh: MeshShape
    models: tuple[ModelShape, ...]
    arrivals: Arrivals = field(repr=False, compare=False)
    tenants: tuple[str, ...] = ("",)
    faults: tuple[Fault, ...] = ()
    tasks: tuple[TaskFlow, ...] = ()
    queue: QueueShape = QueueShape()
    callers_leave: bool = True
    offered_per_s: float = 0.0
    pool: PoolShape | None = None


def capacity_per_s(mesh: MeshShape, models: tuple[ModelShape, ...]) -> float:
    """Requests of one row a second when every lane runs full batches of the models in their shares.

    The load 1.0 of reports and workload files.
    """
    total = sum(model.share for model in models)
    busy_s = sum(
        model.share / total * model.mean_s(model.batch_max) / model.batch_max for model in models
    )
    return mesh.lanes * speed(mesh) / busy_s


def speed(mesh: MeshShape) -> float:
    """Of all workers together, in workers of speed 1."""
    return sum(mesh.speeds[index % len(mesh.speeds)] for index in range(mesh.workers))
