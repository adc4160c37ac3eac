"""How long after `make up` the first answer is there, on a machine that is set up.

The clock runs from the start of `make up` (its set-up check, Redis, router and two workers, the
example models) to the first answer of a real model through the router, the connection included.

    python -m loadtest.first_reply [--runs 5] [--json]
"""

import argparse
import json
import os
import signal
import statistics
import subprocess
import sys
import time
from pathlib import Path

import numpy as np

from hasten_client import Client

ROOT = Path(__file__).resolve().parent.parent
UP = ("make", "--no-print-directory", "up", "ARGS=--json --port 0 --metrics-port 0")
STOP_S_MAX = 30.0
ANSWER_S_MAX = 60.0


def first_reply_s() -> tuple[float, float]:
    """(seconds until the mesh said it is ready, seconds until the first answer) of one start.

    Raises:
        RuntimeError: The mesh did not come up.
    """
    image = np.zeros((1, 1, 8, 8), np.float32)
    begin_s = time.monotonic()
    # A group of its own: Ctrl-C in a terminal reaches make and the mesh alike, and so does this.
    process = subprocess.Popen(
        UP, cwd=ROOT, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, start_new_session=True
    )
    try:
        assert process.stdout is not None  # noqa: S101 (asked for above)
        line = process.stdout.readline()
        if not line:
            raise RuntimeError("the mesh did not start; run `make up` to see why")
        ready_s = time.monotonic() - begin_s
        with Client(json.loads(line)["address"]) as client:
            client.infer("digits", {"image": image}, deadline_s=ANSWER_S_MAX)
        return ready_s, time.monotonic() - begin_s
    finally:
        os.killpg(process.pid, signal.SIGINT)
        process.wait(STOP_S_MAX)


def main() -> None:
    """Entry point."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--runs", type=int, default=5, help="starts to measure")
    parser.add_argument("--json", action="store_true", help="one JSON object on stdout")
    said = parser.parse_args()
    try:
        runs = [first_reply_s() for _ in range(said.runs)]
    except RuntimeError as error:
        sys.exit(f"first_reply: {error}")
    if said.json:
        print(
            json.dumps({"ready_s": [ready for ready, _ in runs], "reply_s": [r for _, r in runs]})
        )
        return
    print("start  ready    first reply")
    for number, (ready_s, reply_s) in enumerate(runs, start=1):
        print(f"{number:>5}  {ready_s:.2f} s   {reply_s:.2f} s")
    print(f"median first reply after `make up`: {statistics.median(r for _, r in runs):.2f} s")


if __name__ == "__main__":
    main()
