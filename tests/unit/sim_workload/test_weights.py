"""What routers are told of the workers' speeds."""

from itertools import pairwise

import pytest

from hasten_policy.registry import PolicySet, resolve
from hasten_sim.simulate import simulate
from tests.unit.sim_workload.texts import workload

BUSY = "[arrivals]\nprocess = 'poisson'\nload = 0.8\n"


def share_of_first(weights: str) -> float:
    """Of the busy seconds, of two equally fast workers."""
    mesh = f"[mesh]\nworkers = 2\nweights_known = {'true' if weights else 'false'}\n{weights}"
    models = "[[models]]\nname = 'model'\nalpha_ms = 10\n"
    found = workload(mesh, arrivals=BUSY, models=models).scenario()
    return simulate(found, PolicySet(), 1).share_by_worker[0]


def test_a_worker_gets_the_more_work_the_more_weight_the_operator_gives_it() -> None:
    shares = [share_of_first(f"weights = [{weight}, 3]") for weight in (1, 3, 9)]
    assert all(later > earlier + 0.02 for earlier, later in pairwise(shares))
    # Without weights, the speeds are what is told, and they are equal.
    assert shares[1] == share_of_first("weights = [3, 3]") == share_of_first("")


@pytest.mark.parametrize(
    ("policies", "counts"),
    [("hasten", False), ("hasten,router.late_binding=false,balancer=wlc_static", True)],
)
def test_speeds_that_a_balancer_measures_are_not_counted_once_more(
    policies: str, *, counts: bool
) -> None:
    found = []
    for known in ("true", "false"):
        mesh = f"[mesh]\nworkers = 2\nspeeds = [1, 3]\nweights_known = {known}\n"
        models = "[[models]]\nname = 'model'\nalpha_ms = 10\n"
        scenario = workload(mesh, arrivals=BUSY, models=models).scenario()
        found.append(simulate(scenario, resolve(policies), 1))
    assert (found[0].share_by_worker != found[1].share_by_worker) == counts
