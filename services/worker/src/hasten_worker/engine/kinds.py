"""Types of tensors that cannot be served, each with what can be done about it."""

import re
from typing import Final

_TENSOR: Final = re.compile(r"\A(?:sparse_)?tensor\((?P<element>\w+)\)\Z")
_PLAIN: Final = "only tensors can be served"


def advice_on(kind: str) -> str:
    """A sentence on a type that onnxruntime has and the inference protocol has not.

    Args:
        kind: As onnxruntime describes it, as "tensor(int4)".
    """
    if kind.startswith("optional("):
        return (
            "an optional type may be absent, which no request can say; export the model with a "
            "plain tensor there, or give the input a default value in the file"
        )
    if kind.startswith("seq(map(") or kind.startswith("map("):
        return f"{_PLAIN}; for a scikit-learn classifier, export with zipmap=False"
    if kind.startswith("seq("):
        return f"{_PLAIN}; join the sequence to one tensor with ConcatFromSequence"
    if kind.startswith("sparse_tensor("):
        return f"{_PLAIN} that are dense; make it dense in the model"
    matched = _TENSOR.match(kind)
    element = matched["element"] if matched else ""
    if element.startswith(("int4", "uint4", "int2", "uint2", "float4")):
        return (
            f"{element} packs several elements into a byte, and the inference protocol has no "
            "such datatype; put a Cast to INT8 or UINT8 between the model and its inputs and "
            "outputs (weights may stay as they are)"
        )
    if element.startswith("float8"):
        return (
            f"{element} is an 8-bit float, and the inference protocol has no such datatype; put a "
            "Cast to FP16 or FP32 between the model and its inputs and outputs (weights may stay "
            "as they are)"
        )
    return f"{_PLAIN} of the inference protocol's datatypes"
