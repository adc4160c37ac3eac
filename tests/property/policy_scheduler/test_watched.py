"""What surrounds the machine counts as the machine is promised: examples that were found once."""

from math import inf
from typing import Any

from tests.property.policy_scheduler.test_machine import Scheduler


def capped(priority: int = 0) -> dict[str, Any]:
    """A task of the tenant that may run two."""
    return {
        "tenant": "capped",
        "model": "m",
        "priority": priority,
        "left_s": inf,
        "place": 0.0,
        "attempts_max": 1,
        "key": "",
        "key_max": 1,
    }


def test_the_answer_that_claims_are_gone_lets_others_of_the_tenant_be_picked() -> None:
    found = Scheduler()
    found.begin()
    found.slow_down(slow=True)
    found.submit([capped(), capped()], 0)
    found.read(0, stale=False)
    found.cancel(0, 0)
    found.cancel(0, 0)
    found.submit([capped(1)], 0)
    found.read(0, stale=False)
    assert [pick.task_id for claim in found.claims for pick in claim.picks] == ["t1", "t2"]
    found.slow_down(slow=False)
    assert list(found.picked) == list(found.at) == [3]
    found.teardown()
