"""Policies by name: what a text asks for, and what is said of one that asks for nothing."""

import re
from dataclasses import replace
from random import Random

import pytest

from hasten_policy.admission.plan import Plan
from hasten_policy.batching.policy import BatchingPolicy
from hasten_policy.fleet.hasten import Hasten
from hasten_policy.groups import named
from hasten_policy.machines import choices
from hasten_policy.registry import KINDS, PolicySet, describe, names, resolve
from hasten_policy.router.machine import RouterMachine
from hasten_policy.router.policy import MAX_GOODPUT, RouterPolicy
from hasten_policy.worker.policy import WorkerPolicy

CHOICES = choices()


def test_the_first_name_of_each_kind_is_what_is_shipped() -> None:
    assert [names(kind)[0] for kind in KINDS] == ["hasten", "hasten", "plan", "edf", "hybrid"]
    assert (
        resolve("hasten")
        == PolicySet("hasten", router=RouterPolicy(), worker=WorkerPolicy())
        == PolicySet()
    )
    assert resolve("hybrid") == PolicySet("hybrid", router=RouterPolicy(), worker=WorkerPolicy())


def test_the_shipped_decisions_are_objects_like_all_others() -> None:
    state = RouterMachine(RouterPolicy(), rng=Random(1))._state
    assert (type(state.fleet.balancer), type(state.gate)) == (Hasten, Plan)


@pytest.mark.parametrize("kind", KINDS)
def test_each_name_has_one_line_and_can_be_asked_for(kind: str) -> None:
    lines = [describe(kind, name) for name in names(kind)]
    assert len(set(lines)) == len(lines)
    assert all(line and "\n" not in line for line in lines)
    for name in names(kind):
        text = name if kind == "bundle" else f"hasten,{kind}={name}"
        assert resolve(text).name == text


def test_a_text_changes_what_it_names_and_nothing_else() -> None:
    found = resolve(
        "hasten, balancer=p2c, admission=codel, router.hold_calls_max=7"
        ",router.epsilon=0.1:0.1:0.2:1"
        ",worker.refuse_hopeless=false,worker.batching.over_fraction=0.5,worker.prediction.band_runs_max=9"
    )
    shipped = PolicySet()
    assert found.router == RouterPolicy.of(
        balancer="p2c", admission="codel", hold_calls_max=7, epsilon=(0.1, 0.1, 0.2, 1.0)
    )
    assert found.worker == replace(
        shipped.worker,
        refuse_hopeless=False,
        batching=BatchingPolicy(over_fraction=0.5),
        prediction=replace(shipped.worker.prediction, band_runs_max=9),
    )
    assert found.name.startswith("hasten,balancer=p2c,")


def test_an_order_reaches_the_worker_where_it_knows_it() -> None:
    assert resolve("hasten,order=fifo").worker.batching.order == "fifo"
    assert resolve("fifo,order=edf").worker.batching.order == "edf"
    lifo = resolve("hasten,order=lifo")
    assert (lifo.router.hold.order, lifo.worker.batching.order) == ("lifo", "edf")


def test_values_that_only_fit_together_may_be_set_together() -> None:
    found = resolve("hasten,worker.batching.start_quantile=0.4,worker.batching.chance_quantile=0.3")
    assert found.worker.batching.start_quantile == 0.4


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("triton", "bundle must be one of hasten, hybrid"),
        ("", "bundle must be one of"),
        ("hasten,balancer=rr", "balancer must be one of hasten, round_robin"),
        ("hasten,admission=lifo", "admission must be one of plan, open"),
        ("hasten,order=lilo", "order must be one of edf, fifo"),
        ("hasten,batching=nexus", "rule must be one of hybrid, shrink"),
        ("hasten,worker.batching.order=lifo", "order must be one of edf, fifo, not"),
        ("hasten,p2c", "expected NAME=VALUE after the bundle, not 'p2c'"),
        ("hasten,policy=p2c", "but no 'policy'"),
        ("hasten,gardener.x=1", "but no 'gardener.x'"),
        ("hasten,scheduler.x=1", "scheduler has no field 'x'"),
        ("hasten,router.hold_callz_max=1", "did you mean hold_calls_max?"),
        ("hasten,router.zzz=1", "router has no field 'zzz'; it has balancer"),
        ("hasten,router.hold_calls_max=many", "must be a whole number, not 'many'"),
        ("hasten,router.theta_min=low", "router.theta_min must be a number, not 'low'"),
        ("hasten,router.epsilon=1:x", "must be numbers, joined by colons"),
        ("hasten,router.keeps_deadlines=no", "must be true or false, not 'no'"),
        ("hasten,router.hold_calls_max=0", "must be at least 1"),
        ("hasten,worker.batching=eager", "cannot be set in a text"),
    ],
)
def test_a_mistake_is_answered_with_what_there_is(text: str, said: str) -> None:
    with pytest.raises(ValueError, match=re.escape(said)):
        resolve(text)


def test_a_kind_that_does_not_exist_is_named() -> None:
    for ask in (names, lambda kind: describe(kind, "hasten")):
        with pytest.raises(ValueError, match="kind must be one of bundle, balancer"):
            ask("brand")


@pytest.mark.parametrize("path", CHOICES)
def test_a_text_refuses_a_name_that_does_not_exist(path: str) -> None:
    owner, _, field = path.rpartition(".")
    for name in CHOICES[path].names:
        found = resolve(f"hasten,{path}={name}")
        held = {
            "autoscaler": found.of("autoscaler"),
            "router": found.router,
            "scheduler": found.scheduler,
            "worker.batching": found.worker.batching,
        }[owner]
        assert named(held)[field] == name
    with pytest.raises(ValueError, match=f"{field} must be one of {CHOICES[path].names[0]}, "):
        resolve(f"hasten,{path}=none")


def test_bundles_without_deadlines_pass_none_on_and_heed_none() -> None:
    for name in ("static", "dynamic", "fifo", "fixed_limit", "gradient2", "codel", "dagor"):
        found = resolve(name)
        assert (found.router.keeps_deadlines, found.worker.keeps_deadlines) == (False, False)
    assert resolve("max_goodput").router == RouterPolicy.of(mode=MAX_GOODPUT)
    assert [resolve(name).router.fleet.late_binding for name in ("static", "dynamic", "fifo")] == [
        False,
        False,
        True,
    ]
