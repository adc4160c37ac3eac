"""The table of what goes wrong."""

from typing import Annotated, Literal

from pydantic import Field, model_validator

from hasten_sim.workload.base import Index, NotNegative, Number, Positive, Share, Table

OF_NO_WORKER = frozenset({"store_loss", "crowd", "scheduler_crash"})
OF_ANY = frozenset({"steal"})


class FaultTable(Table):
    """Something that goes wrong."""

    kind: Literal[
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
    ] = Field(
        description="crash (the process dies), hang (it stands still), slow (runs take factor "
        "times as long), partition (no message comes through), store_loss (discovery finds "
        "nobody new), join (the worker is not there before at_s), steal (a share of the CPU is "
        "taken, of a worker, a router or, where neither is named, of all), crowd (others on the "
        "machine mesh.host want its cores too), hiccup (one run takes ms longer), "
        "scheduler_crash (the process dies).",
    )
    at_s: NotNegative = Field(description="When it begins.")
    for_s: Positive | None = Field(default=None, description="How long; left out, for good.")
    worker: Index | Literal["random"] | None = Field(
        default=None,
        description='Which, from 0, or "random"; every kind but store_loss, crowd, steal and '
        "scheduler_crash needs it.",
    )
    scheduler: Index | None = Field(
        default=None, description="Of scheduler_crash, and needed there: which, from 0."
    )
    factor: Positive | None = Field(default=None, description="Of slow, and needed there.")
    router: Index | None = Field(
        default=None, description="Of steal: which router it is that is stolen from, from 0."
    )
    share: Share | None = Field(
        default=None, description="Of steal: so much of the time of each core; all unless said."
    )
    every_ms: Annotated[Number, Field(ge=1)] | None = Field(
        default=None,
        description="Of steal: it comes back so often, as throttling does, until for_s is over.",
    )
    each_ms: Positive | None = Field(
        default=None, description="Of steal, beside every_ms: it lasts so long each time."
    )
    threads: Positive | None = Field(
        default=None, description="Of crowd, and needed there: so many always want a core."
    )
    ms: Positive | None = Field(
        default=None,
        description="Of hiccup, and needed there: the next run to begin takes so much longer.",
    )

    @model_validator(mode="after")
    def _complete(self) -> "FaultTable":
        if self.kind not in OF_ANY and (self.worker is None) != (self.kind in OF_NO_WORKER):
            raise ValueError(
                "worker for every kind but store_loss, crowd, steal and scheduler_crash"
            )
        for key, kind in (
            ("factor", "slow"),
            ("threads", "crowd"),
            ("ms", "hiccup"),
            ("scheduler", "scheduler_crash"),
        ):
            if (getattr(self, key) is None) == (self.kind == kind):
                raise ValueError(f"{key} for {kind}, and for nothing else")
        return self

    @model_validator(mode="after")
    def _stolen(self) -> "FaultTable":
        said = {"router", "share", "every_ms", "each_ms"} & self.model_fields_set
        if said and self.kind != "steal":
            raise ValueError("router, share, every_ms and each_ms for steal, and for nothing else")
        if self.router is not None and self.worker is not None:
            raise ValueError("at most one of worker and router")
        if (self.every_ms is None) != (self.each_ms is None):
            raise ValueError("every_ms and each_ms together")
        if self.every_ms is not None and not (self.each_ms or 0.0) < self.every_ms:
            raise ValueError("each_ms of less than every_ms")
        return self
