"""What the policies say survives the wire, and what no worker can mean does not get in."""

import math
import struct
from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from hasten.common.v1 import failure_pb2, load_pb2
from hasten_policy.load import LoadSample, ModelLoad, WorkerReport
from hasten_policy.reasons import Reason, Refusal
from hasten_runtime import wire


def float32(value: float) -> float:
    return float(struct.unpack("f", struct.pack("f", value))[0])


SECONDS = st.floats(0.0, wire.SECONDS_MAX).map(float32)
COUNT = st.integers(0, 2**32 - 1)
POSITIVE = st.integers(1, 2**32 - 1)
BIG_COUNT = st.integers(0, 2**64 - 1)
NAME = st.text(st.characters(exclude_categories=["Cs"]), min_size=1, max_size=20)

LOADS = st.builds(
    LoadSample,
    seq=BIG_COUNT,
    depth=COUNT,
    backlog_s=SECONDS,
    residual_s=SECONDS,
    received=BIG_COUNT,
    window=COUNT,
    service_s=SECONDS,
    waiting=COUNT,
    waiting_of=st.lists(st.tuples(COUNT, COUNT), max_size=4).map(tuple),
    arrived=BIG_COUNT,
    waiting_batch=COUNT,
    arrived_batch=BIG_COUNT,
    backlog_guests_s=SECONDS,
    refused=BIG_COUNT,
    starts_s=st.just(()) | st.lists(SECONDS, min_size=4, max_size=4).map(tuple),
).map(lambda load: replace(load, starts_s=load.starts_s[: len(load.waiting_of)]))
MODELS = st.builds(
    ModelLoad,
    name=NAME,
    version=NAME,
    serves_unversioned=st.booleans(),
    alpha_s=SECONDS,
    beta_s=SECONDS,
    best_s=SECONDS,
    batch_max=POSITIVE,
    service_s=SECONDS,
    depth=COUNT,
    default_timeout_s=SECONDS,
    ready=st.booleans(),
    batch_rows=SECONDS,
)
REPORTS = st.builds(
    WorkerReport,
    incarnation=NAME,
    draining=st.booleans(),
    lanes=POSITIVE,
    load=LOADS,
    models=st.lists(MODELS, max_size=4).map(tuple),
)
REFUSALS = st.builds(
    Refusal,
    reason=st.sampled_from(Reason),
    message=NAME,
    retry_after_s=st.none() | SECONDS,
    metadata=st.dictionaries(NAME, NAME, max_size=4).map(lambda d: tuple(sorted(d.items()))),
    started=st.booleans(),
)
LOAD = LoadSample(1, 2, 0.5, 0.25, 3, 4, 0.125, 5, ((1, 3), (0, 2)), 9)
TIMES_OF_LOAD = ("backlog_s", "residual_s", "service_s")
TIMES_OF_MODEL = ("alpha_s", "beta_s", "best_s", "service_s", "default_timeout_s")


@given(REPORTS)
def test_a_report_comes_back_as_it_was_sent(report: WorkerReport) -> None:
    message = wire.report_to_wire(
        "w1", "host:1", report, cpu_cores=0.5, memory_bytes=10, gpu_memory_bytes=11, pid=12
    )
    parsed = load_pb2.WorkerState.FromString(message.SerializeToString())
    assert wire.report_from_wire(parsed) == report
    assert (parsed.worker_id, parsed.address, parsed.pid) == ("w1", "host:1", 12)
    assert (parsed.cpu_cores, parsed.memory_bytes, parsed.gpu_memory_bytes) == (0.5, 10, 11)


@given(REFUSALS)
def test_a_failure_comes_back_as_it_was_sent(refusal: Refusal) -> None:
    message = wire.failure_to_wire(refusal)
    parsed = failure_pb2.Failure.FromString(message.SerializeToString())
    assert wire.failure_from_wire(parsed) == refusal


@given(
    st.floats(allow_nan=False),
    st.sampled_from(TIMES_OF_LOAD),
)
def test_any_number_of_seconds_that_goes_out_can_come_in(seconds: float, field: str) -> None:
    load = replace(LOAD, **{field: seconds})
    heard = wire.load_from_wire(wire.load_to_wire(load))
    expected = min(max(seconds, 0.0), wire.SECONDS_MAX)
    assert getattr(heard, field) == pytest.approx(expected, rel=1e-6, abs=1e-37)


@pytest.mark.parametrize("field", TIMES_OF_LOAD)
def test_what_is_not_a_number_does_not_go_out(field: str) -> None:
    with pytest.raises(ValueError, match=f"{field} must be a number"):
        wire.load_to_wire(replace(LOAD, **{field: math.nan}))


@pytest.mark.parametrize("value", [math.nan, math.inf, -math.inf, -1.0, 3e38])
@pytest.mark.parametrize("field", TIMES_OF_LOAD)
def test_a_time_that_no_worker_can_mean_does_not_come_in(field: str, value: float) -> None:
    message = wire.load_to_wire(LOAD)
    setattr(message, field, value)
    with pytest.raises(ValueError, match=f"load.{field} must be between"):
        wire.load_from_wire(message)


@pytest.mark.parametrize("value", [math.nan, math.inf, -1.0])
@pytest.mark.parametrize("field", TIMES_OF_MODEL)
def test_a_models_time_is_checked_too(field: str, value: float) -> None:
    message = load_pb2.ModelLoad(name="m", version="1")
    setattr(message, field, value)
    with pytest.raises(ValueError, match=f"models.{field} must be between"):
        wire.model_from_wire(message)


def test_a_model_without_a_name_does_not_come_in() -> None:
    with pytest.raises(ValueError, match=r"models\.name must not be empty"):
        wire.model_from_wire(load_pb2.ModelLoad(version="1"))


def test_lanes_and_batches_that_were_left_out_are_one() -> None:
    report = wire.report_from_wire(load_pb2.WorkerState(models=[load_pb2.ModelLoad(name="m")]))
    assert (report.lanes, report.models[0].batch_max) == (1, 1)


@pytest.mark.parametrize("hint_s", [math.nan, math.inf, -1.0])
def test_a_hint_that_is_no_time_is_dropped_both_ways(hint_s: float) -> None:
    assert not wire.failure_to_wire(Refusal(Reason.NO_WORKER, "", hint_s)).HasField("retry_after_s")
    message = failure_pb2.Failure(reason="NO_WORKER", retry_after_s=hint_s)
    assert wire.failure_from_wire(message).retry_after_s is None


def test_a_reason_of_a_newer_peer_is_internal_with_its_name_kept() -> None:
    refusal = wire.failure_from_wire(failure_pb2.Failure(reason="BRAND_NEW", message="m"))
    assert refusal.reason is Reason.INTERNAL
    assert refusal.metadata == (("reason", "BRAND_NEW"),)
