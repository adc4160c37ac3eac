"""The native reader of requests says what the reader in Python says, or nothing."""

from random import Random

from hypothesis import given
from hypothesis import strategies as st

from hasten.inference.v2 import inference_pb2 as pb
from hasten_plane import read_head
from hasten_runtime.errors import MeshError
from hasten_runtime.inference_head import read_request

texts = st.text(max_size=20)
integers = st.one_of(st.integers(0, 5), st.integers(-(2**63), 2**63 - 1))
parameters = st.one_of(
    st.builds(pb.InferParameter, bool_param=st.booleans()),
    st.builds(pb.InferParameter, int64_param=integers),
    st.builds(pb.InferParameter, string_param=texts),
    st.builds(pb.InferParameter, double_param=st.floats()),
    st.builds(pb.InferParameter, uint64_param=st.integers(0, 2**64 - 1)),
    st.builds(pb.InferParameter),
)
NAMES = (
    "priority",
    "timeout",
    "tenant",
    "sequence_id",
    "sequence_start",
    "hasten_timing",
    "triton_enable_empty_final_response",
    "triton_",
    "else",
)
tensors = st.builds(
    pb.ModelInferRequest.InferInputTensor,
    name=texts,
    datatype=texts,
    shape=st.lists(st.one_of(st.integers(0, 9), st.integers(-1, 2**63 - 1)), max_size=5),
    parameters=st.dictionaries(texts, parameters, max_size=2),
)
plain = st.builds(
    pb.ModelInferRequest,
    model_name=st.text(min_size=1, max_size=30),
    model_version=st.sampled_from(["", "1", "42"]),
    id=texts,
    inputs=st.lists(tensors, max_size=3),
    raw_input_contents=st.lists(st.binary(max_size=30), max_size=3),
)
wishes = st.dictionaries(st.sampled_from(NAMES), parameters, max_size=4)


def same_or_nothing(message: bytes) -> bool:
    """It was read natively, and as in Python."""
    facts = read_head(message)
    if facts is None:
        return False
    head, wished = read_request(message, bytes_max=2**31, variable="")
    assert facts == (
        head.model_name,
        head.model_version,
        head.request_id,
        head.rows,
        head.elements,
        wished.priority_class,
        None if wished.timeout_s is None else round(wished.timeout_s * 1e6),
        wished.tenant,
        wished.sequence_id,
        wished.want_timing,
    )
    return True


@given(plain)
def test_plain_requests_are_read(request: pb.ModelInferRequest) -> None:
    assert same_or_nothing(request.SerializeToString())


@given(plain, wishes)
def test_parameters_are_read_as_in_python_or_not_at_all(
    request: pb.ModelInferRequest, wished: dict[str, pb.InferParameter]
) -> None:
    for name, parameter in wished.items():
        request.parameters[name].CopyFrom(parameter)
    same_or_nothing(request.SerializeToString())


@given(plain, wishes, st.integers(0, 2**32))
def test_damaged_requests_are_read_as_in_python_or_not_at_all(
    request: pb.ModelInferRequest, wished: dict[str, pb.InferParameter], seed: int
) -> None:
    for name, parameter in wished.items():
        request.parameters[name].CopyFrom(parameter)
    rng = Random(seed)
    message = bytearray(request.SerializeToString())
    for _ in range(rng.randrange(1, 4)):
        at = rng.randrange(len(message))
        if rng.random() < 0.5:
            message[at] = rng.randrange(256)
        else:
            del message[at:]
            message += rng.randbytes(rng.randrange(8))
        if not message:
            return
    same_or_nothing(bytes(message))


@given(plain, plain)
def test_of_fields_that_come_twice_the_last_counts(
    first: pb.ModelInferRequest, second: pb.ModelInferRequest
) -> None:
    same_or_nothing(first.SerializeToString() + second.SerializeToString())


@given(
    st.integers(0, 200),
    st.integers(0, 40),
    st.integers(0, 20),
    st.sampled_from([3, 1024, 1025]),
)
def test_what_python_finds_too_much_is_not_read(
    inputs: int, fields: int, dims: int, name_bytes: int
) -> None:
    request = pb.ModelInferRequest(model_name="m")
    for _ in range(inputs):
        request.inputs.add(name="x" * name_bytes, shape=[1] * dims)
        for number in range(fields):
            request.inputs[-1].parameters[str(number)].bool_param = True
    same_or_nothing(request.SerializeToString())


def test_a_request_that_python_refuses_is_not_read() -> None:
    for message in (b"", b"\x0a\x04ec", pb.ModelInferRequest(model_version="1")):
        data = message if isinstance(message, bytes) else message.SerializeToString()
        assert read_head(data) is None
        try:
            read_request(data, bytes_max=2**31, variable="")
        except MeshError:
            continue
        raise AssertionError(f"{data!r} was read")
