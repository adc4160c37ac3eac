"""The table [pool] of a workload file."""

import pytest

from hasten_sim.workload import WorkloadError, parse

FILE = """
name = "w"
duration_s = 10
[arrivals]
process = "poisson"
rate_per_s = 1
[[models]]
name = "m"
alpha_ms = 10
[mesh]
workers = {workers}
[pool]
workers_max = 8
{more}
"""


def read(more: str = "", workers: int = 2) -> object:
    return parse(FILE.format(more=more, workers=workers), "w.toml").scenario().pool


def test_a_pool_is_what_the_file_says() -> None:
    pool = read("workers_min = 2\nprice_per_h = 0.5\nbudget_per_h = 2\nprocess_s = 3\ntell_s = 2")
    assert pool is not None
    assert pool.bounds.most == 4  # type: ignore[attr-defined]
    assert (pool.process_s, pool.tell_s) == (3.0, 2.0)  # type: ignore[attr-defined]


@pytest.mark.parametrize(
    ("more", "says"),
    [
        ("workers_min = 9", "workers_min 9 is above workers_max 8"),
        ("price_per_h = -1", "price_per_h"),
        ("budget_per_h = 1\nworkers_min = 2", "pays for 1 workers"),
        ("day_s = 60\nforecast_s = 40", "day_s of at least two forecast_s"),
        ("workers_mx = 3", "did you mean 'workers_max'"),
    ],
)
def test_a_pool_that_contradicts_itself_is_refused_by_key(more: str, says: str) -> None:
    with pytest.raises(WorkloadError, match=says):
        read(more)


def test_the_workers_at_the_start_lie_within_the_pool() -> None:
    with pytest.raises(WorkloadError, match=r"mesh\.workers: found 9, expected 1 to 8"):
        read(workers=9)
