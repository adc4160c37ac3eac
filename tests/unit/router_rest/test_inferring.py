"""Bodies of inference: what is refused with which words, and that nothing else gets through."""

import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from hasten.inference.v2 import inference_pb2 as pb
from hasten_policy.reasons import Reason
from hasten_router.rest.inferring import Target, Wishes, answer_body, request_bytes
from hasten_runtime.errors import MeshError

LIMIT = 300_000
X = {"name": "X", "datatype": "UINT8", "shape": [2], "data": [1, 2]}


def target(json_bytes: int | None = None) -> Target:
    return Target("m", "", {}, json_bytes)


def refusal(body: Any, json_bytes: int | None = None) -> tuple[Reason, str]:
    text = body if isinstance(body, bytes) else json.dumps(body).encode()
    with pytest.raises(MeshError) as raised:
        request_bytes(text, target(json_bytes), LIMIT)
    return raised.value.refusal.reason, raised.value.refusal.message


def with_input(**changes: Any) -> dict[str, Any]:
    return {"inputs": [{**X, **changes}]}


@pytest.mark.parametrize(
    ("body", "sentence"),
    [
        (b"{", "body must be JSON"),
        (b"\xff{}", "body must be JSON in UTF-8: byte 0"),
        (b"[]", "body must be a JSON object, not a list"),
        (b"[" * 9000, "body must be JSON: it is nested too deep"),
        (b'{"id": ' + b"9" * 6000 + b"}", "body must be JSON"),
        (b'{"x":[' + b"[]," * 70_000 + b"[]]}", "body must have at most 65536 lists and objects"),
        ({"id": 7}, "id must be a string, not a number"),
        ({"id": "\ud800"}, "id must be text without half of a surrogate pair"),
        ({"inputs": {}}, "inputs must be a list, not an object"),
        ({"inputs": [1]}, "inputs[0] must be a JSON object, not a number"),
        (with_input(name=None), "inputs[0].name must be a string, not null"),
        (with_input(datatype=1), "inputs[0].datatype must be a string"),
        (with_input(shape="2"), "inputs[0].shape must be a list of whole numbers"),
        (with_input(shape=[True]), "inputs[0].shape must be a list of whole numbers"),
        (with_input(shape=[2**63]), "inputs[0].shape must be a list of whole numbers"),
        (with_input(parameters=[]), "inputs[0].parameters must be a JSON object"),
        (
            {"inputs": [{**X, "data": None}]},
            "input X must have its data as a list",
        ),
        (
            {"inputs": [{name: X[name] for name in ("name", "datatype", "shape")}]},
            "input X needs data, binary_data_size or shared_memory_region",
        ),
        ({"outputs": [{}]}, "outputs[0].name must be a string, not null"),
        (
            {"outputs": [{"name": "Y", "parameters": {"binary_data": 1}}]},
            "outputs[0].parameters.binary_data must be true or false",
        ),
        ({"parameters": {"binary_data_output": "yes"}}, "binary_data_output must be true or false"),
    ],
)
def test_what_is_not_well_formed_is_named(body: Any, sentence: str) -> None:
    reason, message = refusal(body)
    assert reason is Reason.INVALID_REQUEST
    assert message.startswith(sentence.partition(" must")[0])
    assert sentence in message


@pytest.mark.parametrize("value", [None, [1], {"a": 1}, 2**64, -(2**63) - 1])
def test_a_parameter_that_protobuf_cannot_carry_is_refused(value: Any) -> None:
    reason, message = refusal({"parameters": {"why": value}})
    assert reason is Reason.INVALID_PARAMETER
    assert message.startswith("parameter why: expected")


def behind(size: Any, raw: bytes, **more: Any) -> tuple[bytes, int]:
    given = {
        "name": "X",
        "datatype": "UINT8",
        "shape": [2],
        "parameters": {"binary_data_size": size},
    }
    text = json.dumps({"inputs": [{**given, **more}]}).encode()
    return text + raw, len(text)


@pytest.mark.parametrize(
    ("made", "reason", "sentence"),
    [
        (behind(3, b"ab"), Reason.BYTE_LENGTH_MISMATCH, "binary_data_size 3, and 2 bytes"),
        (behind(1, b"ab"), Reason.BYTE_LENGTH_MISMATCH, "has 1 bytes more than its inputs"),
        (behind(-1, b"ab"), Reason.INVALID_REQUEST, "must be a whole number from 0"),
        (behind("2", b"ab"), Reason.INVALID_REQUEST, "must be a whole number from 0"),
        (behind(2, b"ab", data=[1, 2]), Reason.RAW_AND_TYPED, "lies elsewhere too"),
    ],
)
def test_binary_data_of_the_wrong_length_is_refused(
    made: tuple[bytes, int], reason: Reason, sentence: str
) -> None:
    found, message = refusal(*made)
    assert found is reason
    assert sentence in message


def test_json_longer_than_the_body_or_than_the_limit_is_refused() -> None:
    assert "the whole body has 2 bytes" in refusal(b"{}", 3)[1]
    reason, message = refusal(b"{}" + b" " * LIMIT)
    assert reason is Reason.MESSAGE_TOO_LARGE
    assert "HASTEN_ROUTER_HTTP__JSON_BYTES_MAX" in message


def test_an_input_in_shared_memory_has_no_bytes_and_headers_fill_in() -> None:
    region = {"shared_memory_region": "r", "shared_memory_byte_size": 2}
    given = {"name": "X", "datatype": "UINT8", "shape": [2], "parameters": region}
    body = json.dumps({"inputs": [given, X], "parameters": {"tenant": "body"}}).encode()
    from_headers = {"tenant": "header", "priority": 1}
    made, wishes = request_bytes(body, Target("m", "3", from_headers, None), LIMIT)
    message = pb.ModelInferRequest.FromString(made)
    assert (message.model_name, message.model_version) == ("m", "3")
    assert list(message.raw_input_contents) == [b"\x01\x02"]
    assert message.inputs[0].parameters["shared_memory_region"].string_param == "r"
    assert message.parameters["tenant"].string_param == "body"
    assert message.parameters["priority"].int64_param == 1
    assert not wishes.behind("anything")


def test_an_answer_in_shared_memory_carries_nothing() -> None:
    answer = pb.ModelInferResponse(model_name="m", raw_output_contents=[b""])
    output = answer.outputs.add(name="X", datatype="UINT8", shape=[2])
    output.parameters["shared_memory_region"].string_param = "r"
    made = answer_body(answer.SerializeToString(), Wishes(binary=True), LIMIT)
    (said,) = json.loads(b"".join(made.json))["outputs"]
    assert "data" not in said
    assert made.raws == []


def test_an_answer_that_cannot_be_read_is_our_fault() -> None:
    answer = pb.ModelInferResponse(model_name="m", raw_output_contents=[b""])
    for odd in (b"\xff", answer.SerializeToString()):
        with pytest.raises(MeshError) as raised:
            answer_body(odd, Wishes(), LIMIT)
        assert raised.value.refusal.reason is Reason.INTERNAL


@pytest.mark.parametrize("count", [0, 1, 2047, 2048, 2049, 5000])
def test_json_that_is_written_in_pieces_is_whole(count: int) -> None:
    answer = pb.ModelInferResponse(model_name="m", model_version="1", id="ä")
    for name in ("X", "Y"):
        answer.outputs.add(name=name, datatype="UINT8", shape=[count])
        answer.raw_output_contents.append(bytes(n % 256 for n in range(count)))
    made = answer_body(answer.SerializeToString(), Wishes(named={"Y": True}), LIMIT)
    pieces = list(made.json)
    said = json.loads(b"".join(pieces))
    assert (said["id"], said["model_version"]) == ("ä", "1")
    assert said["outputs"] == [
        {
            "name": "X",
            "datatype": "UINT8",
            "shape": [count],
            "data": [n % 256 for n in range(count)],
        },
        {
            "name": "Y",
            "datatype": "UINT8",
            "shape": [count],
            "parameters": {"binary_data_size": count},
        },
    ]
    assert max(map(len, pieces)) < 5 * 2048
    assert made.raws == [bytes(n % 256 for n in range(count))]


ANYTHING = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=4),
    lambda inner: (
        st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=4), inner, max_size=3)
    ),
    max_leaves=8,
)
KEYS = ("name", "datatype", "shape", "data", "parameters", "inputs", "outputs", "id")


@given(
    st.dictionaries(
        st.sampled_from(KEYS),
        ANYTHING
        | st.lists(st.fixed_dictionaries({}, optional=dict.fromkeys(KEYS, ANYTHING)), max_size=2),
    ),
    st.binary(max_size=8),
)
def test_any_body_is_read_or_refused(said: Any, raw: bytes) -> None:
    text = json.dumps(said).encode()
    try:
        made, _ = request_bytes(text + raw, target(len(text)), LIMIT)
    except MeshError:
        return
    pb.ModelInferRequest.FromString(made)


@given(st.binary(max_size=64), st.none() | st.integers(0, 80))
def test_any_bytes_are_read_or_refused(body: bytes, json_bytes: int | None) -> None:
    try:
        request_bytes(body, target(json_bytes), LIMIT)
    except MeshError:
        return
