"""A tabular risk model: malignant or benign, from 30 measurements of a cell sample.

Data: the 569 samples of the UCI "Breast Cancer Wisconsin (Diagnostic)" set, which scikit-learn
ships. Gradient-boosted trees, exported as the ONNX-ML operator TreeEnsembleClassifier. Every
fourth sample is held out.
"""

import numpy as np
from skl2onnx import to_onnx
from skl2onnx.common.data_types import FloatTensorType
from sklearn.datasets import load_breast_cancer
from sklearn.ensemble import GradientBoostingClassifier

from examples.train.layout import write_held_out, write_model

CONFIG = """\
name: "risk"
platform: "onnxruntime_onnx"
max_batch_size: 64
input [ { name: "measurements" data_type: TYPE_FP32 dims: [ 30 ] } ]
output [
  { name: "label" data_type: TYPE_INT64 dims: [ 1 ] reshape: { shape: [ ] } },
  { name: "probabilities" data_type: TYPE_FP32 dims: [ 2 ] label_filename: "labels.txt" }
]
dynamic_batching { }
"""


def train() -> str:
    """Trains, writes, and says how well it does on what it never saw."""
    data = load_breast_cancer()
    held = np.arange(len(data.data)) % 4 == 3
    model = GradientBoostingClassifier(n_estimators=80, max_depth=3, random_state=7)
    model.fit(data.data[~held].astype(np.float32), data.target[~held])
    accuracy = model.score(data.data[held].astype(np.float32), data.target[held])
    exported = to_onnx(
        model,
        initial_types=[("measurements", FloatTensorType([None, 30]))],
        options={"zipmap": False},
        target_opset={"": 17, "ai.onnx.ml": 3},
    )
    write_model("risk", exported, CONFIG, [str(name) for name in data.target_names])
    write_held_out("risk", data.data[held], data.target[held])
    return f"risk: {accuracy:.1%} of {held.sum()} held-out samples right"
