"""What exact knowledge of a model's run times could answer in time, for a measured line.

    python -m loadtest.yardstick ALPHA_MS BETA_MS [--lag 1.5] [--deadline 50] [--batch-max 32]
        [--way 0.2] [--rates 236,472,708,944] [--seed 1]

A batch of b rows takes ALPHA_MS + BETA_MS * b. Prints, for each rate, the answers in time of one
lane that knows that and admits by one next batch (`hasten_sim.yardstick`): what a real mesh with
one worker is compared with. Without --rates, 0.5, 1, 1.5, 2 and 4 times the capacity: what batches
do of which two in a row end within the deadline.
"""

import argparse
import sys

from hasten_sim.points import Lasting, Point, scenario_at
from hasten_sim.scenario import Scenario
from hasten_sim.workload import WorkloadError, parse
from hasten_sim.yardstick import capacity_within, one_next_batch
from loadtest.evaluation.page import table

LOADS = (0.5, 1.0, 1.5, 2.0, 4.0)
SECONDS = 20
FILE = """\
name = "yardstick"
duration_s = {seconds}
warmup_s = 2
capacity_per_s = 1
[mesh]
lag_ms = {lag}
[mesh.network]
latency_ms = {way}
[arrivals]
process = "poisson"
load = 1
[[models]]
name = "model"
alpha_ms = {alpha}
beta_ms = {beta}
batch_max = {batch_max}
[deadlines]
kind = "fixed"
ms = {deadline}
"""


def main() -> int:
    """Entry point; returns the exit code."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("alpha", type=float, help="fixed ms of a batch")
    parser.add_argument("beta", type=float, help="ms of each row")
    parser.add_argument("--lag", type=float, default=0.0, help="ms between two batches")
    parser.add_argument("--deadline", type=float, default=50.0, help="ms from caller to answer")
    parser.add_argument("--way", type=float, default=0.2, help="ms from caller to worker, and back")
    parser.add_argument("--batch-max", type=int, default=32, help="most rows of a batch")
    parser.add_argument("--rates", help="requests a second, joined by commas")
    parser.add_argument("--seed", type=int, default=1, help="of the arrivals")
    said = parser.parse_args()
    try:
        print(_shown(said), end="")
    except (WorkloadError, ValueError) as error:
        print(error, file=sys.stderr)
        return 2
    return 0


def _shown(said: argparse.Namespace) -> str:
    source = Lasting(parse(FILE.format(seconds=SECONDS, **vars(said)), "yardstick.toml"))

    def scenario(rate_per_s: float) -> Scenario:
        # The load 1 is one request a second.
        return scenario_at(source, Point(load=rate_per_s))

    capacity = capacity_within(scenario(1.0), said.deadline / 1e3)
    rates = (
        [float(rate) for rate in said.rates.split(",")]
        if said.rates
        else [load * capacity for load in LOADS]
    )
    rows: list[tuple[str, ...]] = []
    for rate_per_s in rates:
        kept = one_next_batch(scenario(rate_per_s), said.seed)
        rows.append(
            (
                f"{rate_per_s:.0f}",
                f"{rate_per_s / capacity:.2f}",
                f"{kept.goodput_per_s:.0f}",
                f"{kept.goodput_per_s / capacity:.2f}",
                f"{kept.batch_rows_mean:.1f}",
            )
        )
    head = ("offered /s", "of the capacity", "in time /s", "of the capacity", "rows a batch")
    return f"capacity {capacity:.0f}/s\n\n{table(head, rows, left=0)}"


if __name__ == "__main__":
    sys.exit(main())
