"""Workload texts for tests."""

from pathlib import Path

from hasten_sim.workload import Workload, parse

WORKLOADS = Path(__file__).resolve().parents[3] / "loadtest" / "workloads"

MODEL = """
[[models]]
name = "model"
alpha_ms = 10
beta_ms = 1
batch_max = 32
"""
POISSON = """
[arrivals]
process = "poisson"
rate_per_s = 100
"""


def text(*tables: str, arrivals: str = POISSON, models: str = MODEL, duration_s: float = 10) -> str:
    """A workload file with these tables in place of, or beside, the plainest ones."""
    return f'name = "test"\nduration_s = {duration_s}\n' + "\n".join((*tables, arrivals, models))


def workload(
    *tables: str, arrivals: str = POISSON, models: str = MODEL, duration_s: float = 10
) -> Workload:
    """The same, read."""
    written = text(*tables, arrivals=arrivals, models=models, duration_s=duration_s)
    return parse(written, "test.toml")
