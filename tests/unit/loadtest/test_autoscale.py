"""The comparison of scaling rules: what is tuned, what is on the front, what is said."""

from dataclasses import replace
from pathlib import Path

import pytest

from hasten_sim.figures import Figures
from hasten_sim.sweep import Job, run
from loadtest import autoscale
from loadtest.autoscale import Run, missed_at, on_front, tuned
from loadtest.evaluation.bench import Bench
from loadtest.evaluation.page import read_record, record_of, text_of
from loadtest.evaluation.setting import Setting
from loadtest.scaling_traces import TRACES

SHORT = Setting("scaling.toml", "", 120, 60)


@pytest.fixture(scope="module")
def ran() -> Figures:
    return run(Job(SHORT, "hasten", 1, rule="static,workers=4", coarse=True))


def like(ran: Figures, name: str, missed: float, hours: float) -> Run:
    assert ran.scaling is not None
    in_time = round(1_000_000 * (1.0 - missed))
    scaling = replace(ran.scaling, replica_s=hours * 3600.0)
    return Run(name, (replace(ran, offered=1_000_000, in_time=in_time, scaling=scaling),))


def test_a_rule_is_tuned_to_the_cheapest_that_is_good_enough(ran: Figures) -> None:
    runs = [like(ran, "a", 0.01, 9), like(ran, "b", 0.02, 7), like(ran, "c", 0.05, 5)]
    assert tuned(runs, 0.03).text == "b"
    assert tuned(runs, 0.5).text == "c"
    assert tuned(runs, 0.001).text == "a"


def test_misses_between_two_parameters_are_interpolated(ran: Figures) -> None:
    runs = [like(ran, "a", 0.01, 10), like(ran, "b", 0.04, 8)]
    assert missed_at(runs, 9.0) == pytest.approx(0.02)
    assert missed_at(runs, 7.0) == pytest.approx(0.04)
    assert missed_at(runs, 12.0) == pytest.approx(0.01)


def test_the_front_is_what_nothing_beats_in_both(ran: Figures) -> None:
    runs = {
        "dear": like(ran, "dear", 0.0, 10),
        "cheap": like(ran, "cheap", 0.1, 5),
        "bad": like(ran, "bad", 0.1, 6),
        "twin": like(ran, "twin", 0.1, 5),
    }
    assert [name for name in runs if on_front(runs, name)] == ["dear", "cheap", "twin"]


def test_the_page_can_be_made_and_says_where_ours_loses(tmp_path: Path) -> None:
    grid = {"hasten": ("hasten",), "hpa": ("hpa",), "static": ("static,workers=4,no_scale_in_s=0",)}
    written = autoscale.write(Bench("autoscaling", 1), {"short": SHORT}, grid, seeds=2)
    assert len(written.claims) == 2
    # Four workers are enough for thirty calls a second, and hasten keeps those that it finds.
    assert "`hasten` loses here: " in written.body
    path = tmp_path / "autoscaling.md"
    record = record_of(autoscale.PAGE, written, 1.0)
    path.write_text(text_of(record, written.body))
    assert read_record(path) == record


@pytest.mark.parametrize("name", TRACES)
def test_every_trace_is_a_workload(name: str) -> None:
    scenario = TRACES[name].scenario()
    assert scenario.pool is not None
    assert scenario.duration_s > scenario.warmup_s
