"""EDF with shedding against the best of all orders, and plain EDF beside it."""

from statistics import fmean

from loadtest.evaluation.edf import LOADS, POLICIES, by_machine, share_kept

SHEDDING, PLAIN = (by_machine(policy) for policy in POLICIES.values())
INSTANCES = 100


def test_shedding_keeps_nearly_what_could_be_kept() -> None:
    kept = [share_kept(SHEDDING, load=load, spread=0.0, instances=INSTANCES) for load in LOADS]
    assert fmean(kept) >= 0.95
    assert min(kept) >= 0.93


def test_plain_edf_falls_behind_as_the_load_grows() -> None:
    kept = [share_kept(PLAIN, load=load, spread=0.0, instances=INSTANCES) for load in LOADS]
    assert kept == sorted(kept, reverse=True)
    assert kept[-1] < 0.85
