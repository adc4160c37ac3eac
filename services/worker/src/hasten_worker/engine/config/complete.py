"""A written configuration and the model file, put together: completed or found to disagree.

Where the configuration is silent the file speaks, as in Triton: a model whose inputs and
outputs all have a free first dimension may batch, and its dims are those behind it. Unlike in
Triton it does so only if the examination has shown that it keeps the rows of a batch apart.
"""

from collections.abc import Iterable, Sequence
from math import prod
from typing import Final

from hasten.inference.v2.model_config_pb2 import (
    DataType,
    ModelConfig,
    ModelDynamicBatching,
    ModelInput,
    ModelOutput,
)
from hasten_worker.engine.config.kinds import advice_on
from hasten_worker.engine.config.rules import ONNX
from hasten_worker.engine.config.text import WrittenConfig
from hasten_worker.engine.facts import ModelFacts, TensorFacts
from hasten_worker.engine.onnx.datatypes import BY_CONFIG, BY_ORT
from hasten_worker.engine.refusal import ModelRefused

BATCH_MAX_LIMIT: Final = 65_536


def complete_config(
    written: WrittenConfig, facts: ModelFacts, *, batch_max_default: int
) -> ModelConfig:
    """The whole configuration of a model that is in an ONNX file.

    Raises:
        ModelRefused: Configuration and file disagree, or the file has types that cannot be
            served. The sentence names both sides.
    """
    config = ModelConfig()
    config.CopyFrom(written.config)
    config.backend = ONNX
    config.platform = "onnxruntime_onnx"
    check_batch_max(config)
    if not is_described(written):
        _choose_batches(config, 0 if fixed_first(facts) else facts.rows_max, batch_max_default)
    if not config.input:
        config.input.extend(
            ModelInput(name=tensor.name) for tensor in facts.inputs if not tensor.optional
        )
    if not config.output:
        config.output.extend(ModelOutput(name=tensor.name) for tensor in facts.outputs)
    _match_names("input", [tensor.name for tensor in config.input], facts.inputs)
    _match_names("output", [tensor.name for tensor in config.output], facts.outputs)
    _check_required(config, facts)
    for kind, tensors, known in (
        ("input", config.input, facts.inputs),
        ("output", config.output, facts.outputs),
    ):
        by_name = {tensor.name: tensor for tensor in known}
        for tensor in tensors:
            _match(kind, tensor, by_name[tensor.name], batches=config.max_batch_size > 0)
    return config


def _choose_batches(config: ModelConfig, shown: int, batch_max_default: int) -> None:
    """Batches of as many rows as were shown to be answered each by itself."""
    config.max_batch_size = min(batch_max_default, shown)
    batches = config.max_batch_size > 1
    if batches and config.WhichOneof("scheduling_choice") is None:
        config.dynamic_batching.CopyFrom(ModelDynamicBatching())
    elif shown < batch_max_default and config.HasField("dynamic_batching"):
        # Preferred sizes that it was found not to have are no mistake of its owner.
        preferred = config.dynamic_batching.preferred_batch_size
        kept = [size for size in preferred if size <= config.max_batch_size]
        preferred[:] = kept


def may_batch(written: WrittenConfig, facts: ModelFacts) -> bool:
    """Whether the model batches is for us to find out, and its shapes allow it."""
    return not is_described(written) and not fixed_first(facts)


def is_described(written: WrittenConfig) -> bool:
    """The configuration says how the model batches: by its size, or by listing whole shapes."""
    config = written.config
    return "max_batch_size" in written.fields or bool(config.input or config.output)


def fixed_first(facts: ModelFacts) -> str:
    """The first input or output that has no free first dimension, as text; "" for none."""
    inputs = [("input", tensor) for tensor in facts.inputs if not tensor.optional]
    for kind, tensor in (*inputs, *(("output", tensor) for tensor in facts.outputs)):
        if tensor.dims is None:
            return f"the file does not say the shape of {kind} {tensor.name!r}"
        if tensor.dims[:1] != (-1,):
            return f"{kind} {tensor.name!r} has {_first_dim(tensor.dims)}"
    return ""


def check_batch_max(config: ModelConfig) -> None:
    """Raises ModelRefused unless max_batch_size is a size."""
    if not 0 <= config.max_batch_size <= BATCH_MAX_LIMIT:
        raise ModelRefused(
            f"max_batch_size is {config.max_batch_size}: expected 0 to {BATCH_MAX_LIMIT}"
        )


def check_dims(kind: str, tensor: ModelInput | ModelOutput) -> None:
    """Raises ModelRefused unless dims and reshape are sizes and hold the same elements."""
    for field, dims in (("dims", tensor.dims), ("reshape", tensor.reshape.shape)):
        if any(size < -1 for size in dims):
            raise ModelRefused(f"{kind} {tensor.name!r}: {field} {list(dims)} has a size below -1")
    if not tensor.HasField("reshape"):
        return
    outside, inside = list(tensor.dims), list(tensor.reshape.shape)
    free = outside.count(-1)
    if free != inside.count(-1) or (
        prod(size for size in outside if size != -1) != prod(size for size in inside if size != -1)
    ):
        raise ModelRefused(
            f"{kind} {tensor.name!r}: dims {outside} and reshape {inside} hold different "
            "numbers of elements"
        )


def _match_names(kind: str, named: Sequence[str], known: Iterable[TensorFacts]) -> None:
    names = [tensor.name for tensor in known]
    for name in named:
        if named.count(name) > 1:
            raise ModelRefused(f"the configuration lists {kind} {name!r} twice")
        if name not in names:
            raise ModelRefused(
                f"the configuration lists {kind} {name!r}, but the {kind}s of the model file "
                f"are {_listed(names)}"
            )


def _check_required(config: ModelConfig, facts: ModelFacts) -> None:
    optional = {tensor.name: tensor.optional for tensor in config.input}
    for tensor in facts.inputs:
        if tensor.optional:
            continue
        if tensor.name not in optional:
            raise ModelRefused(
                f"the model file needs input {tensor.name!r}, but the configuration lists "
                f"only {_listed(optional)}"
            )
        if optional[tensor.name]:
            raise ModelRefused(
                f"the configuration calls input {tensor.name!r} optional, but the model file "
                "has no default value for it"
            )


def _match(
    kind: str, tensor: ModelInput | ModelOutput, facts: TensorFacts, *, batches: bool
) -> None:
    element = BY_ORT.get(facts.kind)
    if element is None:
        raise ModelRefused(
            f"{kind} {tensor.name!r} of the model file is {facts.kind}: {advice_on(facts.kind)}"
        )
    if tensor.data_type == DataType.TYPE_INVALID:
        tensor.data_type = element.config
    if tensor.data_type != element.config:
        raise ModelRefused(
            f"{kind} {tensor.name!r} is {DataType.Name(tensor.data_type)} in the configuration "
            f"and {element.config_name} in the model file"
        )
    if tensor.data_type not in BY_CONFIG:
        raise ModelRefused(f"{kind} {tensor.name!r}: {DataType.Name(tensor.data_type)} is unknown")
    if batches:
        _check_free_first_dim(kind, facts)
    if not tensor.dims:
        _fill_dims(kind, tensor, facts, batches=batches)
    check_dims(kind, tensor)
    _match_dims(kind, tensor, facts, batches=batches)


def _check_free_first_dim(kind: str, facts: TensorFacts) -> None:
    if facts.dims is not None and facts.dims[:1] != (-1,):
        raise ModelRefused(
            f"max_batch_size is over 0, but {kind} {facts.name!r} of the model file has "
            f"{_first_dim(facts.dims)}: the model cannot batch; set max_batch_size: 0 and list "
            "the full dims"
        )


def _first_dim(dims: Sequence[int]) -> str:
    return f"a fixed first dimension {dims[0]}" if dims else "no dimensions"


def _fill_dims(
    kind: str, tensor: ModelInput | ModelOutput, facts: TensorFacts, *, batches: bool
) -> None:
    if facts.dims is None:
        raise ModelRefused(
            f"the model file does not say the shape of {kind} {tensor.name!r}: "
            "list it with its dims in config.pbtxt"
        )
    dims = facts.dims[1:] if batches else facts.dims
    if dims:
        tensor.dims.extend(dims)
    else:
        # Triton's form of one value per row.
        tensor.dims.append(1)
        tensor.reshape.SetInParent()


def _match_dims(
    kind: str, tensor: ModelInput | ModelOutput, facts: TensorFacts, *, batches: bool
) -> None:
    if facts.dims is None:
        return
    inner = tensor.reshape.shape if tensor.HasField("reshape") else tensor.dims
    wanted = ([-1] if batches else []) + list(inner)
    fits = len(wanted) == len(facts.dims) and all(
        known in {-1, size} for size, known in zip(wanted, facts.dims, strict=True)
    )
    if not fits:
        behind = " behind the batch dimension" if batches else " (max_batch_size is 0)"
        raise ModelRefused(
            f"{kind} {tensor.name!r}: the configuration says {list(inner)}{behind}, the model "
            f"file says {list(facts.dims)}"
        )


def _listed(names: Iterable[str]) -> str:
    shown = [repr(name) for name in names]
    if len(shown) > 20:
        shown = [*shown[:20], f"and {len(shown) - 20} more"]
    return ", ".join(shown) or "none"
