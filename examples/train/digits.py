"""A vision classifier: handwritten digits, 8 x 8 grey pixels, a small convolutional net.

Data: the 1,797 digits of the UCI "Optical Recognition of Handwritten Digits" test set, which
scikit-learn ships. Trained with plain numpy (Adam on softmax cross-entropy) on three quarters;
every fourth digit is held out.
"""

import numpy as np
from onnx import ModelProto, TensorProto, helper, numpy_helper
from sklearn.datasets import load_digits

from examples.train.layout import write_held_out, write_model

CHANNELS = 24
HIDDEN = 64
EPOCHS = 30
BATCH = 32
LEARNING_RATE = 2e-3

CONFIG = """\
name: "digits"
platform: "onnxruntime_onnx"
max_batch_size: 32
input [ { name: "image" data_type: TYPE_FP32 dims: [ 1, 8, 8 ] } ]
output [ { name: "probabilities" data_type: TYPE_FP32 dims: [ 10 ] label_filename: "labels.txt" } ]
dynamic_batching { preferred_batch_size: [ 8, 16, 32 ] }
"""

Weights = dict[str, np.ndarray]


def patches(images: np.ndarray) -> np.ndarray:
    """3 x 3 neighbourhoods with one pixel of zero padding: (n, 8, 8) -> (n, 64, 9)."""
    padded = np.pad(images, ((0, 0), (1, 1), (1, 1)))
    windows = np.lib.stride_tricks.sliding_window_view(padded, (3, 3), axis=(1, 2))
    return windows.reshape(len(images), 64, 9)


def forward(weights: Weights, seen: np.ndarray) -> tuple[np.ndarray, ...]:
    """Patches -> (after convolution, pooled, hidden, logits)."""
    conv = np.maximum(seen @ weights["conv_w"].T + weights["conv_b"], 0)
    grid = conv.reshape(len(seen), 4, 2, 4, 2, CHANNELS)
    pooled = grid.mean(axis=(2, 4)).transpose(0, 3, 1, 2).reshape(len(seen), -1)
    hidden = np.maximum(pooled @ weights["hidden_w"] + weights["hidden_b"], 0)
    return conv, pooled, hidden, hidden @ weights["out_w"] + weights["out_b"]


def gradients(weights: Weights, seen: np.ndarray, classes: np.ndarray) -> Weights:
    """Back-propagation of the mean cross-entropy."""
    conv, pooled, hidden, logits = forward(weights, seen)
    odds = np.exp(logits - logits.max(axis=1, keepdims=True))
    d_logits = odds / odds.sum(axis=1, keepdims=True)
    d_logits[np.arange(len(seen)), classes] -= 1
    d_logits /= len(seen)
    d_hidden = (d_logits @ weights["out_w"].T) * (hidden > 0)
    d_pooled = (d_hidden @ weights["hidden_w"].T).reshape(len(seen), CHANNELS, 4, 4)
    d_grid = d_pooled.transpose(0, 2, 3, 1)[:, :, None, :, None, :] / 4
    d_conv = np.broadcast_to(d_grid, (len(seen), 4, 2, 4, 2, CHANNELS)).reshape(conv.shape)
    d_conv = d_conv * (conv > 0)
    return {
        "conv_w": np.einsum("npc,npk->ck", d_conv, seen),
        "conv_b": d_conv.sum(axis=(0, 1)),
        "hidden_w": pooled.T @ d_hidden,
        "hidden_b": d_hidden.sum(axis=0),
        "out_w": hidden.T @ d_logits,
        "out_b": d_logits.sum(axis=0),
    }


def fit(images: np.ndarray, classes: np.ndarray, rng: np.random.Generator) -> Weights:
    """Trains by Adam (Kingma and Ba, 2015)."""
    weights = {
        "conv_w": rng.normal(0, np.sqrt(2 / 9), (CHANNELS, 9)),
        "conv_b": np.zeros(CHANNELS),
        "hidden_w": rng.normal(0, np.sqrt(2 / (CHANNELS * 16)), (CHANNELS * 16, HIDDEN)),
        "hidden_b": np.zeros(HIDDEN),
        "out_w": rng.normal(0, np.sqrt(2 / HIDDEN), (HIDDEN, 10)),
        "out_b": np.zeros(10),
    }
    mean = {name: np.zeros_like(value) for name, value in weights.items()}
    square = {name: np.zeros_like(value) for name, value in weights.items()}
    seen = patches(images)
    step = 0
    for _ in range(EPOCHS):
        order = rng.permutation(len(seen))
        for start in range(0, len(order), BATCH):
            step += 1
            chosen = order[start : start + BATCH]
            for name, slope in gradients(weights, seen[chosen], classes[chosen]).items():
                mean[name] += 0.1 * (slope - mean[name])
                square[name] += 0.001 * (slope**2 - square[name])
                scaled = mean[name] / (1 - 0.9**step)
                weights[name] -= (
                    LEARNING_RATE * scaled / (np.sqrt(square[name] / (1 - 0.999**step)) + 1e-8)
                )
    return weights


def to_onnx(weights: Weights) -> ModelProto:
    """The same net as an ONNX graph: Conv, Relu, AveragePool, two Gemms, Softmax."""
    arrays = {
        "conv_w": weights["conv_w"].reshape(CHANNELS, 1, 3, 3),
        **{name: weights[name] for name in ("conv_b", "hidden_w", "hidden_b", "out_w", "out_b")},
    }
    graph = helper.make_graph(
        [
            helper.make_node("Conv", ["image", "conv_w", "conv_b"], ["conv"], pads=[1, 1, 1, 1]),
            helper.make_node("Relu", ["conv"], ["conv_relu"]),
            helper.make_node(
                "AveragePool", ["conv_relu"], ["pooled"], kernel_shape=[2, 2], strides=[2, 2]
            ),
            helper.make_node("Flatten", ["pooled"], ["flat"]),
            helper.make_node("Gemm", ["flat", "hidden_w", "hidden_b"], ["hidden"]),
            helper.make_node("Relu", ["hidden"], ["hidden_relu"]),
            helper.make_node("Gemm", ["hidden_relu", "out_w", "out_b"], ["logits"]),
            helper.make_node("Softmax", ["logits"], ["probabilities"], axis=1),
        ],
        "digits",
        [helper.make_tensor_value_info("image", TensorProto.FLOAT, ["batch", 1, 8, 8])],
        [helper.make_tensor_value_info("probabilities", TensorProto.FLOAT, ["batch", 10])],
        [numpy_helper.from_array(v.astype(np.float32), name) for name, v in arrays.items()],
    )
    return helper.make_model(
        graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=8, producer_name="hasten"
    )


def train() -> str:
    """Trains, writes, and says how well it does on what it never saw."""
    data = load_digits()
    images = data.images / 16.0
    held = np.arange(len(images)) % 4 == 3
    weights = fit(images[~held], data.target[~held], np.random.default_rng(7))
    logits = forward(weights, patches(images[held]))[-1]
    accuracy = float((logits.argmax(axis=1) == data.target[held]).mean())
    write_model("digits", to_onnx(weights), CONFIG, [str(digit) for digit in range(10)])
    write_held_out("digits", images[held].reshape(-1, 1, 8, 8), data.target[held])
    return f"digits: {accuracy:.1%} of {held.sum()} held-out images right"
