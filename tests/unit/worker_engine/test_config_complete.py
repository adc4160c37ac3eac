from dataclasses import replace

import pytest

from hasten_worker.engine.config.complete import complete_config
from hasten_worker.engine.config.text import config_from_text
from hasten_worker.engine.facts import ModelFacts, TensorFacts
from hasten_worker.engine.onnx.tensor_plan import tensor_specs
from hasten_worker.engine.refusal import ModelRefused
from hasten_worker.model import TensorSpec

FP32 = "tensor(float)"


def facts(
    inputs: list[tuple[str, tuple[int, ...] | None]],
    outputs: list[tuple[str, tuple[int, ...] | None]],
    kind: str = FP32,
) -> ModelFacts:
    return ModelFacts(
        tuple(TensorFacts(name, kind, dims) for name, dims in inputs),
        tuple(TensorFacts(name, kind, dims) for name, dims in outputs),
        memory_bytes=0,
        rows_max=64,
    )


BATCHING = facts([("x", (-1, 4))], [("y", (-1, 2))])


def completed(text: str, found: ModelFacts) -> tuple[int, tuple[TensorSpec, ...]]:
    config = complete_config(config_from_text(text), found, batch_max_default=32)
    inputs, outputs = tensor_specs(config, {})
    return config.max_batch_size, inputs + outputs


def refusal(text: str, found: ModelFacts) -> str:
    with pytest.raises(ModelRefused) as caught:
        complete_config(config_from_text(text), found, batch_max_default=32)
    return str(caught.value)


def test_a_model_with_free_first_dimensions_batches_by_itself() -> None:
    batch_max, (x, y) = completed("", BATCHING)
    assert batch_max == 32
    assert x == TensorSpec("x", "FP32", (-1, 4))
    assert y == TensorSpec("y", "FP32", (-1, 2))
    config = complete_config(config_from_text(""), BATCHING, batch_max_default=32)
    assert config.HasField("dynamic_batching")
    assert (config.backend, config.platform) == ("onnxruntime", "onnxruntime_onnx")


def test_a_model_whose_rows_were_not_shown_does_not_batch() -> None:
    found = replace(BATCHING, rows_max=0)
    batch_max, (x, _) = completed("", found)
    assert (batch_max, x.shape) == (0, (-1, 4))
    text = "dynamic_batching { preferred_batch_size: 4 default_queue_policy { max_queue_size: 7 } }"
    config = complete_config(config_from_text(text), found, batch_max_default=32)
    assert not config.dynamic_batching.preferred_batch_size
    assert config.dynamic_batching.default_queue_policy.max_queue_size == 7
    none = complete_config(config_from_text(""), found, batch_max_default=32)
    assert not none.HasField("dynamic_batching")
    few = replace(BATCHING, rows_max=5)
    config = complete_config(
        config_from_text(text.replace("4", "[ 4, 8 ]")), few, batch_max_default=32
    )
    assert list(config.dynamic_batching.preferred_batch_size) == [4]
    assert completed("max_batch_size: 4", found)[0] == 4
    assert completed("", replace(BATCHING, rows_max=5))[0] == 5


@pytest.mark.parametrize(
    "found",
    [
        facts([("x", (-1, 4))], [("y", (1, 2))]),
        facts([("x", (4,))], [("y", (4,))]),
        facts([("x", (-1, 4)), ("scale", ())], [("y", (-1, 4))]),
        facts([("x", (-1, 4))], [("y", ())]),
    ],
    ids=["output", "input", "scalar input", "scalar output"],
)
def test_a_model_with_one_fixed_first_dimension_does_not_batch(found: ModelFacts) -> None:
    batch_max, (x, *_) = completed("", found)
    assert batch_max == 0
    assert x.shape == found.inputs[0].dims


def test_one_value_per_row_gets_triton_s_form() -> None:
    _, (x, _) = completed("", facts([("x", (-1,))], [("y", (-1, 2))]))
    assert x.shape == (-1, 1)


def test_a_written_batch_size_of_zero_is_obeyed() -> None:
    batch_max, (x, _) = completed("max_batch_size: 0", BATCHING)
    assert (batch_max, x.shape) == (0, (-1, 4))


def test_dims_that_are_listed_without_a_batch_size_are_the_whole_shape() -> None:
    text = 'input { name: "x" data_type: TYPE_FP32 dims: [ -1, 4 ] }'
    batch_max, (x, y) = completed(text, BATCHING)
    assert (batch_max, x.shape, y.shape) == (0, (-1, 4), (-1, 2))


def test_what_is_written_in_part_is_filled_in() -> None:
    text = 'max_batch_size: 6 output { name: "y" label_filename: "l" } input { name: "x" dims: 4 }'
    batch_max, (x, y) = completed(text, BATCHING)
    assert (batch_max, x, y) == (
        6,
        TensorSpec("x", "FP32", (-1, 4)),
        TensorSpec("y", "FP32", (-1, 2)),
    )


def test_outputs_that_are_not_listed_are_not_served() -> None:
    found = facts([("x", (-1, 4))], [("y", (-1, 2)), ("z", (-1, 3))])
    _, specs = completed('max_batch_size: 2 output { name: "z" }', found)
    assert [spec.name for spec in specs] == ["x", "z"]


def test_a_narrower_shape_than_the_model_s_may_be_written() -> None:
    found = facts([("x", (-1, -1, -1))], [("y", None)])
    text = """max_batch_size: 2 input { name: "x" dims: [ 3, -1 ] }
              output { name: "y" data_type: TYPE_FP32 dims: [ 7 ] }"""
    _, (x, y) = completed(text, found)
    assert (x.shape, y.shape) == ((-1, 3, -1), (-1, 7))


@pytest.mark.parametrize(
    ("text", "parts"),
    [
        ('max_batch_size: 2 input { name: "X" }', ["input 'X'", "are 'x'"]),
        ('max_batch_size: 2 output { name: "Y" }', ["output 'Y'", "are 'y'"]),
        (
            'max_batch_size: 2 input { name: "x" data_type: TYPE_INT8 }',
            ["input 'x'", "TYPE_INT8", "TYPE_FP32"],
        ),
        ('max_batch_size: 2 input { name: "x" dims: 5 }', ["input 'x'", "[5]", "[-1, 4]"]),
        ('max_batch_size: 2 input { name: "x" dims: -1 }', ["input 'x'", "[-1]", "[-1, 4]"]),
        ('input { name: "x" dims: 4 }', ["[4]", "max_batch_size is 0", "[-1, 4]"]),
        ('max_batch_size: 2 input { name: "x" dims: -2 }', ["[-2]", "below -1"]),
        (
            'max_batch_size: 2 input { name: "x" dims: [ 2, 3 ] reshape { shape: [ 4 ] } }',
            ["[2, 3]", "[4]", "different numbers of elements"],
        ),
        (
            'max_batch_size: 2 input { name: "x" dims: [ -1, 4 ] reshape { shape: [ 4 ] } }',
            ["different numbers of elements"],
        ),
        ('max_batch_size: 2 input { name: "x" optional: true }', ["'x' optional", "no default"]),
        ('max_batch_size: 2 input { name: "x" } input { name: "x" }', ["input 'x' twice"]),
        ("max_batch_size: -1", ["max_batch_size is -1"]),
        ("max_batch_size: 1000000", ["max_batch_size is 1000000"]),
    ],
)
def test_a_disagreement_is_refused_with_both_sides_named(text: str, parts: list[str]) -> None:
    sentence = refusal(text, BATCHING)
    for part in parts:
        assert part in sentence


def test_an_input_that_is_needed_and_not_listed_is_named() -> None:
    found = facts([("x", (-1, 4)), ("mask", (-1, 4))], [("y", (-1, 2))])
    sentence = refusal('max_batch_size: 2 input { name: "x" }', found)
    assert "needs input 'mask'" in sentence
    assert "'x'" in sentence


def test_a_batch_size_for_a_model_that_cannot_batch_is_refused() -> None:
    sentence = refusal("max_batch_size: 8", facts([("x", (1, 4))], [("y", (1, 2))]))
    assert "input 'x'" in sentence
    assert "fixed first dimension 1" in sentence
    assert "max_batch_size: 0" in sentence


def test_a_shape_that_nobody_states_is_asked_for() -> None:
    found = facts([("x", (-1, 4))], [("y", None)])
    assert "does not say the shape of output 'y'" in refusal("", found)
    _, (_, y) = completed('max_batch_size: 2 output { name: "y" dims: [ 9 ] }', found)
    assert y.shape == (-1, 9)


@pytest.mark.parametrize("kind", ["seq(tensor(float))", "optional(tensor(float))", "tensor(int4)"])
def test_a_type_that_cannot_be_sent_is_refused(kind: str) -> None:
    found = facts([("x", (-1, 4))], [("y", (-1, 2))], kind)
    assert kind in refusal("", found)
