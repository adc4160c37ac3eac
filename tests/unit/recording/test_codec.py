"""What goes into a log comes out of it as it was."""

import json
import math
import struct
from dataclasses import dataclass, is_dataclass, replace
from typing import Any

import hypothesis.strategies as st
import pytest
from hypothesis import given, settings

from hasten_policy.autoscaler.policy import AutoscalerPolicy
from hasten_policy.batching.policy import BatchingPolicy
from hasten_policy.eventlog import (
    FORMAT,
    Decoder,
    decode_header,
    encode,
    encode_header,
    encode_line,
    fields_of,
    policy_of,
    shown,
    types_of,
)
from hasten_policy.fleet.events import WorkerLost
from hasten_policy.machines import MACHINES
from hasten_policy.reasons import Reason, Refusal
from hasten_policy.router import events as router_events
from hasten_policy.router.policy import RouterPolicy
from hasten_policy.scaling.limits import Bounds, LimitPolicy
from hasten_policy.scaling.offers import Offer
from hasten_policy.scaling.rules.table import SCALING_RULES
from hasten_policy.timers import WakeAt
from hasten_policy.worker import events as worker_events
from hasten_policy.worker.policy import WorkerPolicy

# Of these nearly no drawn value may exist: they refuse what contradicts itself.
for checked in (*(SCALING_RULES.get(name).policy for name in SCALING_RULES.names), LimitPolicy):
    st.register_type_strategy(checked, st.just(checked()))
st.register_type_strategy(
    Bounds, st.builds(Bounds, st.integers(0, 9), st.integers(9, 20), st.floats(0.1, 9.0))
)
st.register_type_strategy(
    Offer, st.builds(Offer, st.text(), st.integers(0, 9), st.integers(9, 20), st.floats(0.1, 9.0))
)
st.register_type_strategy(
    AutoscalerPolicy,
    st.builds(
        AutoscalerPolicy, st.sampled_from(SCALING_RULES.names), st.floats(0.1, 1e9), st.floats(0, 9)
    ),
)

TYPES = [(kind, name) for kind in MACHINES for name in types_of(kind)]


def decoder(kind: str) -> Decoder:
    return Decoder(types_of(kind), fields_of(kind))


@pytest.mark.parametrize(("kind", "name"), TYPES)
@settings(max_examples=25, deadline=None)
@given(data=st.data())
def test_every_value_comes_back_as_it_was(kind: str, name: str, data: st.DataObject) -> None:
    value = data.draw(st.from_type(types_of(kind)[name]))
    line = encode_line(1.5, value, [value, value])
    now_s, told, outcome = decoder(kind).line(line)
    assert now_s == 1.5
    assert type(told) is type(value)
    # By text, which tells -0.0 from 0.0, 1 from 1.0, and holds two NaN to be the same.
    assert repr(told) == repr(value)
    assert outcome == encode([told, told])


@given(bits=st.binary(min_size=8, max_size=8))
def test_a_time_keeps_every_bit(bits: bytes) -> None:
    (time_s,) = struct.unpack("<d", bits)
    line = encode_line(0.0, WakeAt(time_s), [])
    told = decoder("router").line(line)[1]
    assert isinstance(told, WakeAt)
    same = struct.pack("<d", told.at_s) == bits
    assert same or (math.isnan(time_s) and math.isnan(told.at_s))


@given(text=st.text(st.characters(codec=None)))
def test_any_text_stays_on_its_line(text: str) -> None:
    line = encode_line(0.0, WorkerLost(text), [])
    assert line.count("\n") == line.count("\t") == 1
    assert line.isascii()
    assert decoder("router").line(line)[1] == WorkerLost(text)


@pytest.mark.parametrize("now_s", [1e12, -1e300, math.inf, math.nan])
def test_a_time_that_no_clock_shows_is_damage(now_s: float) -> None:
    line = encode_line(now_s, WorkerLost("w"), [])
    with pytest.raises(ValueError, match="does not begin with a time"):
        decoder("router").line(line)


def test_what_is_no_event_is_not_encoded() -> None:
    with pytest.raises(TypeError, match="object is nothing that an event log can hold"):
        encode_line(0.0, object(), [])


@pytest.mark.parametrize(
    ("line", "part"),
    [
        ("", "event and its effects"),
        ("[1.0,{}]\n", "event and its effects"),
        ("[1.0]\t[]\n", "begin with a time and an event"),
        ('["soon",{"Woke":[]}]\t[]\n', "begin with a time and an event"),
        ('[1.0,"Woke"]\t[]\n', "begin with a time and an event"),
        ("[1.0,{}]\t[]\n", "one key"),
        ('[1.0,{"Woke":[],"Woken":[]}]\t[]\n', "one key"),
        ('[1.0,{"Woke":{}}]\t[]\n', "list of its fields"),
        ('[1.0,{"Woke":3}]\t[]\n', "list of its fields"),
        ('[1.0,{"Slept":[]}]\t[]\n', "'Slept', which this version does not know"),
        ('[1.0,{"WorkerLost":[]}]\t[]\n', "WorkerLost cannot be made"),
        ('[1.0,{"WorkerLost":["a","b","c","d"]}]\t[]\n', "WorkerLost cannot be made"),
        ('[1.0,{"Refusal":[{"Reason":"BAD_MOOD"},"",null,[],false]}]\t[]\n', "'BAD_MOOD'"),
        ("[1.0,\t[]\n", "Expecting value"),
        ("[" * 100_000 + "\t[]\n", "nested too deeply"),
    ],
)
def test_a_line_that_is_none_is_refused_with_a_sentence(line: str, part: str) -> None:
    with pytest.raises(ValueError, match=part):
        decoder("router").line(line)


@dataclass(frozen=True)
class Grown:
    a: int
    new: str = "default"


def test_a_field_that_a_type_has_gained_takes_its_default() -> None:
    before = Decoder({"Grown": Grown}, {"Grown": ["a"]})
    assert before.value({"Grown": [3]}) == Grown(3)


def test_a_field_that_a_type_has_lost_is_named() -> None:
    before = Decoder({"Grown": Grown}, {"Grown": ["a", "old", "new"]})
    with pytest.raises(ValueError, match="the log's Grown has old, which it has no more"):
        before.value({"Grown": [3, 4, "x"]})


def test_values_are_shown_with_the_names_of_their_fields() -> None:
    effect = worker_events.Refuse(3, Refusal(Reason.OVERLOADED, "wait", 0.5, (("a", "b"),)))
    assert shown(json.loads(encode(effect)), fields_of("worker")) == (
        'Refuse(call_id=3, refusal=Refusal(reason=OVERLOADED, message="wait", retry_after_s=0.5, '
        'metadata=[["a", "b"]], started=false))'
    )


# --- the header -----------------------------------------------------------------------


@pytest.mark.parametrize(
    "policy",
    [
        RouterPolicy(),
        RouterPolicy.of(
            mode="max_goodput", tenant_shares=(("a", 0.5), ("b", 2.0)), hedge_share=0.1
        ),
        WorkerPolicy(),
        WorkerPolicy(lanes=3, batching=BatchingPolicy(chance_quantile=0.25, look_ahead_max=1)),
    ],
)
def test_a_policy_comes_back_as_it_was(policy: RouterPolicy | WorkerPolicy) -> None:
    header = decode_header(encode_header(policy, seed=2**63 - 1, about={"id": "x"}))
    assert policy_of(header) == (policy, ())
    assert (header.seed, header.about) == (2**63 - 1, {"id": "x"})


def header_with(**changes: Any) -> str:
    said = json.loads(encode_header(WorkerPolicy(), seed=1, about={}))
    return json.dumps({**said, **changes})


def test_a_policy_of_another_version_is_used_as_far_as_it_goes() -> None:
    said = json.loads(encode_header(WorkerPolicy(lanes=5), seed=1, about={}))["policy"]
    said["zeal"] = 11
    del said["batching"]["slack_window"]
    policy, notes = policy_of(decode_header(header_with(policy=said)))
    assert policy == WorkerPolicy(lanes=5)
    assert notes == (
        "the log's policy lacks batching.slack_window; the default, 64, is used",
        "the log's policy sets zeal, which this version does not have",
    )


def test_a_policy_out_of_range_is_refused() -> None:
    said = json.loads(encode_header(WorkerPolicy(), seed=1, about={}))["policy"]
    with pytest.raises(ValueError, match="lanes must be at least 1"):
        policy_of(decode_header(header_with(policy={**said, "lanes": 0})))
    with pytest.raises(ValueError, match="the log's policy cannot be used"):
        policy_of(decode_header(header_with(policy={**said, "lanes": "many"})))


@pytest.mark.parametrize(
    ("line", "part"),
    [
        ("", "no event log of Hasten"),
        ("\0\1\2", "no event log of Hasten"),
        ('{"some": "json"}', "no event log of Hasten"),
        (header_with(hasten_event_log=FORMAT + 1), "of format 2, and this version .* format 1"),
        (
            header_with(kind="gardener"),
            "of a 'gardener'; this version replays autoscaler, router",
        ),
        (header_with(kind=None), "header is damaged"),
        (header_with(seed="1"), "header is damaged"),
        (header_with(policy=[]), "header is damaged"),
        (header_with(fields=None), "header is damaged"),
    ],
)
def test_a_header_that_is_none_is_refused_with_a_sentence(line: str, part: str) -> None:
    with pytest.raises(ValueError, match=part):
        decode_header(line)


def test_names_of_one_kind_do_not_clash() -> None:
    for kind in MACHINES:
        assert all(is_dataclass(found) for found in types_of(kind).values())
    assert types_of("router")["CallArrived"] is router_events.CallArrived
    assert types_of("worker")["CallArrived"] is worker_events.CallArrived
    event = replace(worker_events.BatchEnded(1, 2.0), failed=True)
    assert decoder("worker").line(encode_line(0.0, event, []))[1] == event
