"""Sequences of events that once seemed to break a promise of the router, by hand."""

from math import inf

from tests.property.policy_router.test_machine import POLICY, Router


def test_a_new_process_gets_held_calls_although_the_one_before_was_full() -> None:
    """What the process before had not answered went with it, and takes no credit of the new one."""

    class Patient(Router):
        policy = POLICY.but({"keeps_deadlines": False, "admission": "open"})

    found = Patient()
    found.begin()
    whenever = {"model": "m", "version": "", "time_left_s": inf, "priority": 1, "tenant": ""}
    whenever |= {"payload_bytes": 1, "idempotent": True, "affinity": ""}
    for _ in range(3):
        found.arrive([whenever] * 4, None)
    assert [len(workers) for workers in found.at.values()] == [1] * 8 + [0] * 4
    found.report("a", 4, 0, 0.0, "b", draining=False, ready=True)
    assert sum("a" in workers for workers in found.at.values()) == 4
    found.teardown()
