import pytest

from hasten.inference.v2.model_config_pb2 import ModelConfig
from hasten_worker.engine.config.text import (
    UNKNOWN_MAX,
    WrittenConfig,
    config_from_json,
    config_from_text,
)
from hasten_worker.engine.refusal import ModelRefused


def test_unknown_fields_are_named_with_their_lines_and_paths() -> None:
    written = config_from_text(
        """name: "m"
        shiny_new_field: 3
        max_batch_size: 4  # a comment with { and "quotes
        instance_group [ { count: 2 kind: KIND_CPU  affinity { cores: [1, 2] } } ]
        dynamic_batching { preferred_batch_size: [2, 4] patience: "a" 'b' }
        input [
          { name: "x" data_type: TYPE_FP32 dims: [ -1 ] colour: RED },
          { name: "y", data_type: TYPE_INT8, dims: -1; weight: -1.5e3f }
        ]
        later < deep: [ { a: 1 }, { b: 2 } ] >
        """
    )
    assert written.unknown == (
        "line 2: unknown field shiny_new_field is ignored",
        "line 4: unknown field instance_group.affinity is ignored",
        "line 5: unknown field dynamic_batching.patience is ignored",
        "line 7: unknown field input.colour is ignored",
        "line 8: unknown field input.weight is ignored",
        "line 10: unknown field later is ignored",
    )
    assert written.config.max_batch_size == 4
    assert written.config.instance_group[0].count == 2
    assert list(written.config.dynamic_batching.preferred_batch_size) == [2, 4]
    assert [tensor.name for tensor in written.config.input] == ["x", "y"]


def test_a_field_inside_of_an_unknown_one_is_not_named_again() -> None:
    written = config_from_text("future { name: 1 input { nested: 2 } }\nmax_batch_size: 1")
    assert written.unknown == ("line 1: unknown field future is ignored",)
    assert written.fields == {"max_batch_size"}


def test_fields_are_known_to_be_written_even_with_their_default() -> None:
    assert config_from_text("max_batch_size: 0").fields == {"max_batch_size"}
    assert config_from_text("").fields == frozenset()
    assert config_from_json('{"maxBatchSize": 0}').fields == {"max_batch_size"}


def test_very_many_unknown_fields_are_counted() -> None:
    written = config_from_text("\n".join(f"x{number}: 1" for number in range(UNKNOWN_MAX + 7)))
    assert len(written.unknown) == UNKNOWN_MAX + 1
    assert written.unknown[-1] == "and 7 more unknown fields"


@pytest.mark.parametrize(
    ("text", "place"),
    [
        ("max_batch_size: many", "1:17"),
        ("\ninput { data_type: TYPE_FP7 }", "2:20"),
        ('name: "a"\nname: "b"', "2:7"),
        ("dynamic_batching { }\nsequence_batching { }", "2:"),
        ("input [ { name: 'x' }", "expected ']'"),
        ("unknown { a: 1", "expected '}'"),
        ("unknown [", "expected ']'"),
        ("[open.extension", "expected ']'"),
        ("[some.extension] { }", "does not have extensions"),
        ('name: "open', "well formed"),
        ("}", "1:1"),
        ("a" * 100_000 + " {", "well formed"),
        ("x {" * 40, "nested deeper than"),
        ("x {" * 100_000, "nested deeper than"),
        ("x: [" * 100_000, "well formed"),
    ],
    ids=range(15),
)
def test_what_is_not_well_formed_is_refused_with_its_place(text: str, place: str) -> None:
    with pytest.raises(ModelRefused, match="not well formed") as caught:
        config_from_text(text)
    assert place in str(caught.value)
    assert len(str(caught.value)) < 500


def test_unknown_fields_in_json_are_named_with_their_paths() -> None:
    written = config_from_json(
        """{"name": "m", "shiny": 1, "maxBatchSize": 4,
            "input": [{"name": "x", "dataType": "TYPE_FP32", "dims": ["3", -1], "colour": 1}],
            "parameters": {"k": {"string_value": "v", "number": 1}},
            "dynamic_batching": {"preferred_batch_size": [2], "patience": {"a": 1}},
            "metric_tags": {"a": "b"}}"""
    )
    assert written.unknown == (
        "unknown field shiny is ignored",
        "unknown field input.colour is ignored",
        "unknown field parameters.k.number is ignored",
        "unknown field dynamic_batching.patience is ignored",
    )
    assert list(written.config.input[0].dims) == [3, -1]
    assert written.config.parameters["k"].string_value == "v"


@pytest.mark.parametrize(
    "text",
    [
        "",
        "[]",
        "3",
        '{"max_batch_size": "many"}',
        '{"input": 3}',
        '{"input": [3]}',
        '{"parameters": []}',
        '{"max_batch_size": 99999999999999}',
        '{"max_batch_size": NaN}',
        '{"a":' * 100_000,
        "[" * 100_000,
        '{"input": {"a": ' * 1000,
    ],
    ids=range(12),
)
def test_json_that_is_no_configuration_is_refused(text: str) -> None:
    with pytest.raises(ModelRefused):
        config_from_json(text)


def test_text_and_json_agree() -> None:
    text = config_from_text(
        'name: "m" max_batch_size: 8 version_policy { specific { versions: [ 1, 3 ] } }'
    )
    json = config_from_json(
        '{"name": "m", "max_batch_size": 8, "version_policy": {"specific": {"versions": [1, 3]}}}'
    )
    assert text == json
    assert isinstance(text, WrittenConfig)
    assert isinstance(text.config, ModelConfig)
