"""What a worker says of each model in its report."""

from collections.abc import Iterable
from math import inf

from hasten_policy.batching.model_state import ModelState
from hasten_policy.load import ModelLoad

NAMED_MAX = 32
"""Models whose waiting calls a load sample tells."""


def waiting_of(models: Iterable[ModelState]) -> tuple[tuple[int, int], ...]:
    """(place, waiting calls) of those of the models with most, for `LoadSample.waiting_of`."""
    found = sorted((-model.waiting, model.place) for model in models)
    return tuple([(place, -waiting) for waiting, place in found[:NAMED_MAX]])


def model_load(model: ModelState, *, draining: bool) -> ModelLoad:
    """The report's line on one model version."""
    spec = model.spec
    predictor = model.predictor
    size = model.size_mean or predictor.usual_size
    target = model.target_rows(size)
    curve = predictor.curve(size)
    one_s = curve.seconds(1)
    through = min(spec.batch_max, max(2, target))
    through_s = curve.seconds(through)
    # Steeper than in proportion, the line goes through the origin and promises no less.
    beta_s = min((through_s - one_s) / (through - 1), through_s / through) if through > 1 else 0.0
    target_s = model.target_s()
    return ModelLoad(
        name=spec.name,
        version=spec.version,
        serves_unversioned=spec.serves_unversioned,
        alpha_s=max(0.0, one_s - beta_s),
        beta_s=beta_s,
        best_s=predictor.best_s,
        batch_max=spec.batch_max,
        service_s=model.service_s,
        depth=model.waiting,
        default_timeout_s=spec.default_timeout_s,
        ready=not (model.closing or draining),
        batch_rows=model.batch_rows,
        gamma_s=predictor.gamma_s,
        size=size,
        target_rows=target,
        target_s=target_s if target_s < inf else 0.0,
        unlike=model.unlike,
        rows_mean=model.rows_mean,
        work_max=2.0 * predictor.work_max,
    )
