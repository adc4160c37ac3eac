"""Prometheus metrics of the services, bound once so that the hot path only counts.

An observation costs about a microsecond, a look-up of labels as much again: objects here hold
the bound children. Every process has a registry of its own and serves it on a port of its own;
a router of several processes serves each on its base port plus the process's number.
"""

from hasten_runtime.metrics.bound import OTHER, ModelLabels, RequestMetrics, watch_host
from hasten_runtime.metrics.endpoint import MetricsEndpoint, registry, serve
from hasten_runtime.metrics.router import RouterMetrics, RouterModelMetrics
from hasten_runtime.metrics.worker import WorkerMetrics, WorkerModelMetrics

__all__ = [
    "OTHER",
    "MetricsEndpoint",
    "ModelLabels",
    "RequestMetrics",
    "RouterMetrics",
    "RouterModelMetrics",
    "WorkerMetrics",
    "WorkerModelMetrics",
    "registry",
    "serve",
    "watch_host",
]
