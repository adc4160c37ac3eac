"""Element types under their four names: protocol, configuration, ONNX and numpy."""

from dataclasses import dataclass
from typing import Final

import ml_dtypes
import numpy as np

from hasten.inference.v2.model_config_pb2 import DataType


@dataclass(frozen=True, slots=True)
class ElementType:
    """One element type.

    Attributes:
        name: In the inference protocol.
        config: In config.pbtxt.
        onnx: Number in ONNX's TensorProto.DataType.
        ort: As onnxruntime describes it, without "tensor()".
        dtype: In memory; BYTES are objects.
    """

    name: str
    config: DataType.ValueType
    onnx: int
    ort: str
    dtype: np.dtype[np.generic]

    @property
    def config_name(self) -> str:
        """Name in config.pbtxt, as TYPE_FP32."""
        return DataType.Name(self.config)


def _element(name: str, config: str, onnx: int, ort: str, dtype: type) -> ElementType:
    return ElementType(name, DataType.Value(config), onnx, ort, np.dtype(dtype))


ELEMENT_TYPES: Final = (
    _element("BOOL", "TYPE_BOOL", 9, "bool", np.bool_),
    _element("UINT8", "TYPE_UINT8", 2, "uint8", np.uint8),
    _element("UINT16", "TYPE_UINT16", 4, "uint16", np.uint16),
    _element("UINT32", "TYPE_UINT32", 12, "uint32", np.uint32),
    _element("UINT64", "TYPE_UINT64", 13, "uint64", np.uint64),
    _element("INT8", "TYPE_INT8", 3, "int8", np.int8),
    _element("INT16", "TYPE_INT16", 5, "int16", np.int16),
    _element("INT32", "TYPE_INT32", 6, "int32", np.int32),
    _element("INT64", "TYPE_INT64", 7, "int64", np.int64),
    _element("FP16", "TYPE_FP16", 10, "float16", np.float16),
    _element("FP32", "TYPE_FP32", 1, "float", np.float32),
    _element("FP64", "TYPE_FP64", 11, "double", np.float64),
    _element("BYTES", "TYPE_STRING", 8, "string", np.object_),
    _element("BF16", "TYPE_BF16", 16, "bfloat16", ml_dtypes.bfloat16),
)
BY_CONFIG: Final = {element.config: element for element in ELEMENT_TYPES}
BY_ORT: Final = {f"tensor({element.ort})": element for element in ELEMENT_TYPES}
