"""Tables that say what there is: routers, workers, and the machine that they share."""

from pydantic import Field, model_validator

from hasten_sim.workload.base import (
    Count,
    Index,
    NotNegative,
    Number,
    Positive,
    Share,
    Switch,
    Table,
)


class NetworkTable(Table):
    """Between routers and workers."""

    latency_ms: NotNegative = Field(default=0.2, description="One way.")
    jitter_ms: NotNegative = Field(
        default=0.0, description="Mean of an exponential addition to it."
    )
    report_period_ms: Number = Field(
        default=250.0, ge=1, description="Between two full load reports of a worker."
    )
    report_loss: Share = Field(default=0.0, description="Share of full reports that are lost.")


class HostTable(Table):
    """One machine for all routers and workers; left out, each has all the CPU that it wants."""

    cores: Positive = Field(description="Its cores; all that want one share them alike.")
    run_threads: Positive | None = Field(
        default=None, description="Threads that a run keeps busy; as many as there are cores."
    )
    accept_us: NotNegative = Field(
        default=0.0,
        description="CPU time of a router, one thread, for a call that it takes in; the others "
        "wait before it, while their deadlines run.",
    )
    refuse_us: NotNegative = Field(default=0.0, description="On top, to refuse it.")
    answer_us: NotNegative = Field(default=0.0, description="On top, to answer it.")
    dead_us: NotNegative | None = Field(
        default=None,
        description="Instead, for one whose deadline has passed when its turn comes; "
        "accept_us + refuse_us unless said.",
    )
    worker_us: NotNegative = Field(
        default=0.0, description="CPU time of a worker's own thread of decisions for a call."
    )
    pending_max: Index = Field(
        default=0,
        description="Most calls that wait for a router; its transport cancels what comes then. 0 "
        "for no limit.",
    )
    cut_us: NotNegative = Field(
        default=0.0, description="CPU time for each of these, beside the router's own thread."
    )
    task_us: NotNegative = Field(
        default=0.0,
        description="CPU time of a scheduler and the store for a task; above 0 schedulers share "
        "the machine.",
    )
    task_weight: Positive = Field(
        default=1.0,
        description="Schedulers get so many times what others get where cores are short; a third "
        "where they run at niceness 5.",
    )
    slice_ms: NotNegative = Field(
        default=0.0,
        description="Where more cores are wanted than there are, whoever wakes up may have to "
        "wait up to so long for one.",
    )


class MeshTable(Table):
    """Routers and workers."""

    routers: Count = Field(default=1, description="Arrivals are spread over them in turn.")
    workers: Count = Field(default=1, description="Workers.")
    lanes: Count = Field(default=1, description="Batches that a worker runs at once.")
    speeds: tuple[Positive, ...] = Field(
        default=(1.0,),
        min_length=1,
        description="Speed of each worker, repeated in turn; 2 is twice as fast.",
    )
    weights_known: Switch = Field(
        default=False,
        description="Routers are told the speeds, as weights set by an operator, but for balancer "
        "hasten, which measures them and would count them twice.",
    )
    weights: tuple[Positive, ...] = Field(
        default=(),
        description="What they are told instead of the speeds, repeated in turn; needs "
        "weights_known.",
    )
    memory_mb: NotNegative = Field(
        default=0.0, description="Memory of a worker for models; 0 for no limit."
    )
    lag_ms: NotNegative = Field(
        default=0.0, description="From the end of a run until the worker's decisions hear of it."
    )
    network: NetworkTable = NetworkTable()
    host: HostTable | None = Field(default=None, description="What all of them share.")

    @model_validator(mode="after")
    def _weights_are_used(self) -> "MeshTable":
        if self.weights and not self.weights_known:
            raise ValueError("weights_known = true beside weights")
        return self
