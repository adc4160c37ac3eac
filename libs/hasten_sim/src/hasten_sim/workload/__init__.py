"""Workload files: what is offered to which mesh, said once for simulator and load generator.

docs/workloads.md explains every key.
"""

from hasten_sim.workload.faults_found import WorkloadError
from hasten_sim.workload.loading import load, parse
from hasten_sim.workload.workload import Workload

__all__ = ["Workload", "WorkloadError", "load", "parse"]
