"""What the autoscaler's settings refuse."""

from pathlib import Path

import pytest

from hasten_autoscaler.settings import AutoscalerSettings
from hasten_policy.scaling.limits import Bounds
from hasten_policy.scaling.offers import Offer
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


POOL = '[[pool]]\nname = "own"\ndriver = "process"\naddress = "/run/own.sock"\n'


def test_pools_are_read_from_a_file(tmp_path: Path) -> None:
    path = tmp_path / "pools.toml"
    path.write_text(POOL + POOL.replace("own", "spot") + "preemptible = true\nprice_per_h = 2\n")
    settings = read(AutoscalerSettings, [f"--pools={path}", "--mode=act"])
    own, spot = settings.pool_entries()
    assert own.offer == Offer("own")
    assert spot.offer == Offer("spot", price_per_h=2.0, preemptible=True)


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("", r"must hold tables \[\[pool\]\]"),
        ("x = 1\n" + POOL, "and nothing else"),
        ("nonsense", "cannot be read"),
        (POOL + POOL, "two pools have one name, of own, own"),
        (POOL + "prise = 1\n", "a pool has name, driver, .*price_per_h.*, but no 'prise'"),
        (POOL.replace("process", "moon"), "driver must be one of process, not 'moon'"),
        (POOL.replace("own", "no such", 1), "name must be letters, digits and hyphens"),
        (POOL.replace('"/run/own.sock"', "3"), "address must be the path"),
        (POOL + "price_per_h = -1\n", "pool 1: price_per_h must not be negative"),
        (POOL + "workers_max = 1.5\n", "workers_max must be a whole number, not 1.5"),
        (POOL + 'preemptible = "yes"\n', "preemptible must be true or false"),
        (POOL + "workers_min = 9\nworkers_max = 8\n", "workers_min 9 is above workers_max 8"),
        (POOL + "workers_max = 1\n", "the pools hold 1 workers, fewer than bounds.workers_min 2"),
        (POOL + "workers_min = 7\n", "floors are 7 workers together, more than bounds.workers_max"),
    ],
)
def test_pools_that_cannot_be_stop_the_start(tmp_path: Path, text: str, said: str) -> None:
    path = tmp_path / "pools.toml"
    path.write_text(text)
    flags = [f"--pools={path}", "--bounds.workers-min=2", "--bounds.workers-max=6"]
    with pytest.raises(SettingsFault, match=said):
        read(AutoscalerSettings, flags)


def test_pools_and_another_party_are_refused(tmp_path: Path) -> None:
    path = tmp_path / "pools.toml"
    path.write_text(POOL)
    driver = ("--driver=process", "--driver-address=/run/p.sock")
    for flags, said in ((driver, "driver must be none"), (("--scaled-by=keda",), "one party acts")):
        with pytest.raises(SettingsFault, match=said):
            read(AutoscalerSettings, [f"--pools={path}", *flags])
    with pytest.raises(SettingsFault, match="cannot be read"):
        read(AutoscalerSettings, [f"--pools={tmp_path / 'none'}"])
