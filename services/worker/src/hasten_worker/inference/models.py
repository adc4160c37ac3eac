"""What the worker says of its models: readiness, metadata, configuration, statistics."""

from collections.abc import Sequence
from typing import Final, Protocol

from hasten.inference.v2 import inference_pb2 as pb
from hasten_policy.reasons import Reason
from hasten_worker.model import Model, TensorSpec
from hasten_worker.shell.catalogue import Catalogue
from hasten_worker.shell.statistics import Statistics, Total
from hasten_worker.tensors.refusals import refuse

STATE_READY: Final = "READY"


class IndexEntry(Protocol):
    """One model version of the repository."""

    @property
    def name(self) -> str:
        """Model name."""
        ...

    @property
    def version(self) -> str:
        """Integer in text, or empty when no version is known."""
        ...

    @property
    def state(self) -> str:
        """READY, LOADING, UNLOADING, UNAVAILABLE or empty."""
        ...

    @property
    def reason(self) -> str:
        """Why it is in that state."""
        ...


class Repository(Protocol):
    """The model store, as far as questions go."""

    def resolve(self, name: str, version: str) -> Model:
        """The model that answers. Raises MeshError."""
        ...

    def index(self) -> Sequence[IndexEntry]:
        """Every model version known."""
        ...

    def ready(self, name: str, version: str) -> bool:
        """It would answer now."""
        ...


class ModelQuestions:
    """ModelReady, ModelMetadata, ModelConfig and ModelStatistics."""

    def __init__(self, repository: Repository, served: Catalogue) -> None:
        self._repository = repository
        self._served = served

    async def model_ready(self, request: pb.ModelReadyRequest, _: object) -> pb.ModelReadyResponse:
        """False, not an error, for a model that is not there."""
        return pb.ModelReadyResponse(ready=self._repository.ready(request.name, request.version))

    async def model_metadata(
        self, request: pb.ModelMetadataRequest, _: object
    ) -> pb.ModelMetadataResponse:
        """Names, datatypes and shapes of inputs and outputs."""
        model = self._repository.resolve(request.name, request.version)
        return pb.ModelMetadataResponse(
            name=model.spec.name,
            versions=self._ready_versions(model.spec.name),
            platform=model.config.platform,
            inputs=[_tensor(spec) for spec in model.inputs],
            outputs=[_tensor(spec) for spec in model.outputs],
        )

    async def model_config(
        self, request: pb.ModelConfigRequest, _: object
    ) -> pb.ModelConfigResponse:
        """The configuration in effect, what the file left out included."""
        model = self._repository.resolve(request.name, request.version)
        return pb.ModelConfigResponse(config=model.config)

    async def model_statistics(
        self, request: pb.ModelStatisticsRequest, _: object
    ) -> pb.ModelStatisticsResponse:
        """Totals of one version, all versions of a model, or everything."""
        if request.version and not request.name:
            refuse(Reason.INVALID_REQUEST, "name: expected a model name beside the version")
        if request.name and not request.version:
            self._repository.resolve(request.name, "")  # Unknown models are NOT_FOUND.
            models = [
                self._repository.resolve(request.name, version)
                for version in self._ready_versions(request.name)
            ]
        elif request.name:
            models = [self._repository.resolve(request.name, request.version)]
        else:
            models = [
                self._repository.resolve(entry.name, entry.version)
                for entry in self._repository.index()
                if entry.state == STATE_READY
            ]
        return pb.ModelStatisticsResponse(
            model_stats=[
                _statistics(model, self._served.statistics(model.spec.key)) for model in models
            ]
        )

    def _ready_versions(self, name: str) -> list[str]:
        return sorted(
            (
                entry.version
                for entry in self._repository.index()
                if entry.name == name and entry.state == STATE_READY
            ),
            key=int,
        )


def _tensor(spec: TensorSpec) -> pb.ModelMetadataResponse.TensorMetadata:
    return pb.ModelMetadataResponse.TensorMetadata(
        name=spec.name, datatype=spec.datatype, shape=spec.shape
    )


def _statistics(model: Model, totals: Statistics) -> pb.ModelStatistics:
    return pb.ModelStatistics(
        name=model.spec.name,
        version=model.spec.version,
        last_inference=totals.last_ms,
        inference_count=totals.rows,
        execution_count=totals.executions,
        inference_stats=pb.InferStatistics(
            success=_duration(totals.success),
            fail=_duration(totals.fail),
            queue=_duration(totals.queue),
            compute_input=_duration(totals.compute_input),
            compute_infer=_duration(totals.compute_infer),
            compute_output=_duration(totals.compute_output),
            cache_hit=pb.StatisticDuration(),
            cache_miss=pb.StatisticDuration(),
        ),
        batch_stats=[
            pb.InferBatchStatistics(
                batch_size=rows,
                compute_input=_duration(batch.compute_input),
                compute_infer=_duration(batch.compute_infer),
                compute_output=_duration(batch.compute_output),
            )
            for rows, batch in sorted(totals.batches.items())
        ],
        memory_usage=[pb.MemoryUsage(type="CPU", id=0, byte_size=model.memory_bytes)],
    )


def _duration(total: Total) -> pb.StatisticDuration:
    return pb.StatisticDuration(count=total.count, ns=total.ns)
