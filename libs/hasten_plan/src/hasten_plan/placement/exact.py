"""The best placement by mixed-integer programming, with the bound that proves how good it is.

Needs SciPy (the extra `exact`): HiGHS, as `scipy.optimize.milp`.
"""

from dataclasses import dataclass

import numpy as np
from scipy.optimize import Bounds, LinearConstraint, milp
from scipy.sparse import coo_array

from hasten_plan.placement.problem import MOVEMENT_WEIGHT, Flags, NoRoomError, Problem


@dataclass(frozen=True, slots=True)
class Exact:
    """What the solver found.

    Attributes:
        placed: The placement; it fits.
        objective: Of it.
        bound: No placement has a smaller objective.
    """

    placed: Flags
    objective: float
    bound: float

    @property
    def gap(self) -> float:
        """By what share of the objective the placement may be worse than the best there is."""
        return max(0.0, (self.objective - self.bound) / max(1e-12, abs(self.objective)))


def solve(problem: Problem, limit_s: float = 10.0, gap: float = 0.0) -> Exact:
    """Minimises the objective.

    One variable for each model and worker, and one for the busiest worker.

    Args:
        problem: What is given.
        limit_s: The solver stops after so long, with the best that it has.
        gap: It stops too once the placement is proven to be that close to the best.

    Raises:
        NoRoomError: There is no placement, or none was found in time.
    """
    models, workers = problem.models, problem.workers
    count = models * workers
    moved = np.where(problem.current, 0.0, problem.memory_gb[:, None]).ravel()
    cost = np.append(MOVEMENT_WEIGHT * moved / problem.total_gb, 1.0)
    found = milp(
        cost,
        integrality=np.append(np.ones(count), 0),
        bounds=Bounds(
            np.append(problem.pinned.ravel().astype(float), 0.0),
            np.append(problem.allowed.ravel().astype(float), np.inf),
        ),
        constraints=_constraints(problem),
        options={"time_limit": limit_s, "mip_rel_gap": gap},
    )
    if found.x is None:
        raise NoRoomError(f"no placement was found in {limit_s:g} s: {found.message}")
    placed = np.round(found.x[:count]).astype(np.bool_).reshape(models, workers)
    if not problem.fits(placed):
        raise NoRoomError("the solver's placement does not fit")
    bound = found.mip_dual_bound
    return Exact(placed, problem.objective(placed), float(-np.inf if bound is None else bound))


def _constraints(problem: Problem) -> list[LinearConstraint]:
    models, workers = problem.models, problem.workers
    count = models * workers
    model_of, worker_of = np.divmod(np.arange(count), workers)
    ones, at = np.ones(count), np.arange(count)
    wide = count + 1
    copies = coo_array((ones, (model_of, at)), shape=(models, wide))
    memory = coo_array((problem.memory_gb[model_of], (worker_of, at)), shape=(workers, wide))
    rows = np.append(worker_of, np.arange(workers))
    columns = np.append(at, np.full(workers, count))
    use = np.append(problem.share[model_of] / problem.speed[worker_of], -np.ones(workers))
    busy = coo_array((use, (rows, columns)), shape=(workers, wide))
    return [
        LinearConstraint(copies.tocsr(), problem.copies, problem.copies),
        LinearConstraint(memory.tocsr(), -np.inf, problem.room_gb),
        LinearConstraint(busy.tocsr(), -np.inf, 0.0),
    ]
