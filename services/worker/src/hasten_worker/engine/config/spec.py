"""What the worker's machine must know of a model, out of its configuration."""

from collections.abc import Sequence
from dataclasses import dataclass

from hasten.inference.v2.model_config_pb2 import ModelConfig
from hasten_policy.load import ModelSpec
from hasten_worker.engine.config.parameters import Parameters
from hasten_worker.engine.onnx.session import TENSORRT, SessionPlan
from hasten_worker.engine.refusal import ModelRefused
from hasten_worker.engine.settings import StoreSettings

SLOW_RUN_FACTOR = 10.0
"""A run may take this many times its longest measured one before it is terminated."""

PROFILE_ROWS = (1, 4, 16)


def batch_buckets(batch_max: int) -> tuple[int, ...]:
    """1, 2, 4 … and batch_max."""
    sizes = [1]
    while sizes[-1] * 2 < batch_max:
        sizes.append(sizes[-1] * 2)
    if sizes[-1] != batch_max:
        sizes.append(batch_max)
    return tuple(sizes)


def profile_rows(batch_max: int, sizes: int) -> tuple[int, ...]:
    """Row counts to measure.

    Args:
        batch_max: max_batch_size, 0 for none.
        sizes: Sets of sizes of the free dimensions that are measured too: with several there is
            time for few row counts only.
    """
    if sizes == 1:
        return batch_buckets(max(1, batch_max))
    return tuple(rows for rows in PROFILE_ROWS if rows <= max(1, batch_max))


def padding_sizes(
    config: ModelConfig, parameters: Parameters, plans: Sequence[SessionPlan]
) -> tuple[int, ...]:
    """Sizes that batches are padded up to; empty to run any size.

    Raises:
        ModelRefused: A written size is no batch size of this model.
    """
    _check_sizes("parameter hasten.batch_sizes", parameters.batch_sizes, config)
    if config.max_batch_size < 2:
        return ()
    if parameters.batch_sizes:
        # The largest batch must have a size to be padded to.
        return tuple(sorted({*parameters.batch_sizes, config.max_batch_size}))
    # TensorRT builds an engine for each new shape, which takes seconds to minutes.
    compiled = any(name == TENSORRT for plan in plans for name, _ in plan.providers)
    return batch_buckets(config.max_batch_size) if compiled else ()


def preferred_sizes(config: ModelConfig) -> tuple[int, ...]:
    """Sizes worth waiting for, ascending.

    Raises:
        ModelRefused: One is no batch size of this model.
    """
    sizes = tuple(sorted(set(config.dynamic_batching.preferred_batch_size)))
    _check_sizes("dynamic_batching.preferred_batch_size", sizes, config)
    return sizes


@dataclass(frozen=True, slots=True)
class Sizing:
    """What loading found out.

    Attributes:
        instances: Batches of the model that may run at once.
        batch_sizes: Row counts that a batch is padded up to; empty for none.
        profile: Measured (rows, elements, seconds).
    """

    instances: int
    batch_sizes: tuple[int, ...]
    profile: tuple[tuple[int, int, float], ...]


def model_spec(
    config: ModelConfig,
    version: str,
    parameters: Parameters,
    settings: StoreSettings,
    sizing: Sizing,
) -> ModelSpec:
    """The specification; `serves_unversioned` is the store's to set.

    Raises:
        ModelRefused: The batching settings make no sense.
    """
    batching = config.dynamic_batching
    policy = batching.default_queue_policy
    slowest_s = max((took_s for _, _, took_s in sizing.profile), default=0.0)
    return ModelSpec(
        key=f"{config.name}/{version}",
        name=config.name,
        version=version,
        serves_unversioned=False,
        batch_max=max(1, config.max_batch_size),
        batch_sizes=sizing.batch_sizes,
        preferred_sizes=preferred_sizes(config),
        queue_delay_max_s=batching.max_queue_delay_microseconds / 1e6,
        instances=sizing.instances,
        queue_max=policy.max_queue_size or settings.queue_max_default,
        default_timeout_s=(
            parameters.default_timeout_s or policy.default_timeout_microseconds / 1e6
        ),
        run_s_max=parameters.run_timeout_s or max(settings.run_s_max, SLOW_RUN_FACTOR * slowest_s),
        profile=sizing.profile,
    )


def _check_sizes(what: str, sizes: Sequence[int], config: ModelConfig) -> None:
    for size in sizes:
        if not 1 <= size <= max(1, config.max_batch_size):
            raise ModelRefused(
                f"{what}: {size} is not between 1 and max_batch_size {config.max_batch_size}"
            )
