"""From what a caller submits to what the store accepts."""

import math
from typing import Any

import pytest

from hasten.inference.v2 import inference_pb2 as infer_pb
from hasten.scheduler.v1 import scheduler_service_pb2 as pb
from hasten_policy.reasons import Reason, Refusal
from hasten_policy.scheduler.policy import OrderPolicy
from hasten_policy.scheduler.shards import shard_of
from hasten_policy.scheduler.tasks import Lane
from hasten_runtime.errors import MeshError
from hasten_scheduler.accepting import AcceptLimits, Acceptor, Submission

LIMITS = AcceptLimits(request_bytes_max=10_000, shards=8)


def request(**parameters: Any) -> bytes:
    message = infer_pb.ModelInferRequest(model_name="m", id="r1")
    message.inputs.add(name="x", datatype="FP32", shape=[2, 3])
    for name, value in parameters.items():
        if isinstance(value, str):
            message.parameters[name].string_param = value
        else:
            message.parameters[name].int64_param = value
    return message.SerializeToString()


def acceptor(refuses: Refusal | None = None) -> Acceptor:
    return Acceptor(LIMITS, OrderPolicy(), lambda *_: refuses)


def accepted(**said: Any) -> Submission:
    return acceptor().read(pb.NewTask(**{"request": request(), **said}), "")


def refused(**said: Any) -> Refusal:
    with pytest.raises(MeshError) as error:
        accepted(**said)
    return error.value.refusal


def test_what_the_task_does_not_say_the_request_says() -> None:
    task = accepted(request=request(priority=1, timeout=2_000_000, tenant="acme")).task
    assert task.task_id == "acme/r1"
    assert task.lane == Lane("acme", "m", 0)
    assert (task.left_s, task.rows, task.elements) == (2.0, 2, 6)
    assert (task.keep_s, task.attempts_max) == (LIMITS.keep_s, LIMITS.attempts_max)


def test_what_the_task_says_goes_before_what_the_request_says() -> None:
    said = accepted(
        request=request(priority=1, timeout=2_000_000, tenant="acme"),
        request_id="t1",
        tenant="other",
        priority=3,
        time_left_us=5_000_000,
        start_in_us=1_000_000,
        keep_us=7_000_000,
        attempts_max=9,
    ).task
    assert said.task_id == "other/t1"
    assert said.lane == Lane("other", "m", 3)
    assert (said.left_s, said.start_in_s, said.keep_s, said.attempts_max) == (5.0, 1.0, 7.0, 9)


def test_a_task_lies_where_its_id_or_its_key_says() -> None:
    assert accepted().shard == shard_of("", "r1", "", 8)
    assert accepted(concurrency_key="k").shard == shard_of("", "anything", "k", 8)


def test_a_call_has_the_deadline_of_its_rpc_unless_its_own_is_sooner() -> None:
    read = acceptor().read_call
    assert read(request(), 3.0, "").task.left_s == 3.0
    assert read(request(timeout=1_000_000), 3.0, "").task.left_s == 1.0
    assert read(request(), None, "").task.left_s == math.inf


def test_a_repeat_that_says_other_times_is_the_same_content() -> None:
    first = accepted(time_left_us=5_000_000, start_in_us=100).task.digest
    assert accepted(time_left_us=4_000_000).task.digest == first
    assert acceptor().read_call(request(), 2.0, "").task.digest == first
    assert len(first) == 16


@pytest.mark.parametrize(
    "other",
    [
        {"request": request(priority=1)},
        {"priority": 1},
        {"priority": 0},
        {"keep_us": 1},
        {"attempts_max": 1},
        {"labels": {"a": "b"}},
        {"concurrency_key": "k", "concurrency_max": 2},
    ],
    ids=str,
)
def test_everything_else_is_content(other: dict[str, Any]) -> None:
    assert accepted(**other).task.digest != accepted().task.digest


def test_labels_are_the_same_content_in_any_order() -> None:
    one = accepted(labels={"a": "1", "b": "2"}).task.digest
    assert accepted(labels={"b": "2", "a": "1"}).task.digest == one
    assert accepted(labels={"a": "2", "b": "1"}).task.digest != one


def test_a_task_without_any_id_gets_one_that_nobody_knows() -> None:
    nameless = infer_pb.ModelInferRequest(model_name="m").SerializeToString()
    first, second = accepted(request=nameless), accepted(request=nameless)
    assert first.fresh
    assert first.name.request_id != second.name.request_id
    assert not accepted().fresh


@pytest.mark.parametrize(
    ("said", "reason", "names"),
    [
        ({"request": b"\xff"}, Reason.INVALID_REQUEST, "no ModelInferRequest"),
        ({"request": bytes(20_000)}, Reason.MESSAGE_TOO_LARGE, "10000"),
        ({"request_id": "a b"}, Reason.INVALID_REQUEST, "request_id"),
        ({"request_id": "x" * 129}, Reason.INVALID_REQUEST, "request_id"),
        ({"tenant": "a/b"}, Reason.INVALID_REQUEST, "tenant"),
        ({"tenant": "t" * 129}, Reason.INVALID_REQUEST, "tenant"),
        ({"concurrency_key": "a b"}, Reason.INVALID_REQUEST, "concurrency_key"),
        ({"priority": 4}, Reason.INVALID_REQUEST, "priority"),
        ({"labels": {str(n): "" for n in range(17)}}, Reason.INVALID_REQUEST, "labels"),
        ({"labels": {"n" * 64: ""}}, Reason.INVALID_REQUEST, "labels"),
        ({"labels": {"n": "v" * 256}}, Reason.INVALID_REQUEST, "labels"),
        ({"attempts_max": 101}, Reason.INVALID_REQUEST, "attempts_max"),
        ({"concurrency_max": 10_001}, Reason.INVALID_REQUEST, "concurrency_max"),
        ({"keep_us": 2**62}, Reason.INVALID_REQUEST, "keep_us"),
        ({"start_in_us": 2**62}, Reason.INVALID_REQUEST, "start_in_us"),
        ({"time_left_us": 2**62}, Reason.INVALID_REQUEST, "time_left_us"),
        ({"time_left_us": 5, "start_in_us": 5}, Reason.INVALID_DEADLINE, "time_left_us"),
    ],
    ids=str,
)
def test_what_cannot_be_accepted_is_named(said: dict[str, Any], reason: Reason, names: str) -> None:
    refusal = refused(**said)
    assert refusal.reason is reason
    assert names in refusal.message


def test_a_model_that_nobody_has_is_refused() -> None:
    no = Refusal(Reason.MODEL_NOT_FOUND, "no")
    with pytest.raises(MeshError) as error:
        acceptor(no).read(pb.NewTask(request=request()), "")
    assert error.value.refusal is no
