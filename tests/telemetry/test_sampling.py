"""The decision at the head of a trace, by the standard variables."""

import random

import pytest
from hypothesis import given
from hypothesis import strategies as st
from opentelemetry import trace
from opentelemetry.trace.propagation.tracecontext import TraceContextTextMapPropagator

from hasten_runtime import telemetry
from hasten_runtime.telemetry import HeadSampling, propagation

SAMPLED = "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01"
UNSAMPLED = SAMPLED[:-2] + "00"


@pytest.mark.parametrize(
    ("sampler", "arg", "rate", "parent_based"),
    [
        ("", "", 0.01, True),
        ("", "0.5", 0.5, True),
        ("parentbased_traceidratio", "", 0.01, True),
        ("parentbased_always_on", "0.5", 1.0, True),
        ("parentbased_always_off", "", 0.0, True),
        ("traceidratio", "1", 1.0, False),
        ("ALWAYS_ON", "", 1.0, False),
        ("always_off", "nonsense", 0.0, False),
    ],
)
def test_the_standard_variables_say_what_is_sampled(
    sampler: str, arg: str, rate: float, *, parent_based: bool
) -> None:
    environ = {"OTEL_TRACES_SAMPLER": sampler, "OTEL_TRACES_SAMPLER_ARG": arg}
    assert HeadSampling.from_environment(environ) == HeadSampling(rate, parent_based)


@pytest.mark.parametrize(
    ("environ", "told"),
    [
        ({"OTEL_TRACES_SAMPLER": "sometimes"}, "OTEL_TRACES_SAMPLER is 'sometimes'"),
        ({"OTEL_TRACES_SAMPLER_ARG": "2"}, "OTEL_TRACES_SAMPLER_ARG is '2'"),
        ({"OTEL_TRACES_SAMPLER_ARG": "nan"}, "OTEL_TRACES_SAMPLER_ARG is 'nan'"),
        ({"OTEL_TRACES_SAMPLER_ARG": "many"}, "OTEL_TRACES_SAMPLER_ARG is 'many'"),
    ],
)
def test_a_variable_that_says_nothing_known_is_told(environ: dict[str, str], told: str) -> None:
    with pytest.raises(ValueError, match=told):
        HeadSampling.from_environment(environ)


@pytest.mark.parametrize("rate", [0.0, 0.5, 1.0])
def test_a_parents_decision_is_followed(rate: float) -> None:
    sampling = HeadSampling(rate)
    assert sampling.samples(SAMPLED)
    assert not sampling.samples(UNSAMPLED)


def test_always_and_never_do_not_ask_the_parent() -> None:
    assert HeadSampling(1.0, parent_based=False).samples(UNSAMPLED)
    assert not HeadSampling(0.0, parent_based=False).samples(SAMPLED)


def test_a_ratio_by_trace_id_is_the_same_on_every_machine() -> None:
    rng = random.Random(1)
    headers = [f"00-{rng.getrandbits(128):032x}-{1:016x}-00" for _ in range(2000)]
    first, second = HeadSampling(0.25, parent_based=False), HeadSampling(0.25, parent_based=False)
    chosen = [first.samples(header) for header in headers]
    assert chosen == [second.samples(header) for header in headers]
    assert 400 < sum(chosen) < 600


def test_one_in_a_hundred_requests_without_a_parent_is_sampled() -> None:
    random.seed(7)
    sampled = sum(HeadSampling().samples("") for _ in range(20_000))
    assert 140 < sampled < 260


@given(st.text(max_size=80))
def test_no_header_breaks_the_decision(header: str) -> None:
    assert HeadSampling(0.5).samples(header) in {True, False}
    assert HeadSampling(0.5, parent_based=False).samples(header) in {True, False}
    telemetry.context_from(header)


HEADERS = st.one_of(
    st.text(alphabet="0123456789abcdef-Ff ", max_size=60),
    st.from_regex(r"[0-9a-f]{2}-[0-9a-f]{32}-[0-9a-f]{16}-[0-9a-f]{2}(-[a-z]*)?", fullmatch=True),
    st.from_regex(r"00-0{31}[01]-0{15}[01]-0[01]", fullmatch=True),
)


@given(HEADERS)
def test_headers_are_read_as_opentelemetry_reads_them(header: str) -> None:
    """Except for blanks around it, which a message of our own does not have."""
    context = TraceContextTextMapPropagator().extract({"traceparent": header})
    theirs = trace.get_current_span(context).get_span_context()
    ours = propagation.parse(header)
    if header != header.strip():
        assert ours is None
    elif theirs.is_valid:
        assert ours is not None
        assert (ours.trace_id, ours.span_id) == (theirs.trace_id, theirs.span_id)
        assert ours.trace_flags == theirs.trace_flags
        assert ours.is_remote
    else:
        assert ours is None


@given(
    st.integers(1, 2**128 - 1),
    st.integers(1, 2**64 - 1),
    st.sampled_from([trace.TraceFlags.DEFAULT, trace.TraceFlags.SAMPLED]),
)
def test_a_span_comes_back_from_its_header(trace_id: int, span_id: int, flags: int) -> None:
    span = trace.SpanContext(trace_id, span_id, is_remote=True, trace_flags=trace.TraceFlags(flags))
    header = propagation.text_of(span)
    assert propagation.parse(header) == span
    assert propagation.is_sampled(header) == bool(flags)
    found = trace.get_current_span(telemetry.context_from(header)).get_span_context()
    assert found == span


def test_headers_of_decisions_against_sampling_are_good_and_all_different() -> None:
    headers = [propagation.new_unsampled() for _ in range(3 * propagation.LOT)]
    assert len(set(headers)) == len(headers)
    for header in headers:
        assert propagation.as_unsampled(header) == header
        assert not propagation.is_sampled(header)


def test_outside_a_request_there_is_nothing_to_hand_on() -> None:
    assert telemetry.current_traceparent() == ""
