"""Fields of a configuration that we know and cannot honour.

Where the model would answer wrongly or not at all without the field, it is refused; where only
speed or bookkeeping differs, a sentence says what happens instead.
"""

from collections.abc import Iterator
from typing import Final

from hasten.inference.v2.model_config_pb2 import (
    ModelConfig,
    ModelDynamicBatching,
    ModelInput,
    ModelInstanceGroup,
    ModelOptimizationPolicy,
    ModelQueuePolicy,
)
from hasten_worker.engine.refusal import ModelRefused

ONNX: Final = "onnxruntime"
SYNTHETIC: Final = "synthetic"
_PLATFORM: Final = "onnxruntime_onnx"


def backend_of(config: ModelConfig) -> str:
    """ONNX or SYNTHETIC.

    Raises:
        ModelRefused: The configuration names another one.
    """
    if config.platform == "ensemble":
        raise ModelRefused(_ENSEMBLE)
    if config.backend not in {"", ONNX, SYNTHETIC}:
        raise ModelRefused(
            f"backend {config.backend!r} is not offered; offered are {ONNX!r} and {SYNTHETIC!r}"
        )
    if config.platform not in {"", _PLATFORM}:
        raise ModelRefused(f"platform {config.platform!r} is not offered, only {_PLATFORM!r}")
    if config.backend == SYNTHETIC and config.platform:
        raise ModelRefused(f"backend {SYNTHETIC!r} has no platform, but {_PLATFORM!r} is set")
    return config.backend or ONNX


def check_fields(config: ModelConfig) -> list[str]:
    """Sentences for fields that are set and not honoured as Triton would.

    Raises:
        ModelRefused: Serving without the field would be wrong.
    """
    for is_set, why in (
        (config.HasField("ensemble_scheduling"), _ENSEMBLE),
        (config.HasField("sequence_batching"), _SEQUENCE),
        (bool(config.batch_input), _BATCH_INPUT),
        (bool(config.batch_output), _BATCH_OUTPUT),
        (config.model_transaction_policy.decoupled, _DECOUPLED),
        (bool(config.model_operations.op_library_filename), _CUSTOM_OPERATORS),
        (bool(config.model_repository_agents.agents), _AGENTS),
    ):
        if is_set:
            raise ModelRefused(why)
    return list(_not_honoured(config))


_ENSEMBLE: Final = "ensembles are not served; call the steps' models one after the other instead"
_SEQUENCE: Final = (
    "sequence_batching is set: models that keep state between requests are not served"
)
_BATCH_INPUT: Final = "batch_input is set: the model needs inputs that are not generated here"
_BATCH_OUTPUT: Final = "batch_output is set: ragged outputs are not cut here"
_DECOUPLED: Final = (
    "model_transaction_policy.decoupled is set: models with any number of answers per request "
    "are not served"
)
_CUSTOM_OPERATORS: Final = (
    "model_operations.op_library_filename is set: custom operator libraries are not loaded, "
    "because they would run foreign code in the worker"
)
_AGENTS: Final = (
    "model_repository_agents is set: agents may check or transform the files and are not run, so "
    "the files are not used as they are"
)


def _not_honoured(config: ModelConfig) -> Iterator[str]:
    for is_set, what in (
        (config.response_cache.enable, "response_cache is ignored: every request is run"),
        (
            bool(config.cc_model_filenames),
            "cc_model_filenames is ignored: default_model_filename is used on every device",
        ),
        (bool(config.metric_tags), "metric_tags is ignored: metrics carry model and version"),
        (
            config.HasField("model_metrics"),
            "model_metrics is ignored: histograms have fixed buckets",
        ),
        (bool(config.runtime), "runtime is ignored: the installed onnxruntime is used"),
    ):
        if is_set:
            yield what
    for tensor in config.input:
        yield from _input_not_honoured(tensor)
    for output in config.output:
        if output.is_shape_tensor or output.is_non_linear_format_io:
            yield f"output {output.name}: TensorRT's shape and format marks are ignored"
    for group in config.instance_group:
        yield from _group_not_honoured(group)
    if config.HasField("dynamic_batching"):
        yield from _batching_not_honoured(config.dynamic_batching)
    yield from _optimization_not_honoured(config.optimization)


def _input_not_honoured(tensor: ModelInput) -> Iterator[str]:
    if tensor.format != ModelInput.FORMAT_NONE:
        yield f"input {tensor.name}: format is ignored: data are passed on as they come"
    if tensor.is_shape_tensor or tensor.is_non_linear_format_io:
        yield f"input {tensor.name}: TensorRT's shape and format marks are ignored"
    if tensor.allow_ragged_batch:
        yield (
            f"input {tensor.name}: allow_ragged_batch is ignored: only requests of one shape "
            "share a batch"
        )


def _group_not_honoured(group: ModelInstanceGroup) -> Iterator[str]:
    if group.kind == ModelInstanceGroup.KIND_MODEL:
        yield "instance_group: KIND_MODEL is taken as KIND_AUTO"
    for is_set, field in (
        (group.HasField("rate_limiter"), "rate_limiter"),
        (bool(group.secondary_devices), "secondary_devices"),
        (bool(group.profile), "profile"),
        (group.passive, "passive"),
        (bool(group.host_policy), "host_policy"),
    ):
        if is_set:
            yield f"instance_group: {field} is ignored"


def _batching_not_honoured(batching: ModelDynamicBatching) -> Iterator[str]:
    if batching.preserve_ordering:
        yield "dynamic_batching.preserve_ordering is ignored: an answer leaves when it is ready"
    if batching.priority_queue_policy:
        yield (
            "dynamic_batching.priority_queue_policy is ignored: default_queue_policy holds for "
            "every priority"
        )
    if batching.default_queue_policy.timeout_action == ModelQueuePolicy.DELAY:
        yield (
            "dynamic_batching.default_queue_policy: DELAY is taken as REJECT: a late request "
            "is refused, not run late"
        )


def _optimization_not_honoured(policy: ModelOptimizationPolicy) -> Iterator[str]:
    if policy.priority != ModelOptimizationPolicy.PRIORITY_DEFAULT:
        yield "optimization.priority is ignored: deadlines and request priorities decide"
    for is_set, field in (
        (policy.HasField("cuda"), "cuda"),
        (policy.HasField("input_pinned_memory"), "input_pinned_memory"),
        (policy.HasField("output_pinned_memory"), "output_pinned_memory"),
    ):
        if is_set:
            yield f"optimization.{field} is ignored"
    if policy.gather_kernel_buffer_threshold:
        yield "optimization.gather_kernel_buffer_threshold is ignored"
    if policy.eager_batching:
        yield "optimization.eager_batching is ignored: batches form when a lane is free"
    for accelerator in policy.execution_accelerators.cpu_execution_accelerator:
        yield f"execution accelerator {accelerator.name!r} for CPU is ignored"
    for accelerator in policy.execution_accelerators.gpu_execution_accelerator:
        if accelerator.name != "tensorrt":
            yield f"execution accelerator {accelerator.name!r} for GPU is ignored"
