"""Parameters in groups: one name each, wherever an operator sets one."""

import json
from collections import Counter
from dataclasses import fields

import pytest

from hasten_policy.eventlog import decode_header, encode_header, policy_of
from hasten_policy.fleet.policy import FleetPolicy
from hasten_policy.groups import changed, classes, named, parameters
from hasten_policy.router.policy import RouterPolicy


def test_no_two_groups_of_the_router_share_a_name() -> None:
    groups = classes(RouterPolicy)[1:]
    counted = Counter(field.name for group in groups for field in fields(group))
    assert max(counted.values()) == 1
    assert counted.keys() <= parameters(RouterPolicy).keys()
    assert len(groups) == 5


def test_a_parameter_is_changed_in_its_group_and_the_others_stay() -> None:
    policy = RouterPolicy.of(eject_failures=7, hold_calls_max=9)
    assert policy.fleet == FleetPolicy(eject_failures=7)
    again = policy.but({"slow_start_s": 0.0, "keeps_deadlines": False})
    assert (again.fleet.eject_failures, again.fleet.slow_start_s) == (7, 0.0)
    assert (again.hold, again.keeps_deadlines) == (policy.hold, False)
    assert changed(RouterPolicy(), named(again)) == again


def test_values_that_only_fit_together_may_be_changed_together() -> None:
    policy = RouterPolicy.of(theta_min=1.2, theta_max=1.5)
    assert (policy.plan.theta_min, policy.plan.theta_max) == (1.2, 1.5)


def test_a_name_that_no_group_has_is_refused() -> None:
    with pytest.raises(TypeError, match="no parameter 'fleet'"):
        RouterPolicy.of(fleet=FleetPolicy())
    with pytest.raises(ValueError, match="eject_failures must not be negative, is -1"):
        RouterPolicy.of(eject_failures=-1)


def test_the_header_of_a_log_names_parameters_as_before_there_were_groups() -> None:
    policy = RouterPolicy.of(hold_s_max=7.0, mode="max_goodput")
    line = encode_header(policy, seed=1, about={})
    said = json.loads(line)["policy"]
    assert said["hold_s_max"] == 7.0
    assert said.keys() == parameters(RouterPolicy).keys()
    assert policy_of(decode_header(line)) == (policy, ())
