"""Types of tensors that cannot be served, each with what can be done about it."""

import re
from typing import Final

_TENSOR: Final = re.compile(r"\Atensor\((\w+)\)\Z")
_PLAIN: Final = "only tensors can be served"
_OPTIONAL: Final = (
    "an optional type may be absent, which no request can say; export the model with a plain "
    "tensor there, or give the input a default value in the file"
)
_MAP: Final = f"{_PLAIN}; for a scikit-learn classifier, export with zipmap=False"
_SEQUENCE: Final = f"{_PLAIN}; join the sequence to one tensor with ConcatFromSequence"
_SPARSE: Final = f"{_PLAIN} that are dense; make it dense in the model"
_PACKED: Final = (
    "packs several elements into a byte, and the inference protocol has no such datatype; put a "
    "Cast between the model and its inputs and outputs, as to INT8 (weights may stay as they are)"
)
_FLOAT8: Final = (
    "is an 8-bit float, and the inference protocol has no such datatype; put a Cast between the "
    "model and its inputs and outputs, as to FP16 (weights may stay as they are)"
)
_CONTAINERS: Final[tuple[tuple[str, str], ...]] = (
    ("optional(", _OPTIONAL),
    ("seq(map(", _MAP),
    ("map(", _MAP),
    ("seq(", _SEQUENCE),
    ("sparse_tensor(", _SPARSE),
)
_ELEMENTS: Final[tuple[tuple[str, str], ...]] = (
    ("int4", _PACKED),
    ("uint4", _PACKED),
    ("int2", _PACKED),
    ("uint2", _PACKED),
    ("float4", _PACKED),
    ("float8", _FLOAT8),
)


def advice_on(kind: str) -> str:
    """A sentence on a type that onnxruntime has and the inference protocol has not.

    Args:
        kind: As onnxruntime describes it, as "tensor(int4)".
    """
    for beginning, advice in _CONTAINERS:
        if kind.startswith(beginning):
            return advice
    matched = _TENSOR.match(kind)
    element = matched[1] if matched else ""
    for beginning, advice in _ELEMENTS:
        if element.startswith(beginning):
            return f"{element} {advice}"
    return f"{_PLAIN} of the inference protocol's datatypes"
