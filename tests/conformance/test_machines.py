"""Whatever happens under any bundle, the machines of router and worker keep every call, and that
of the scheduler every task.
"""

from dataclasses import replace
from typing import Any

import pytest
from hypothesis import HealthCheck, settings
from hypothesis.stateful import run_state_machine_as_test

from hasten_policy.fleet.balancers import BALANCERS
from hasten_policy.groups import changed, named
from hasten_policy.registry import KINDS, names, resolve
from hasten_policy.scheduler.orders import TASK_ORDERS
from tests.property.policy_router.test_machine import POLICY as ROUTER_POLICY
from tests.property.policy_router.test_machine import Router
from tests.property.policy_scheduler.test_machine import Scheduler
from tests.property.policy_scheduler.watched import POLICY as SCHEDULER_POLICY
from tests.property.policy_worker.test_machine import POLICY as WORKER_POLICY
from tests.property.policy_worker.test_machine import Worker

ANY_SEQUENCE = settings(
    max_examples=15,
    stateful_step_count=40,
    deadline=None,
    suppress_health_check=list(HealthCheck),
)
CHOSEN = ("balancer", "admission", "order", "keeps_deadlines", "late_binding")
TEXTS = (
    *names("bundle"),
    *(
        f"{bundle},{kind}={name}"
        for kind in KINDS[1:]
        for bundle in ("hasten", "dynamic")
        for name in names(kind)
    ),
)
"""Every bundle, and every name of every kind under a policy with deadlines and one without."""


def same(text: str, side: str) -> tuple[Any, ...]:
    """What of a text concerns one side; texts that agree in it need one run."""
    found = resolve(text)
    if side == "router":
        return tuple(named(found.router)[name] for name in CHOSEN)
    worker = found.worker
    return (worker.keeps_deadlines, worker.refuse_hopeless, worker.batching)


def distinct(side: str) -> list[str]:
    """One text for each policy of a side."""
    return list({same(text, side): text for text in reversed(TEXTS)}.values())


@pytest.mark.parametrize("text", distinct("router"))
def test_a_router_keeps_its_promises(text: str) -> None:
    router = resolve(text).router
    chosen = {name: named(router)[name] for name in CHOSEN}

    class Chosen(Router):
        policy = changed(ROUTER_POLICY, chosen)

    run_state_machine_as_test(Chosen, settings=ANY_SEQUENCE)


@pytest.mark.parametrize("text", distinct("worker"))
def test_a_worker_keeps_its_promises(text: str) -> None:
    worker = resolve(text).worker

    class Chosen(Worker):
        policy = replace(
            WORKER_POLICY,
            keeps_deadlines=worker.keeps_deadlines,
            refuse_hopeless=worker.refuse_hopeless,
            batching=worker.batching,
        )

    run_state_machine_as_test(Chosen, settings=ANY_SEQUENCE)


@pytest.mark.parametrize(
    ("name", "value"),
    [
        *(("order", name) for name in TASK_ORDERS.names[1:]),
        *(("balancer", name) for name in BALANCERS.names[1:]),
        ("late_binding", False),
    ],
)
def test_a_scheduler_keeps_its_promises(name: str, value: object) -> None:
    class Chosen(Scheduler):
        policy = SCHEDULER_POLICY.but({name: value})

    run_state_machine_as_test(Chosen, settings=ANY_SEQUENCE)
