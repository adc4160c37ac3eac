"""What the autoscaler's settings refuse."""

from pathlib import Path

import pytest

from hasten_autoscaler.settings import AutoscalerSettings
from hasten_policy.scaling.limits import Bounds
from hasten_runtime.settings import SettingsFault, read


@pytest.mark.parametrize(
    ("flags", "said"),
    [
        (["--mode=act"], "mode act needs a driver"),
        (["--driver=process"], "driver process needs driver_address"),
        (["--bounds.workers-min=5", "--bounds.workers-max=4"], "workers_min 5 is above"),
        (["--bounds.price-per-h=-1"], "price_per_h must not be negative"),
        (["--policy.rule=magic"], "rule must be one of hasten, hpa"),
        (["--policy.period-s=0"], "period_s must be at least"),
        (["--mode=dance"], "mode"),
        (["--scaled-by=chance"], "scaled_by|scaled-by"),
        (
            ["--scaled-by=keda", "--mode=act", "--driver=process", "--driver-address=/run/p.sock"],
            "one party acts on a pool: with scaled_by keda mode must be advise or hold",
        ),
        (["--scaled-by=hpa", "--driver=process", "--driver-address=/run/p.sock"], "one party acts"),
    ],
)
def test_what_contradicts_itself_stops_the_start(flags: list[str], said: str) -> None:
    with pytest.raises(SettingsFault, match=said):
        read(AutoscalerSettings, flags)


def test_bounds_and_rule_are_settings() -> None:
    flags = [
        *("--mode=act", "--driver=process", "--driver-address=/run/pool.sock"),
        *("--bounds.workers-min=2", "--bounds.workers-max=7", "--policy.hasten.use-max=0.5"),
    ]
    settings = read(AutoscalerSettings, flags)
    assert settings.pool_bounds() == Bounds(2, 7)
    assert settings.autoscaler_policy().hasten.use_max == 0.5
    assert settings.driver_address == Path("/run/pool.sock")
