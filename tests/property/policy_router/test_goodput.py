"""Twice the load a mesh can carry must not make it carry less."""

import pytest

from tests.property.policy_router.mesh import ON_TIME, TURNED_AWAY, Mesh

SLACK_S = 0.1


@pytest.mark.parametrize(("workers", "models", "full_hz"), [(2, 1, 1500.0), (8, 8, 4800.0)])
def test_goodput_at_twice_the_load_is_nine_tenths_of_the_best(
    workers: int, models: int, full_hz: float
) -> None:
    best = Mesh(workers, models).offer(full_hz, for_s=1.5, slack_s=SLACK_S)
    over = Mesh(workers, models).offer(2.0 * full_hz, for_s=3.0, slack_s=SLACK_S)
    assert over.goodput_hz >= 0.9 * best.goodput_hz
    assert over.miss_share <= 0.015


def test_below_its_capacity_a_mesh_answers_every_call() -> None:
    found = Mesh(4, 4).offer(1600.0, for_s=1.5, slack_s=SLACK_S)
    assert set(found.ends) == {ON_TIME}


def test_over_a_longer_time_about_one_admitted_call_in_a_hundred_misses() -> None:
    found = Mesh(2, 1).offer(3000.0, for_s=6.0, slack_s=0.05)
    assert found.miss_share <= 0.015
    assert set(found.ends) & TURNED_AWAY
