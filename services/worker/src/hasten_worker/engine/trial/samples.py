"""The inputs for warm-up and measurement that the configuration gives."""

from collections.abc import Mapping
from dataclasses import dataclass
from math import prod
from pathlib import Path
from typing import Final

import numpy as np

from hasten.inference.v2.model_config_pb2 import ModelConfig, ModelWarmup
from hasten_worker.engine.files.snapshot import read_file
from hasten_worker.engine.onnx.datatypes import BY_CONFIG, ElementType
from hasten_worker.engine.refusal import ModelRefused
from hasten_worker.engine.trial.generated import check_size, filled, objects
from hasten_worker.model import Array

SAMPLE_BYTES_MAX: Final = 2**30
SAMPLE_COUNT_MAX: Final = 100


@dataclass(frozen=True, slots=True)
class Sample:
    """One warm-up request.

    Attributes:
        name: For messages.
        rows: Rows of it; 1 when the model does not batch.
        inputs: Arrays as a client would send them.
        count: Times to run it.
    """

    name: str
    rows: int
    inputs: Mapping[str, Array]
    count: int = 1


def from_config(config: ModelConfig, folder: Path) -> list[Sample]:
    """The samples of `model_warmup`; an empty list when there are none.

    Args:
        config: Completed.
        folder: The model's folder, which holds `warmup/<input_data_file>`.

    Raises:
        ModelRefused: A sample does not fit the model, or its file cannot be used.
    """
    return [_sample(config, warmup, folder) for warmup in config.model_warmup]


def _sample(config: ModelConfig, warmup: ModelWarmup, folder: Path) -> Sample:
    name = warmup.name or "unnamed"
    rows = warmup.batch_size or 1
    if rows > max(1, config.max_batch_size):
        raise ModelRefused(
            f"model_warmup {name!r} has batch_size {rows}, over max_batch_size "
            f"{config.max_batch_size}"
        )
    known = {tensor.name: tensor for tensor in config.input}
    inputs: dict[str, Array] = {}
    for key, entry in warmup.inputs.items():
        if key not in known:
            raise ModelRefused(
                f"model_warmup {name!r} gives input {key!r}, which the model does not have"
            )
        if entry.data_type != known[key].data_type:
            raise ModelRefused(f"model_warmup {name!r}: input {key!r} has another data_type")
        inputs[key] = _sample_input(name, key, entry, rows if config.max_batch_size else 0, folder)
    missing = [key for key, tensor in known.items() if not tensor.optional and key not in inputs]
    if missing:
        raise ModelRefused(f"model_warmup {name!r} gives no input {missing[0]!r}")
    count = min(max(1, warmup.count), SAMPLE_COUNT_MAX)
    return Sample(name, rows, inputs, count)


def _sample_input(
    sample: str, key: str, entry: ModelWarmup.Input, rows: int, folder: Path
) -> Array:
    element = BY_CONFIG[entry.data_type]
    if any(size < 0 for size in entry.dims):
        raise ModelRefused(f"model_warmup {sample!r}: dims of input {key!r} must be given in full")
    shape = (*((rows,) if rows else ()), *entry.dims)
    check_size(key, element, shape)
    source = entry.WhichOneof("input_data_type")
    if source == "random_data":
        return _random(element, shape)
    if source != "input_data_file":
        return filled(element, shape, 0)
    file_name = entry.input_data_file
    if "/" in file_name or "\\" in file_name or "\0" in file_name or file_name in {"", ".", ".."}:
        raise ModelRefused(f"model_warmup {sample!r}: {file_name!r} is no name of a file")
    content = read_file(folder / "warmup" / file_name, SAMPLE_BYTES_MAX)
    if content is None:
        raise ModelRefused(f"model_warmup {sample!r}: there is no file warmup/{file_name}")
    return _from_bytes(sample, key, element, shape, content)


def _from_bytes(
    sample: str, key: str, element: ElementType, shape: tuple[int, ...], content: bytes
) -> Array:
    if element.name != "BYTES":
        wanted = prod(shape) * element.dtype.itemsize
        if len(content) != wanted:
            raise ModelRefused(
                f"model_warmup {sample!r}: the file of input {key!r} has {len(content)} bytes, "
                f"its shape takes {wanted}"
            )
        return np.frombuffer(content, element.dtype).reshape(shape)
    elements: list[bytes] = []
    at = 0
    while at < len(content):
        size = int.from_bytes(content[at : at + 4], "little")
        elements.append(content[at + 4 : at + 4 + size])
        at += 4 + size
    if len(elements) != prod(shape) or at != len(content):
        raise ModelRefused(f"model_warmup {sample!r}: the file of input {key!r} has other elements")
    return objects(elements, shape)


def _random(element: ElementType, shape: tuple[int, ...]) -> Array:
    # The same data at each load, so that two loads can be compared.
    rng = np.random.default_rng(0)
    if element.name == "BYTES":
        return objects([str(value).encode() for value in rng.integers(0, 100, prod(shape))], shape)
    return np.asarray(rng.random(shape) * (2 if element.dtype.kind in "biu" else 1)).astype(
        element.dtype
    )


def one_row(sample: Sample, *, batches: bool) -> Mapping[str, Array]:
    """The sample's first row, where the model batches; else all of it."""
    if not batches:
        return sample.inputs
    return {name: array[:1] for name, array in sample.inputs.items()}
