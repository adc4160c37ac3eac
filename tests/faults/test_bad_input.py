"""Whatever a client sends, it gets a status, a reason and a sentence, and the worker lives."""

from collections.abc import Callable
from dataclasses import dataclass

import grpc
import pytest

from hasten.inference.v2 import inference_pb2 as pb
from tests.faults.asking import MESSAGE_BYTES_MAX, WIDTH, answers, good, info_of, send

pytestmark = [pytest.mark.integration, pytest.mark.xdist_group("asked-mesh")]


@dataclass(frozen=True)
class Case:
    """How a good request is spoilt, and what must be said of it."""

    name: str
    spoil: Callable[[pb.ModelInferRequest], object]
    status: str
    reason: str
    says: str


def reshape(*shape: int) -> Callable[[pb.ModelInferRequest], object]:
    def spoil(request: pb.ModelInferRequest) -> None:
        request.inputs[0].shape[:] = shape

    return spoil


def parameter(name: str, kind: str, value: object) -> Callable[[pb.ModelInferRequest], object]:
    def spoil(request: pb.ModelInferRequest) -> None:
        setattr(request.parameters[name], kind, value)

    return spoil


def rows(count: int) -> Callable[[pb.ModelInferRequest], object]:
    def spoil(request: pb.ModelInferRequest) -> None:
        request.inputs[0].shape[:] = [count, WIDTH]
        request.raw_input_contents[0] = bytes(4 * WIDTH * count)

    return spoil


def rename(attribute: str, value: str) -> Callable[[pb.ModelInferRequest], object]:
    return lambda request: setattr(request.inputs[0], attribute, value)


INVALID = "INVALID_ARGUMENT"
CASES = [
    Case(
        "unknown model",
        lambda r: setattr(r, "model_name", "nobody"),
        "NOT_FOUND",
        "MODEL_NOT_FOUND",
        "nobody",
    ),
    Case(
        "empty model name",
        lambda r: setattr(r, "model_name", ""),
        INVALID,
        "INVALID_REQUEST",
        "model",
    ),
    Case(
        "unknown version",
        lambda r: setattr(r, "model_version", "99"),
        "NOT_FOUND",
        "VERSION_NOT_FOUND",
        "99",
    ),
    Case(
        "version in words",
        lambda r: setattr(r, "model_version", "newest"),
        INVALID,
        "INVALID_REQUEST",
        "newest",
    ),
    Case("unknown input", rename("name", "OTHER"), INVALID, "INPUT_UNKNOWN", "OTHER"),
    Case("wrong datatype", rename("datatype", "INT64"), INVALID, "DTYPE_MISMATCH", "FP32"),
    Case(
        "datatype that does not exist", rename("datatype", "FP7"), INVALID, "DTYPE_MISMATCH", "FP7"
    ),
    Case(
        "too few bytes",
        lambda r: r.raw_input_contents.__setitem__(0, b"\0" * 15),
        INVALID,
        "BYTE_LENGTH_MISMATCH",
        "16",
    ),
    Case(
        "too many bytes",
        lambda r: r.raw_input_contents.__setitem__(0, b"\0" * 17),
        INVALID,
        "BYTE_LENGTH_MISMATCH",
        "17",
    ),
    Case("wrong rank", reshape(WIDTH), INVALID, "SHAPE_MISMATCH", "INPUT"),
    Case("wrong width", reshape(1, WIDTH - 1), INVALID, "SHAPE_MISMATCH", "INPUT"),
    Case("negative dimension", reshape(-1, WIDTH), INVALID, "SHAPE_MISMATCH", "INPUT"),
    Case("a shape beyond all memory", reshape(2**62, WIDTH), INVALID, "", "INPUT"),
    Case(
        "no input at all",
        lambda r: (r.ClearField("inputs"), r.ClearField("raw_input_contents")),
        INVALID,
        "INPUT_MISSING",
        "INPUT",
    ),
    Case(
        "no content",
        lambda r: r.ClearField("raw_input_contents"),
        INVALID,
        "BYTE_LENGTH_MISMATCH",
        "INPUT",
    ),
    Case(
        "one content too many",
        lambda r: r.raw_input_contents.append(b"x"),
        INVALID,
        "INVALID_REQUEST",
        "raw_input_contents",
    ),
    Case(
        "the same input twice",
        lambda r: (
            r.inputs.add().CopyFrom(r.inputs[0]),
            r.raw_input_contents.append(r.raw_input_contents[0]),
        ),
        INVALID,
        "INVALID_REQUEST",
        "INPUT",
    ),
    Case(
        "raw and typed",
        lambda r: r.inputs[0].contents.fp32_contents.append(1),
        INVALID,
        "RAW_AND_TYPED",
        "INPUT",
    ),
    Case("unknown output", lambda r: r.outputs.add(name="ELSE"), INVALID, "OUTPUT_UNKNOWN", "ELSE"),
    Case("more rows than a batch", rows(33), INVALID, "BATCH_TOO_LARGE", "32"),
    Case("no rows", rows(0), INVALID, "SHAPE_MISMATCH", "INPUT"),
    Case(
        "negative timeout",
        parameter("timeout", "int64_param", -5),
        INVALID,
        "INVALID_DEADLINE",
        "timeout",
    ),
    Case(
        "timeout as a number with a point",
        parameter("timeout", "double_param", float("nan")),
        INVALID,
        "INVALID_PARAMETER",
        "timeout",
    ),
    Case(
        "timeout in words",
        parameter("timeout", "string_param", "soon"),
        INVALID,
        "INVALID_PARAMETER",
        "timeout",
    ),
    Case(
        "negative priority",
        parameter("priority", "int64_param", -1),
        INVALID,
        "INVALID_PARAMETER",
        "priority",
    ),
    Case(
        "timeout beyond what is a time",
        parameter("timeout", "uint64_param", 2**64 - 1),
        INVALID,
        "INVALID_PARAMETER",
        "timeout",
    ),
    Case(
        "priority as a number with a point",
        parameter("priority", "double_param", float("inf")),
        INVALID,
        "INVALID_PARAMETER",
        "priority",
    ),
    Case(
        "priority in words",
        parameter("priority", "string_param", "first"),
        INVALID,
        "INVALID_PARAMETER",
        "priority",
    ),
    Case(
        "an endless tenant",
        parameter("tenant", "string_param", "x" * 10_000),
        INVALID,
        "INVALID_PARAMETER",
        "tenant",
    ),
    Case(
        "too many parameters",
        lambda r: [parameter(f"p{n}", "bool_param", True)(r) for n in range(100)],
        INVALID,
        "INVALID_REQUEST",
        "100",
    ),
    Case(
        "a reserved parameter",
        parameter("triton_future", "bool_param", True),
        INVALID,
        "INVALID_PARAMETER",
        "triton_future",
    ),
    Case(
        "an unregistered region",
        lambda r: (
            r.ClearField("raw_input_contents"),
            setattr(r.inputs[0].parameters["shared_memory_region"], "string_param", "none"),
            setattr(r.inputs[0].parameters["shared_memory_byte_size"], "int64_param", 16),
        ),
        INVALID,
        "SHARED_MEMORY_INVALID",
        "none",
    ),
]


@pytest.mark.parametrize("case", CASES, ids=lambda case: case.name)
def test_a_spoilt_request_is_explained_and_the_worker_lives(address: str, case: Case) -> None:
    request = good()
    case.spoil(request)
    with pytest.raises(grpc.RpcError) as raised:
        send(address, request.SerializeToString())
    error = raised.value
    assert error.code().name == case.status, error.details()
    info = info_of(error)
    assert info.domain == "hasten.dev"
    if case.reason:
        assert info.reason == case.reason
    assert case.says in error.details()
    answers(address)


@pytest.mark.parametrize(
    "garbage", [b"", b"\xff" * 100, b"\x0a\x05mean", b"\x0a\xff\xff\xff\xff\x0f"]
)
def test_bytes_that_are_no_request_are_refused(address: str, garbage: bytes) -> None:
    with pytest.raises(grpc.RpcError) as raised:
        send(address, garbage)
    assert raised.value.code() in {
        grpc.StatusCode.INVALID_ARGUMENT,
        grpc.StatusCode.INTERNAL,  # grpc's own answer where it does the parsing
    }
    answers(address)


@pytest.mark.parametrize("size", [MESSAGE_BYTES_MAX, 2 * MESSAGE_BYTES_MAX - 1000])
def test_a_message_over_the_limit_is_refused_with_limit_and_setting(
    address: str, size: int
) -> None:
    request = good()
    request.raw_input_contents[0] = bytes(size)
    with pytest.raises(grpc.RpcError) as raised:
        send(address, request.SerializeToString())
    assert raised.value.code() is grpc.StatusCode.RESOURCE_EXHAUSTED
    info = info_of(raised.value)
    assert info.reason == "MESSAGE_TOO_LARGE"
    assert info.metadata["setting"] == "grpc.message_bytes_max"
    assert f"may have {info.metadata['limit_bytes']} bytes" in raised.value.details()
    assert int(info.metadata["limit_bytes"]) <= MESSAGE_BYTES_MAX
    assert "_GRPC__MESSAGE_BYTES_MAX" in raised.value.details()
    assert "--message-limit" in raised.value.details()
    answers(address)


def test_a_message_far_over_the_limit_is_refused_before_it_is_read(address: str) -> None:
    request = good()
    request.raw_input_contents[0] = bytes(80 * 1024 * 1024)
    with pytest.raises(grpc.RpcError) as raised:
        send(address, request.SerializeToString())
    assert raised.value.code() is grpc.StatusCode.RESOURCE_EXHAUSTED
    answers(address)


def test_a_deadline_already_past_costs_nothing(address: str) -> None:
    with pytest.raises(grpc.RpcError) as raised:
        send(address, good("slow").SerializeToString(), timeout_s=0.000001)
    assert raised.value.code() is grpc.StatusCode.DEADLINE_EXCEEDED
    answers(address)


def outcome_of(address: str, request: pb.ModelInferRequest) -> grpc.RpcError | None:
    """The error that came instead of an answer."""
    try:
        send(address, request.SerializeToString())
    except grpc.RpcError as error:
        return error
    return None


def test_less_time_than_the_model_needs_is_refused_once_that_was_seen(address: str) -> None:
    """An idle worker tries it once a second: only a run tells that it still takes so long."""
    request = good("slow")
    request.parameters["timeout"].int64_param = 20_000
    refused = []
    for _ in range(6):
        outcome = outcome_of(address, request)
        if outcome is not None:
            refused.append(info_of(outcome).reason)
    assert {"DEADLINE_INFEASIBLE", "OVERLOADED"} & set(refused)
    assert set(refused) <= {"DEADLINE_INFEASIBLE", "DEADLINE_PASSED", "OVERLOADED"}


@pytest.mark.parametrize(
    ("name", "kind", "value"),
    [
        ("timeout", "int64_param", 2**63 - 1),
        ("timeout", "int64_param", 0),
        ("priority", "uint64_param", 2**64 - 1),
        ("priority", "int64_param", 0),
    ],
)
def test_the_largest_and_the_least_number_that_has_a_meaning_is_taken(
    address: str, name: str, kind: str, value: int
) -> None:
    request = good()
    parameter(name, kind, value)(request)
    send(address, request.SerializeToString())


def test_a_deadline_of_decades_is_taken(address: str) -> None:
    send(address, good().SerializeToString(), timeout_s=1e9)
