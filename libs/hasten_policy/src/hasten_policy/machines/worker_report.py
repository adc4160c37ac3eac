"""What a worker says of each model in its report."""

from collections.abc import Iterable

from hasten_policy.batching.model_state import ModelState
from hasten_policy.load import ModelLoad
from hasten_policy.machines.worker_policy import WorkerPolicy

NAMED_MAX = 32
"""Models whose waiting calls a load sample tells."""


def waiting_of(models: Iterable[ModelState]) -> tuple[tuple[int, int], ...]:
    """(place, waiting calls) of those of the models with most, for `LoadSample.waiting_of`."""
    found = sorted((-model.waiting, model.place) for model in models)
    return tuple([(place, -waiting) for waiting, place in found[:NAMED_MAX]])


def model_load(
    model: ModelState, policy: WorkerPolicy, *, draining: bool, now_s: float
) -> ModelLoad:
    """The report's line on one model version.

    alpha_s and beta_s are the line that meets the prediction at the admission quantile at
    one row and at a full batch.
    """
    spec = model.spec
    predictor = model.predictor
    predictor.refresh(now_s)
    alpha_s, beta_s = predictor.line_s(policy.prediction.admission_quantile)
    return ModelLoad(
        name=spec.name,
        version=spec.version,
        serves_unversioned=spec.serves_unversioned,
        alpha_s=alpha_s,
        beta_s=beta_s,
        best_s=predictor.predict_s(1, 0.5),
        batch_max=spec.batch_max,
        service_s=model.service_s,
        depth=model.waiting,
        default_timeout_s=spec.default_timeout_s,
        ready=not (model.closing or draining),
        batch_rows=model.batch_rows,
    )
