"""Reads `--input NAME=VALUE` into the array that a model wants."""

import json
from collections.abc import Sequence
from math import prod
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

import numpy as np

from hasten_cli.example import infer_command, sizes_of
from hasten_cli.failures import USAGE, CommandError
from hasten_client.datatypes import BYTES, NUMPY_OF, Array

if TYPE_CHECKING:
    from hasten_client import ModelMetadata, TensorMetadata

GENERATED: Final = ("@random", "@zeros", "@ones")
_SEED: Final = 0


def read_inputs(
    words: Sequence[str], metadata: "ModelMetadata", *, address: str, verb: str = "infer"
) -> dict[str, Array]:
    """Arrays by input name; `verb` is the command that asks.

    Raises:
        CommandError: A word is not understood, names no input, or an input has none; it
            says what the model takes and how to call it.
    """
    example = infer_command(metadata, address=address, verb=verb)
    if not words:
        raise _usage("no --input was given", metadata, example)
    by_name = {tensor.name: tensor for tensor in metadata.inputs}
    values: dict[str, Array] = {}
    for word in words:
        name, equals, value = word.partition("=")
        if not equals:
            raise _usage(f"--input {word!r} is not of the form NAME=VALUE", metadata, example)
        if name not in by_name:
            raise _usage(f"{metadata.name} has no input {name!r}", metadata, example)
        if name in values:
            raise _usage(f"input {name!r} is given twice", metadata, example)
        try:
            values[name] = read_value(value, by_name[name])
        except CommandError as error:
            raise CommandError(error.message, next_step=example, code=error.code) from None
    return values


def read_value(text: str, tensor: "TensorMetadata") -> Array:
    """One value, in the tensor's datatype, with a batch dimension added where it lacks one.

    Raises:
        CommandError: The value cannot be read or has another datatype.
    """
    if text in GENERATED:
        return _generated(text, tensor)
    if text.startswith("@"):
        return fitted(_from_file(Path(text[1:]), tensor), tensor.shape)
    try:
        value: object = json.loads(text)
    except ValueError:
        value = text
    if tensor.datatype == BYTES and not isinstance(value, list | str):
        value = text
    return fitted(_typed(value, tensor), tensor.shape)


def fitted(array: Array, shape: Sequence[int]) -> Array:
    """The array in the tensor's rank, where there is one evident way; else unchanged."""
    if array.ndim == len(shape):
        return array
    if array.ndim == 0:
        return array.reshape((1,) * len(shape))
    if array.ndim == len(shape) - 1 and _matches(array.shape, shape[1:]):
        return array[np.newaxis]
    row = shape[1:]
    if all(size > 0 for size in row) and array.size % max(1, prod(row)) == 0:
        return array.reshape((-1, *row))
    return array


def _matches(sizes: Sequence[int], shape: Sequence[int]) -> bool:
    return all(wanted in {-1, size} for size, wanted in zip(sizes, shape, strict=True))


def _typed(value: object, tensor: "TensorMetadata") -> Array:
    if tensor.datatype == BYTES:
        return _text(value, tensor)
    dtype = NUMPY_OF.get(tensor.datatype)
    if dtype is None:
        raise CommandError(f"input {tensor.name!r} has the unknown datatype {tensor.datatype!r}")
    try:
        return _numbers(value, dtype)
    except (ValueError, TypeError, OverflowError) as error:
        raise CommandError(
            f"input {tensor.name!r} takes {tensor.datatype} of shape {list(tensor.shape)}, "
            f"and the value does not fit: {error}",
            code=USAGE,
        ) from None


def _numbers(value: object, dtype: np.dtype[Any]) -> Array:
    """Nested lists as an array. Raises one of several errors where they do not fit."""
    array: Array = np.asarray(value)
    if array.dtype.kind not in "biuf":
        raise TypeError(f"{value!r} is not made of numbers")
    if dtype.kind in "biu" and array.dtype.kind == "f":
        if (array != np.trunc(array)).any():
            raise TypeError("it has fractions")
        return array.astype(dtype)
    return np.asarray(value, dtype=dtype)


def _text(value: object, tensor: "TensorMetadata") -> Array:
    array = np.array(value, dtype=np.object_)
    if not all(isinstance(leaf, str | bytes) for leaf in array.ravel().tolist()):
        raise CommandError(
            f"input {tensor.name!r} takes text of shape {list(tensor.shape)}: write a text, or "
            'JSON lists of equal length as ["one","two"]',
            code=USAGE,
        )
    return array


def _generated(word: str, tensor: "TensorMetadata") -> Array:
    sizes = sizes_of(tensor.shape)
    if tensor.datatype == BYTES:
        return np.full(sizes, "" if word == "@zeros" else "hello", dtype=np.object_)
    dtype = NUMPY_OF[tensor.datatype]
    if word == "@zeros":
        return np.zeros(sizes, dtype=dtype)
    if word == "@ones":
        return np.ones(sizes, dtype=dtype)
    rng = np.random.default_rng(_SEED)
    if dtype.kind in "biu":
        return rng.integers(0, 2, sizes).astype(dtype)
    return rng.random(sizes, dtype=np.float32).astype(dtype)


def _from_file(path: Path, tensor: "TensorMetadata") -> Array:
    try:
        if path.suffix == ".npy":
            return _cast_file(np.load(path, allow_pickle=False), path, tensor)
        if path.suffix == ".json":
            return _typed(json.loads(path.read_text()), tensor)
    except (OSError, ValueError, EOFError) as error:
        raise CommandError(
            f"input {tensor.name!r}: cannot read {path}: {error}", code=USAGE
        ) from None
    raise CommandError(
        f"input {tensor.name!r}: {path} is neither .npy nor .json",
        next_step=f"save it as one of those, or use one of {', '.join(GENERATED)}",
        code=USAGE,
    )


def _cast_file(array: Any, path: Path, tensor: "TensorMetadata") -> Array:  # noqa: ANN401  (whatever np.load gives)
    if tensor.datatype == BYTES:
        return _text(array.tolist(), tensor)
    wanted = NUMPY_OF[tensor.datatype]
    if array.dtype == wanted or np.can_cast(array.dtype, wanted, casting="same_kind"):
        return np.asarray(array, dtype=wanted)
    raise CommandError(
        f"input {tensor.name!r} takes {tensor.datatype}, {path} holds {array.dtype}",
        next_step="convert it with numpy's astype and save it again",
        code=USAGE,
    )


def _usage(why: str, metadata: "ModelMetadata", example: str) -> CommandError:
    """What the model takes, and a command that works."""
    takes = "\n".join(
        f"    {tensor.name}  {tensor.datatype}  {list(tensor.shape)}" for tensor in metadata.inputs
    )
    return CommandError(
        f"{why}; {metadata.name} takes\n{takes}",
        next_step=example,
        code=USAGE,
        facts={
            "inputs": [
                {"name": t.name, "datatype": t.datatype, "shape": list(t.shape)}
                for t in metadata.inputs
            ]
        },
    )
