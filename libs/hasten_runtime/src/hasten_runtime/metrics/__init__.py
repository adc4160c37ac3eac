"""Prometheus metrics: what those of all services share. Each service's own are its `metrics.py`.

They are bound once, so that the hot path only counts: an observation costs about a microsecond, a
look-up of labels as much again. Every process has a registry of its own and serves it on a port of
its own; a router of several processes serves each on its base port plus the process's number.
"""

from hasten_runtime.metrics.bound import (
    OTHER,
    SECONDS_BUCKETS,
    ModelLabels,
    ModelRequests,
    RequestMetrics,
    watch_host,
    watched,
)
from hasten_runtime.metrics.endpoint import MetricsEndpoint, registry, serve

__all__ = [
    "OTHER",
    "SECONDS_BUCKETS",
    "MetricsEndpoint",
    "ModelLabels",
    "ModelRequests",
    "RequestMetrics",
    "registry",
    "serve",
    "watch_host",
    "watched",
]
