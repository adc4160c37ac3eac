"""Ray Data feeds the mesh: rows become tasks, with back-pressure, and their answers columns.

    pip install "ray[data]"
    hasten up                                # in another terminal
    python -m examples.bulk_ray              # on a Ray of its own, which ends with it

Ray runs `map_batches` in several processes; each of them has a window of tasks of its own, and
reads no more rows while that is full. A process that Ray starts again finds the answers that are
there.
"""

import argparse
import os
from importlib import import_module
from typing import Any

import numpy as np

from hasten_client.bulk import Bulk

ROWS = 2000


def main() -> None:
    """Runs random measurements through the example model `risk`, and prints what came."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument(
        "--address", default=os.environ.get("HASTEN_TASKS_ADDRESS", "localhost:8003")
    )
    parser.add_argument("--rows", type=int, default=ROWS)
    arguments = parser.parse_args()
    try:
        ray: Any = import_module("ray")
        import_module("ray.data")
    except ImportError:
        raise SystemExit('this example needs Ray: pip install "ray[data]"') from None

    ray.init(num_cpus=2, include_dashboard=False, log_to_driver=False)
    measurements = np.random.default_rng(0).normal(size=(arguments.rows, 30)).astype(np.float32)
    rows = ray.data.from_numpy(measurements).rename_columns({"data": "measurements"})
    bulk = Bulk("risk", arguments.address, run="ray-example", window=256)
    answers = rows.map_batches(bulk, batch_size=256, batch_format="numpy").take_all()
    print(f"{len(answers)} answers of {arguments.rows} rows; the first: {answers[0]}")
    ray.shutdown()


if __name__ == "__main__":
    main()
