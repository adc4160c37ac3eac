"""The claims of docs/evaluation, small: coarse bounds over a few virtual seconds."""

from functools import lru_cache

import pytest

from hasten_policy.registry import resolve
from hasten_sim.figures import Figures
from hasten_sim.simulate import simulate
from hasten_sim.yardstick import one_next_batch
from loadtest.evaluation.setting import CENTRAL, Setting

STAY = "[deadlines]\ncallers_leave = false\n"


@lru_cache(maxsize=64)
def ran(setting: Setting, policy: str, load: float, routers: int | None = None) -> Figures:
    """One run; what two tests look at is run once."""
    scenario = setting.scenario(load=load, routers=routers)
    return simulate(scenario, resolve(policy), seed=1, load=load)


def overload(policy: str, load: float) -> Figures:
    return ran(Setting("overload.toml", STAY, 2, 0.7), policy, load)


def combined(change: str = "") -> Figures:
    return ran(Setting("combined.toml", change, 4, 1.5), "hasten", 1.5)


def test_goodput_holds_at_twice_the_capacity() -> None:
    peak_per_s = max(overload("hasten", load).goodput_per_s for load in (1.0, 1.15))
    assert overload("hasten", 2.0).goodput_per_s >= 0.9 * peak_per_s


def test_first_come_first_served_collapses() -> None:
    fifo = overload("fifo", 2.0)
    assert fifo.goodput_per_s < 0.2 * overload("hasten", 2.0).goodput_per_s


def test_several_routers_do_nearly_what_one_queue_does() -> None:
    assert combined().goodput_per_s >= 0.88 * combined(CENTRAL).goodput_per_s


@pytest.mark.parametrize("change", ["", CENTRAL])
def test_an_admitted_request_is_rarely_late(change: str) -> None:
    assert combined(change).miss_given_admitted <= 0.03


def test_bursts_do_not_break_the_promise() -> None:
    found = ran(Setting("promise_cv4.toml", "", 4, 2), "hasten", 2.0)
    assert found.miss_given_admitted <= 0.03


def test_no_work_begins_after_its_deadline() -> None:
    assert overload("hasten", 2.0).executed_late == combined().executed_late == 0


def test_a_silently_slow_worker_is_found_out_within_five_seconds() -> None:
    blind = "[mesh]\nweights_known = false\n"

    def calls(file: str, run_s: float) -> float:
        """Of worker 1, of those that came five seconds after it became slow."""
        found = ran(Setting(file, blind, 7, 5), "hasten", 0.85, 4)
        return found.share_by_worker[1] * found.busy_s / run_s

    assert calls("balancing_silent_slow.toml", 0.04) < calls("balancing.toml", 0.01) / 3


@pytest.mark.parametrize("file", ["encoder_24.toml", "minilm_32.toml", "encoder_64.toml"])
@pytest.mark.parametrize("load", [0.5, 1.0, 2.0])
def test_models_that_compute_are_used_nearly_as_well_as_exact_knowledge_could(
    file: str, load: float
) -> None:
    setting = Setting(file, "", 4, 1)
    could = one_next_batch(setting.scenario(load=load), 1)
    found = ran(setting, "hasten", load)
    assert found.in_time >= 0.95 * could.in_time
    assert found.late_share <= 0.02
    assert found.refused_idle == 0
