"""Every metric of the autoscaler is there from the start."""

import re

from prometheus_client import generate_latest

from hasten_autoscaler.metrics import AutoscalerMetrics
from hasten_policy.scaling.verdict import Verdict
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


def test_what_came_of_decisions_is_counted() -> None:
    registry = metrics.registry("autoscaler", "a1")
    counts = AutoscalerMetrics(registry, "workers")
    for ready, enough in ((2, 4), (5, 4), (9, 4)):
        counts.judged(Verdict(1, 30.0, 3.5, enough, ready, 100, 1, 0, forecast=3.0))

    def value(name: str, **labels: str) -> float | None:
        return registry.get_sample_value(name, {"pool": "workers", **labels})

    for outcome in ("short", "enough", "spare"):
        assert value(names.METRIC_AUTOSCALER_JUDGED, outcome=outcome) == 1.0
    weighed = names.METRIC_AUTOSCALER_JUDGED_WORKERS
    assert value(weighed, kind="ready") == 16.0
    assert value(weighed, kind="busy") == 10.5
    assert value(weighed, kind="enough") == 12.0
    assert value(names.METRIC_AUTOSCALER_FORECAST_ERROR) == 0.5
