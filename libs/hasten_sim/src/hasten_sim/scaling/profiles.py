"""What an autoscaler is told of the models of a scenario."""

from itertools import islice
from math import inf
from typing import Final

from hasten_policy.scaling.profiles import Profile
from hasten_policy.scaling.queueing import BatchCurve
from hasten_sim.scenario import ModelShape, Scenario

LOOKED_AT: Final = 1000
"""Arrivals by which the usual deadline of a model is known."""


def profiles_of(scenario: Scenario) -> dict[str, Profile]:
    """Model to profile: the line through one row and a full batch, and the median slack."""
    slacks: dict[int, list[float]] = {}
    for arrival in islice(scenario.arrivals(0), LOOKED_AT):
        slacks.setdefault(arrival.model, []).append(arrival.slack_s)
    return {
        model.name: Profile(_curve(model, scenario), _median(slacks.get(number, [])))
        for number, model in enumerate(scenario.models)
    }


def _curve(model: ModelShape, scenario: Scenario) -> BatchCurve:
    one_s, full_s = model.mean_s(1), model.mean_s(model.batch_max)
    beta_s = (full_s - one_s) / (model.batch_max - 1) if model.batch_max > 1 else 0.0
    return BatchCurve(one_s - beta_s, beta_s, model.batch_max, scenario.mesh.lanes)


def _median(values: list[float]) -> float:
    return sorted(values)[len(values) // 2] if values else inf
