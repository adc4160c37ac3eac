"""EDF with shedding against the best of all orders, and plain EDF beside it."""

import pytest

from loadtest.evaluation.edf import LOADS, POLICIES, SHARE_MIN, SPREADS, by_machine, share_kept

SHEDDING, PLAIN = (by_machine(policy) for policy in POLICIES.values())
INSTANCES = 100


@pytest.mark.parametrize("spread", SPREADS.values())
def test_shedding_keeps_nearly_what_could_be_kept(spread: float) -> None:
    kept = [share_kept(SHEDDING, load=load, spread=spread, instances=INSTANCES) for load in LOADS]
    assert min(kept) >= SHARE_MIN


def test_plain_edf_falls_behind_as_the_load_grows() -> None:
    kept = [share_kept(PLAIN, load=load, spread=0.0, instances=INSTANCES) for load in LOADS]
    assert kept == sorted(kept, reverse=True)
    assert kept[-1] < 0.85
