"""A workload as a local mesh can be offered it: models that sleep, and planned requests."""

from collections.abc import Iterator
from functools import lru_cache
from math import isinf
from pathlib import Path
from typing import Final

import numpy as np

from hasten_sim.scenario import ModelShape, Scenario
from hasten_sim.workload import Workload
from hasten_sim.workload.checks import rows_shares
from hasten_sim.workload.request_tables import Deadlines, FixedPayload
from loadtest.call import serialised
from loadtest.generator import Planned
from loadtest.repository import write_synthetic

PAYLOADS_KEPT = 4096
ONLY_SIMULATED: Final = {
    "tasks": "only requests are offered here",
    "faults": "nothing goes wrong on purpose here",
}
"""Tables of a workload, and why they are refused."""


def impossible(workload: Workload) -> list[str]:
    """What the workload asks for and a local mesh of alike processes cannot do."""
    table = workload.table
    found: list[str] = []
    if set(table.mesh.speeds) != {1.0}:
        found.append("mesh.speeds: all workers are on this machine and equally fast")
    if table.mesh.weights_known:
        found.append("mesh.weights_known: nobody sets weights here")
    if table.mesh.lag_ms:
        found.append("mesh.lag_ms: this machine has a lag of its own")
    if table.mesh.host is not None:
        found.append("mesh.host: this machine is what it is")
    if table.mesh.memory_mb:
        found.append("mesh.memory_mb: every worker loads every model")
    if isinstance(table.deadlines, Deadlines) and not table.deadlines.callers_leave:
        found.append("deadlines.callers_leave: gRPC callers leave at their deadline")
    found += [f"{key}: {why}" for key, why in ONLY_SIMULATED.items() if getattr(table, key)]
    if not isinstance(table.payload, FixedPayload):
        found.append("payload: requests of different sizes would not share a batch; use fixed")
    for model in table.models:
        asks = {
            "points": model.points is not None,
            "element_us": model.element_us > 0.0,
            "square_us": model.square_us > 0.0,
            "lengths": model.lengths is not None,
            "noise.tail_share": model.noise.tail_share > 0.0,
            "noise.drift_cv": model.noise.drift_cv > 0.0,
            "noise.stall_every_s": model.noise.stall_every_s is not None,
            "profiled_factor": model.profiled_factor != 1.0,
            "profiled_at": model.profiled_at != "lengths",
            "replicas": model.replicas > 0,
        }
        found += [
            f"models {model.name!r}: {key}: synthetic models cannot"
            for key, is_so in asks.items()
            if is_so
        ]
    return found


def write_models(scenario: Scenario, folder: Path) -> None:
    """A repository of synthetic models with the scenario's timing."""
    for model in scenario.models:
        write_synthetic(
            folder,
            model.name,
            alpha_ms=model.times.alpha_s * 1e3,
            beta_ms=model.times.beta_s * 1e3,
            batch_max=model.batch_max,
            noise=model.noise.cv,
            lanes=scenario.mesh.lanes,
        )


class Payloads:
    """Serialised requests, made once for each kind.

    Args:
        workload: Whose requests.
        scenario: Of the same.
    """

    def __init__(self, workload: Workload, scenario: Scenario) -> None:
        payload = workload.table.payload
        size = payload.bytes if isinstance(payload, FixedPayload) else 0
        rows_max = max(rows for rows, _ in rows_shares(workload.table.rows))
        # All requests have rows of one width: only those can share a batch.
        self._width = max(1, size // (4 * rows_max))
        self._models = scenario.models
        self._tenants = scenario.tenants
        self.of = lru_cache(PAYLOADS_KEPT)(self._of)

    def _of(self, model: int, rows: int, priority: int, tenant: int) -> bytes:
        return serialised(
            self._models[model].name,
            "INPUT",
            np.zeros((rows, self._width), np.float32),
            priority=priority,
            tenant=self._tenants[tenant],
        )


def planned(scenario: Scenario, payloads: Payloads, seed: int) -> Iterator[Planned]:
    """The very requests that the simulator would be given."""
    for arrival in scenario.arrivals(seed):
        yield Planned(
            arrival.at_s,
            payloads.of(arrival.model, arrival.rows, arrival.priority, arrival.tenant),
            None if isinf(arrival.slack_s) else arrival.slack_s,
        )


def busiest(scenario: Scenario) -> int:
    """Index of the model with the largest share."""
    shares: list[ModelShape] = list(scenario.models)
    return max(range(len(shares)), key=lambda index: shares[index].share)
