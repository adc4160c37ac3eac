"""Configurations as people have them for Triton, served without a change."""

from pathlib import Path

import numpy as np
import pytest
from onnx import TensorProto, helper, numpy_helper
from structlog.testing import capture_logs

from tests.unit.worker_engine import zoo
from tests.unit.worker_engine.shop import lines, open_store
from tests.unit.worker_engine.zoo import Repository

SAMPLES = Path(__file__).parent / "triton_samples"


def densenet() -> bytes:
    nodes = [
        helper.make_node("GlobalAveragePool", ["data_0"], ["p"]),
        helper.make_node("Conv", ["p", "W"], ["fc6_1"]),
    ]
    weights = np.zeros((10, 3, 1, 1), np.float32)
    weights[3, 0], weights[7, 1] = 2.0, 3.0
    made = zoo.model(
        nodes,
        [zoo.value("data_0", [1, 3, 16, 16])],
        [zoo.value("fc6_1", [1, 10, 1, 1])],
        [numpy_helper.from_array(weights, "W")],
    )
    return made.SerializeToString()


def encoder() -> bytes:
    nodes = [
        helper.make_node("Gather", ["table", "input_ids"], ["e"]),
        helper.make_node("Cast", ["attention_mask"], ["m"], to=TensorProto.FLOAT),
        helper.make_node("Unsqueeze", ["m", "two"], ["m3"]),
        helper.make_node("Mul", ["e", "m3"], ["em"]),
        helper.make_node("ReduceSum", ["em", "one"], ["embedding"], keepdims=0),
    ]
    table = np.arange(80, dtype=np.float32).reshape(10, 8)
    made = zoo.model(
        nodes,
        [
            zoo.value("input_ids", ["batch", "sequence"], TensorProto.INT64),
            zoo.value("attention_mask", ["batch", "sequence"], TensorProto.INT64),
        ],
        [zoo.value("embedding", ["batch", 8])],
        [
            numpy_helper.from_array(table, "table"),
            numpy_helper.from_array(np.array([2], np.int64), "two"),
            numpy_helper.from_array(np.array([1], np.int64), "one"),
        ],
    )
    return made.SerializeToString()


def fraud() -> bytes:
    nodes = [
        helper.make_node(
            "LabelEncoder",
            ["merchant"],
            ["foreign"],
            domain="ai.onnx.ml",
            keys_strings=["shop.example"],
            values_int64s=[0],
            default_int64=1,
        ),
        helper.make_node("Cast", ["foreign"], ["b"], to=TensorProto.BOOL),
        helper.make_node("Squeeze", ["b", "one"], ["is_foreign"]),
        helper.make_node("Sigmoid", ["amount"], ["score"]),
    ]
    made = zoo.model(
        nodes,
        [zoo.value("amount", ["n", 1], TensorProto.DOUBLE), zoo.value("merchant", ["n", 1], 8)],
        [zoo.value("is_foreign", ["n"], TensorProto.BOOL), zoo.value("score", ["n", 1], 11)],
        [numpy_helper.from_array(np.array([1], np.int64), "one")],
    )
    return made.SerializeToString()


@pytest.fixture
def triton(repository: Repository) -> Repository:
    config = {path.stem: path.read_text() for path in SAMPLES.glob("*.pbtxt")}
    repository.write("densenet_onnx", densenet(), config=config["densenet_onnx"])
    (repository.path / "densenet_onnx" / "densenet_labels.txt").write_text(
        "\n".join(f"class {number}" for number in range(10))
    )
    for version in (1, 2):
        files = {"encoder.onnx": encoder()}
        repository.write("text_encoder", files, config=config["text_encoder"], version=version)
    for version in (2, 3, 20240117):
        repository.write("fraud_score", fraud(), config=config["fraud_score"], version=version)
    return repository


async def test_the_samples_are_served_as_they_are(triton: Repository) -> None:
    with capture_logs() as logged:
        async with open_store(triton, lanes=2, cores=4, providers=("cpu",)) as (store, _):
            assert set(lines(store).values()) == {"READY"}
            assert lines(store).keys() == {
                "densenet_onnx/1",
                "text_encoder/1",
                "text_encoder/2",
                "fraud_score/3",
                "fraud_score/20240117",
            }
            image = store.resolve("densenet_onnx", "")
            assert (image.batches, image.inputs[0].shape) == (False, (3, 16, 16))
            assert image.outputs[0].shape == (10,)
            assert image.outputs[0].labels[7] == "class 7"
            (result,) = image.new_run().execute([{"data_0": np.ones((3, 16, 16), np.float32)}], 1)
            assert result["fc6_1"].tolist() == [0, 0, 0, 2, 0, 0, 0, 3, 0, 0]

            text = store.resolve("text_encoder", "2")
            assert (text.spec.instances, text.spec.queue_max) == (2, 64)
            assert text.spec.preferred_sizes == (4, 8, 16)
            assert (text.spec.queue_delay_max_s, text.spec.default_timeout_s) == (0.0005, 0.2)
            ids = np.array([[1, 2, 9]], np.int64)
            (result,) = text.new_run().execute(
                [{"input_ids": ids, "attention_mask": np.array([[1, 1, 0]], np.int64)}], 1
            )
            np.testing.assert_array_equal(result["embedding"], [np.arange(8.0) * 2 + 24])

            risk = store.resolve("fraud_score", "")
            assert risk.spec.version == "20240117"
            merchants = np.array([[b"shop.example"], [b"other"]], np.object_)
            (result,) = risk.new_run().execute(
                [{"amount": np.zeros((2, 1)), "merchant": merchants}], 2
            )
            assert result["is_foreign"].tolist() == [[False], [True]]
            assert result["score"].tolist() == [[0.5], [0.5]]
    notes = {(line["model"], line["note"]) for line in logged if line["event"] == "model.note"}
    assert notes == {
        ("densenet_onnx", "input data_0: format is ignored: data are passed on as they come"),
        ("text_encoder", "response_cache is ignored: every request is run"),
        (
            "text_encoder",
            "parameter 'memory.enable_memory_arena_shrinkage' is ignored: it is not known here",
        ),
        (
            "text_encoder",
            "instance_group asks for a GPU: there is none, the CPU runs the model",
        ),
        ("text_encoder", "execution accelerator 'tensorrt' is not there and is left out"),
        ("fraud_score", "line 24: unknown field sla_tier is ignored"),
    }
