"""Valid inputs for any ONNX model, by its signature: what cannot be told from it is tried out.

A signature says neither which ids a model knows nor which sizes go together. So sizes are tried
until the model runs, ids are raised until it does not, and hints (see `Hints`) say what nobody can
guess: a sample rate, the samples of a frame.
"""

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from itertools import islice, product
from math import prod
from typing import Any, Final

import numpy as np
import onnxruntime as ort

Array = np.ndarray[Any, Any]
Sizes = Mapping[str, int]
"""Of the free dimensions, by label."""
Inputs = dict[str, Array]
Run = Callable[[Inputs], Sequence[Array]]

FIRST_SIZES: Final = (1, 2, 3)
"""Tried for a first dimension: mostly rows."""
OTHER_SIZES: Final = (16, 32, 64, 128, 24, 8, 4, 2, 1, 160, 256, 320, 512)
TOPS: Final = (30_000, 5_000, 1_000, 200, 60, 20, 8, 3, 1, 0)
"""Tried as the largest id."""
TRIES_MAX: Final = 300
ELEMENTS_MAX: Final = 4_000_000
WORDS: Final = (b"late", b"parcel", b"where", b"invoice", b"hello", b"", "é".encode())

_DTYPES: Final[dict[str, Any]] = {
    "float": np.float32,
    "double": np.float64,
    "float16": np.float16,
    "bool": np.bool_,
    **{
        f"{sign}int{bits}": np.dtype(f"{sign}int{bits}")
        for sign in ("", "u")
        for bits in (8, 16, 32, 64)
    },
}


class NoInputs(Exception):  # noqa: N818  (the sentence is for people, it names no error)
    """The model could not be run on anything that was tried; says what it said."""


@dataclass(frozen=True)
class Hints:
    """What a signature does not tell.

    Attributes:
        sizes: Sizes to try of a free dimension, or the label of the one that it equals. A label
            is the dimension's name, or "input.axis" where it has none.
        values: Of an input: {"values": [...]} to choose from, {"low": a, "high": b}, or
            {"kind": "ids" | "mask" | "length", "of": label}.
    """

    sizes: Mapping[str, Sequence[int] | str] = field(default_factory=dict)
    values: Mapping[str, Mapping[str, Any]] = field(default_factory=dict)


@dataclass(frozen=True)
class Tensor:
    """One input.

    Attributes:
        name: Of the input.
        kind: Of its elements, in onnxruntime's words: "float", "int64", "string".
        dims: Sizes, and labels of those that are free.
    """

    name: str
    kind: str
    dims: tuple[int | str, ...]


def tensors_of(session: ort.InferenceSession) -> tuple[Tensor, ...]:
    """The inputs."""
    return tuple(
        Tensor(
            node.name,
            node.type.removeprefix("tensor(").removesuffix(")"),
            tuple(_label(node.name, axis, size) for axis, size in enumerate(node.shape)),
        )
        for node in session.get_inputs()
    )


def _label(name: str, axis: int, size: object) -> int | str:
    if isinstance(size, int):
        return size
    # Some exporters call all free dimensions "?".
    return size if isinstance(size, str) and size.strip("?") else f"{name}.{axis}"


class Generator:
    """Makes inputs of one model, different ones each time.

    Args:
        tensors: The model's inputs.
        run: Runs the model; raises what onnxruntime raises.
        hints: What the signature does not tell.
        seed: Of the values.

    Raises:
        NoInputs: Nothing that was tried runs.
    """

    def __init__(
        self, tensors: Sequence[Tensor], run: Run, hints: Hints | None = None, *, seed: int = 1
    ) -> None:
        self._tensors = tensors
        self._run = run
        self._hints = hints or Hints()
        self._rng = np.random.default_rng(seed)
        self._tops = {tensor.name: 1 for tensor in tensors if self._kind(tensor) == "ids"}
        self._said = "nothing"
        base = next(
            (sizes for sizes in islice(self._tried(), TRIES_MAX) if self._runs(sizes)), None
        )
        if base is None:
            raise NoInputs(f"it runs on no inputs that were tried; at last it said: {self._said}")
        self._base = base
        self._raise_ids()

    def sizes(self, wanted: int) -> list[Sizes]:
        """Up to so many different sets of sizes that the model runs with."""
        found: list[Sizes] = [self._base]
        labels = self._labels()
        for turn in range(wanted):
            for label in labels:
                each = self._candidates(label)
                size = each[turn % len(each)]
                changed = self._completed({**self._base, label: size})
                if len(found) < wanted and changed not in found and self._runs(changed):
                    found.append(changed)
        return found

    def inputs(self, sizes: Sizes) -> Inputs:
        """Random inputs of these sizes."""
        return {tensor.name: self._value(tensor, sizes) for tensor in self._tensors}

    def _labels(self) -> list[str]:
        """Of the dimensions that are free to choose."""
        every = dict.fromkeys(
            size for tensor in self._tensors for size in tensor.dims if isinstance(size, str)
        )
        return [label for label in every if not isinstance(self._hints.sizes.get(label), str)]

    def _candidates(self, label: str) -> Sequence[int]:
        hinted = self._hints.sizes.get(label)
        if hinted is not None and not isinstance(hinted, str):
            return hinted
        first = any(tensor.dims[:1] == (label,) for tensor in self._tensors)
        return FIRST_SIZES if first else OTHER_SIZES

    def _completed(self, sizes: dict[str, int]) -> Sizes:
        """With the dimensions that equal others."""
        same = {
            label: sizes[other]
            for label, other in self._hints.sizes.items()
            if isinstance(other, str)
        }
        return {**sizes, **same}

    def _tried(self) -> Iterator[Sizes]:
        """Sizes in the order in which they are tried: first every free dimension alike."""
        labels = self._labels()
        each = [self._candidates(label) for label in labels]
        for turn in range(max((len(sizes) for sizes in each), default=1)):
            chosen = (sizes[turn % len(sizes)] for sizes in each)
            yield self._completed(dict(zip(labels, chosen, strict=True)))
        for chosen_sizes in product(*each):
            yield self._completed(dict(zip(labels, chosen_sizes, strict=True)))

    def _runs(self, sizes: Sizes) -> bool:
        if any(prod(_shape(tensor, sizes)) > ELEMENTS_MAX for tensor in self._tensors):
            return False
        try:
            outputs = self._run(self.inputs(sizes))
        except Exception as error:  # noqa: BLE001  (a binding: any type may come)
            self._said = " ".join(str(error).split())[:300]
            return False
        return not any(_all_nan(output) for output in outputs)

    def _raise_ids(self) -> None:
        """Finds the largest ids that the model knows, input by input."""
        for name in self._tops:
            for top in TOPS:
                self._tops[name] = top
                if self._runs(self._base):
                    break

    def _kind(self, tensor: Tensor) -> str:
        """What the values mean, by hint, else by name and type."""
        hint = self._hints.values.get(tensor.name, {})
        if "kind" in hint:
            return str(hint["kind"])
        if "values" in hint or "low" in hint:
            return "hinted"
        name = tensor.name.lower()
        if tensor.kind == "bool" or "mask" in name:
            return "mask"
        if tensor.kind.startswith(("int", "uint")):
            return "length" if "len" in name else "ids"
        return "text" if tensor.kind == "string" else "numbers"

    def _value(self, tensor: Tensor, sizes: Sizes) -> Array:
        shape, hint, rng = _shape(tensor, sizes), self._hints.values.get(tensor.name, {}), self._rng
        kind = self._kind(tensor)
        if kind == "text":
            return rng.choice(np.array(WORDS, object), shape)
        made: Any
        if "values" in hint:
            made = rng.choice(hint["values"], shape)
        elif kind == "hinted":
            made = rng.uniform(hint["low"], hint["high"], shape)
        elif kind == "mask":
            width = shape[-1] if shape else 1
            long = rng.integers((width + 1) // 2, width, (*shape[:-1], 1), endpoint=True)
            made = np.broadcast_to(np.arange(width) < long, shape)
        elif kind == "length":
            whole = sizes[hint["of"]] if "of" in hint else max(sizes.values(), default=1)
            made = rng.integers((whole + 1) // 2, whole, shape, endpoint=True)
        elif kind == "ids":
            made = rng.integers(0, self._tops.get(tensor.name, 1), shape, endpoint=True)
            if made.ndim and made.size:
                made.flat[-1] = self._tops.get(tensor.name, 1)
        else:
            made = rng.standard_normal(shape)
        return np.asarray(made).astype(_DTYPES[tensor.kind])


def _shape(tensor: Tensor, sizes: Sizes) -> tuple[int, ...]:
    return tuple(size if isinstance(size, int) else sizes[size] for size in tensor.dims)


def _all_nan(output: Array) -> bool:
    return output.dtype.kind == "f" and output.size > 0 and bool(np.isnan(output).all())
