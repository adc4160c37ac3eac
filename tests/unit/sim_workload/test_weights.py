"""What routers are told of the workers' speeds."""

from itertools import pairwise

from hasten_policy.registry import PolicySet
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
