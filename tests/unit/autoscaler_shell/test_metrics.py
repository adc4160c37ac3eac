"""Every metric of the autoscaler is there from the start."""

import re

from prometheus_client import generate_latest

from hasten_autoscaler.metrics import AutoscalerMetrics
from hasten_runtime import metrics
from hasten_runtime import telemetry_names as names


def test_every_metric_that_is_named_is_served() -> None:
    registry = metrics.registry("autoscaler", "a1")
    AutoscalerMetrics(registry, "workers").watch(leads=lambda: 1.0)
    text = generate_latest(registry).decode()
    served = {line.split("{")[0].split(" ")[0] for line in text.splitlines() if line[0] != "#"}
    listed = {value for name, value in vars(names).items() if name.startswith("METRIC_")}
    own = {name for name in listed if re.match("hasten_(autoscaler|desired)_", name)}
    # The stages of workers are known once the pool was looked at.
    assert own - served == {names.METRIC_AUTOSCALER_WORKERS}
