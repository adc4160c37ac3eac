"""The head scanner agrees with the protobuf parser, and survives anything."""

from random import Random

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from hasten.inference.v2 import inference_pb2 as pb
from hasten_policy.reasons import Reason
from hasten_runtime.errors import MeshError
from hasten_runtime.inference_head import Head, read_head
from hasten_runtime.request_bounds import DEFAULT_BOUNDS

texts = st.text(max_size=20)
parameters = st.one_of(
    st.builds(pb.InferParameter, bool_param=st.booleans()),
    st.builds(pb.InferParameter, int64_param=st.integers(-(2**63), 2**63 - 1)),
    st.builds(pb.InferParameter, string_param=texts),
    st.builds(pb.InferParameter, double_param=st.floats()),
    st.builds(pb.InferParameter, uint64_param=st.integers(0, 2**64 - 1)),
)
tensors = st.builds(
    pb.ModelInferRequest.InferInputTensor,
    name=texts,
    datatype=texts,
    shape=st.lists(st.integers(-1, 2**40), max_size=4),
    parameters=st.dictionaries(texts, parameters, max_size=2),
)
requests = st.builds(
    pb.ModelInferRequest,
    model_name=st.text(min_size=1, max_size=300),
    model_version=texts,
    id=texts,
    parameters=st.dictionaries(texts, parameters, max_size=4),
    inputs=st.lists(tensors, max_size=3),
    outputs=st.lists(
        st.builds(pb.ModelInferRequest.InferRequestedOutputTensor, name=texts), max_size=2
    ),
    raw_input_contents=st.lists(st.binary(max_size=300), max_size=3),
)


def varint(value: int) -> bytes:
    parts = bytearray()
    while value > 0x7F:
        parts.append(value & 0x7F | 0x80)
        value >>= 7
    return bytes([*parts, value])


# Fields that this version does not know, of every wire type.
numbers = st.integers(20, 5000)
unknown_fields = st.one_of(
    st.builds(lambda n, v: varint(n << 3) + varint(v), numbers, st.integers(0, 2**64 - 1)),
    st.builds(lambda n, v: varint(n << 3 | 1) + v, numbers, st.binary(min_size=8, max_size=8)),
    st.builds(lambda n, v: varint(n << 3 | 2) + varint(len(v)) + v, numbers, st.binary()),
    st.builds(lambda n, v: varint(n << 3 | 5) + v, numbers, st.binary(min_size=4, max_size=4)),
    st.builds(lambda n: varint(n << 3 | 3) + b"\x08\x01" + varint(n << 3 | 4), numbers),
)


Told = tuple[str, str, str, dict[str, bytes]]


def told(head: pb.ModelInferRequest | Head) -> Told:
    """Comparable even where a parameter is NaN."""
    request_id = head.request_id if isinstance(head, Head) else head.id
    values = {key: head.parameters[key].SerializeToString() for key in sorted(head.parameters)}
    return head.model_name, head.model_version, request_id, values


def scanned(data: bytes) -> Told:
    return told(read_head(data))


def fields_of(data: bytes) -> list[bytes]:
    """The top-level fields of a message made by a serialiser of ours."""
    parts = []
    message = pb.ModelInferRequest.FromString(data)
    for field, value in message.ListFields():
        single = pb.ModelInferRequest()
        if isinstance(value, str):
            setattr(single, field.name, value)
            parts.append(single.SerializeToString())
        elif field.name == "parameters":
            for key in value:
                single = pb.ModelInferRequest()
                single.parameters[key].CopyFrom(value[key])
                parts.append(single.SerializeToString())
        else:
            for item in value:
                single = pb.ModelInferRequest()
                getattr(single, field.name).append(item)
                parts.append(single.SerializeToString())
    return parts


@given(requests)
@example(pb.ModelInferRequest(model_name="m", raw_input_contents=[bytes(20_000)]))
def test_it_reads_what_the_parser_reads(request: pb.ModelInferRequest) -> None:
    assert scanned(request.SerializeToString()) == told(request)


@given(requests, requests, st.lists(unknown_fields, max_size=4), st.randoms(use_true_random=False))
def test_any_order_repeats_and_unknown_fields_are_read_as_the_parser_does(
    first: pb.ModelInferRequest,
    second: pb.ModelInferRequest,
    unknown: list[bytes],
    shuffle: Random,
) -> None:
    parts = fields_of(first.SerializeToString()) + fields_of(second.SerializeToString()) + unknown
    shuffle.shuffle(parts)
    data = b"".join(parts)
    assert scanned(data) == told(pb.ModelInferRequest.FromString(data))


@given(requests, st.data())
def test_a_truncated_request_is_refused_or_read_as_the_parser_reads_it(
    request: pb.ModelInferRequest, data: st.DataObject
) -> None:
    whole = request.SerializeToString()
    cut = whole[: data.draw(st.integers(0, len(whole) - 1))]
    try:
        head = scanned(cut)
    except MeshError as error:
        assert error.refusal.reason is Reason.INVALID_REQUEST  # noqa: PT017  (both ways are right)
    else:
        assert head == told(pb.ModelInferRequest.FromString(cut))


@given(st.binary(max_size=400))
@example(b"\xff" * 20)
@example(b"\x0b" * 200)
@example(b"\x0a\xff\xff\xff\xff\xff\xff\xff\xff\xff\x01")
@example(b"\x00\x00")
@example(b"\x0c")
def test_garbage_raises_nothing_but_a_refusal(garbage: bytes) -> None:
    try:
        read_head(garbage)
    except MeshError as error:
        assert error.refusal.reason is Reason.INVALID_REQUEST  # noqa: PT017  (or it is readable)


@given(requests, st.data())
def test_flipped_bytes_raise_nothing_but_a_refusal(
    request: pb.ModelInferRequest, data: st.DataObject
) -> None:
    spoilt = bytearray(request.SerializeToString())
    for _ in range(data.draw(st.integers(1, 4))):
        spoilt[data.draw(st.integers(0, len(spoilt) - 1))] = data.draw(st.integers(0, 255))
    try:
        read_head(bytes(spoilt))
    except MeshError as error:
        assert error.refusal.reason is Reason.INVALID_REQUEST  # noqa: PT017  (or it is readable)


@pytest.mark.parametrize(
    ("data", "says"),
    [
        (b"", "model_name"),
        (pb.ModelInferRequest(id="7").SerializeToString(), "model_name"),
        (b"\x0a\x02\xff\xfe", "UTF-8"),
        (b"\x0a\x05ab", "longer than the message"),
        (b"\x0a\x01m" + b"\x22\x02\x0a\x09", "parameters"),
        (b"\x0a\x01m" + b"\x0c", "wire type 4"),
        (
            pb.ModelInferRequest(
                model_name="m" * (DEFAULT_BOUNDS.name_bytes_max + 1)
            ).SerializeToString(),
            str(DEFAULT_BOUNDS.name_bytes_max),
        ),
    ],
)
def test_a_refusal_names_the_fault(data: bytes, says: str) -> None:
    with pytest.raises(MeshError, match=says) as raised:
        read_head(data)
    assert raised.value.refusal.reason is Reason.INVALID_REQUEST


@pytest.mark.parametrize("field", [b"\x3a\x00", b"\x32\x00", b"\x40\x01"])
def test_a_request_of_very_many_fields_is_refused_and_not_read_to_its_end(field: bytes) -> None:
    begin = pb.ModelInferRequest(model_name="m").SerializeToString()
    assert read_head(begin + field * (DEFAULT_BOUNDS.fields_max - 1)).model_name == "m"
    with pytest.raises(MeshError) as raised:
        read_head(begin + field * DEFAULT_BOUNDS.fields_max)
    assert raised.value.refusal.reason is Reason.INVALID_REQUEST
    assert str(DEFAULT_BOUNDS.fields_max) in raised.value.refusal.message
