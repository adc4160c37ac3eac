"""What does a model in a process of its own cost, beside one in a thread of the worker?

Two workers take turns, one of each kind, with the same models: perceptrons that take about 0.1, 1
and 6 ms on this machine, and one that takes 600 kB a call and does next to nothing with it. Callers
ask the worker itself, so that no router hides the difference: one by one for the median, 8 in a
closed loop for the calls a second. The cost is the median over the rounds of one round's ratio.

    python -m loadtest.isolation [--rounds 7] [--seconds 1.5] [--callers 8] [--json]
"""

import argparse
import json
import statistics
import sys
import tempfile
import time
from collections.abc import Sequence
from contextlib import ExitStack
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Final

import numpy as np
import onnxruntime as ort

from loadtest import computing, generator
from loadtest.call import serialised_inputs
from loadtest.mesh import running_mesh
from loadtest.repository import write_mean

MODELS_MS: Final = {"0.1 ms": 0.1, "1 ms": 1.0, "6 ms": 6.0}
LARGE: Final = "600 kB"
WIDTH: Final = 512
LARGE_FLOATS: Final = 150_000
ISOLATIONS: Final = ("thread", "process")
AIM: Final = 0.05
CONFIG: Final = "max_batch_size: 8\n"


@dataclass(frozen=True)
class Row:
    """One model.

    Attributes:
        model: Its name.
        p50_ms: Of one caller, by isolation: median over the rounds.
        per_s: Calls a second of all callers, likewise.
        p50_factor: Of process to thread, median over the rounds.
        per_s_cost: Share of the calls a second that a process costs, likewise; below 0 for a gain.
    """

    model: str
    p50_ms: dict[str, float]
    per_s: dict[str, float]
    p50_factor: float
    per_s_cost: float


def layers_for(target_ms: float) -> int:
    """Layers of a perceptron that takes about so long for one row."""
    spent: dict[int, float] = {}
    for layers in (4, 12):
        content = computing.mlp((WIDTH,) * (layers + 1)).SerializeToString()
        options = ort.SessionOptions()
        options.intra_op_num_threads = 1
        session = ort.InferenceSession(content, options, providers=["CPUExecutionProvider"])
        x = np.ones((1, WIDTH), np.float32)
        times = []
        for _ in range(100):
            began_s = time.perf_counter()
            session.run(None, {"x": x})
            times.append(time.perf_counter() - began_s)
        spent[layers] = min(times) * 1e3
    each_ms = max(1e-3, (spent[12] - spent[4]) / 8)
    return max(1, round((target_ms - spent[4]) / each_ms) + 4)


def write(models: Path) -> dict[str, bytes]:
    """The models; a payload for each, by the name that is shown."""
    payloads: dict[str, bytes] = {}
    for shown, target_ms in MODELS_MS.items():
        name = "mlp-" + shown.replace(" ", "")
        folder = models / name / "1"
        folder.mkdir(parents=True)
        made = computing.mlp((WIDTH,) * (layers_for(target_ms) + 1))
        (folder / "model.onnx").write_bytes(made.SerializeToString())
        (models / name / "config.pbtxt").write_text(CONFIG)
        x = np.random.default_rng(0).standard_normal((1, WIDTH)).astype(np.float32)
        payloads[shown] = serialised_inputs(name, {"x": x})
    write_mean(models, "large", width=LARGE_FLOATS)
    (models / "large" / "config.pbtxt").write_text(CONFIG)
    payloads[LARGE] = serialised_inputs("large", {"INPUT": np.ones((1, LARGE_FLOATS), np.float32)})
    return payloads


def one_round(address: str, payload: bytes, said: argparse.Namespace) -> tuple[float, float]:
    """Milliseconds of one caller's median, and calls a second of all callers."""
    alone = generator.keep_busy(
        address, [payload], callers=1, seconds=said.seconds / 2, connections=1
    )
    together = generator.keep_busy(address, [payload], callers=said.callers, seconds=said.seconds)
    for sent in (alone, together):
        failed = [outcome.why for outcome in sent.outcomes if not outcome.answered]
        if failed:
            raise RuntimeError(f"{len(failed)} calls failed: {failed[0]}")
    p50_ms = statistics.median(outcome.took_s for outcome in alone.outcomes) * 1e3
    return p50_ms, len(together.outcomes) / together.wall_s


def measured(
    addresses: dict[str, str], payloads: dict[str, bytes], said: argparse.Namespace
) -> list[Row]:
    """Takes turns over both workers, model by model."""
    rows: list[Row] = []
    for model, payload in payloads.items():
        rounds: list[dict[str, tuple[float, float]]] = []
        for number in range(said.rounds + 1):
            # Who is first meets the caches of the other: they take turns at that, too.
            order: Sequence[str] = ISOLATIONS if number % 2 else ISOLATIONS[::-1]
            found = {each: one_round(addresses[each], payload, said) for each in order}
            if number:  # The first one warms both up.
                rounds.append(found)
            print(".", end="", file=sys.stderr, flush=True)
        rows.append(row_of(model, rounds))
    print(file=sys.stderr)
    return rows


def row_of(model: str, rounds: Sequence[dict[str, tuple[float, float]]]) -> Row:
    """What the rounds say."""

    def middle(isolation: str, place: int) -> float:
        return statistics.median(one[isolation][place] for one in rounds)

    def factor(place: int) -> float:
        return statistics.median(one["process"][place] / one["thread"][place] for one in rounds)

    return Row(
        model,
        {each: middle(each, 0) for each in ISOLATIONS},
        {each: middle(each, 1) for each in ISOLATIONS},
        factor(0),
        1.0 - factor(1),
    )


def main() -> None:
    """Entry point."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--rounds", type=int, default=7, help="turns of each worker")
    parser.add_argument(
        "--seconds", type=float, default=1.5, help="of the callers together, a turn"
    )
    parser.add_argument("--callers", type=int, default=8)
    parser.add_argument("--json", action="store_true", help="one JSON object on stdout")
    said = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder, ExitStack() as stack:
        payloads = write(Path(folder))
        addresses: dict[str, str] = {}
        for isolation in ISOLATIONS:
            environ = {"HASTEN_WORKER_ISOLATION": isolation}
            mesh = stack.enter_context(running_mesh(Path(folder), environ=environ))
            addresses[isolation] = mesh.workers[0]
        rows = measured(addresses, payloads, said)
    if said.json:
        print(json.dumps([asdict(row) for row in rows]))
        return
    print(f"{'':8} {'p50 ms':>17} {'':>8} {'calls/s':>17} {'':>8}")
    print(
        f"{'model':8} {'thread':>8} {'process':>8} {'factor':>8} {'thread':>8} {'process':>8} cost"
    )
    for row in rows:
        p50, per_s = row.p50_ms, row.per_s
        print(
            f"{row.model:8} {p50['thread']:8.3f} {p50['process']:8.3f} {row.p50_factor:8.2f} "
            f"{per_s['thread']:8.0f} {per_s['process']:8.0f} {row.per_s_cost:+.1%}"
        )
    print(f"aim: a cost of at most {AIM:.0%} of the calls/s of models of 1 ms and more")


if __name__ == "__main__":
    main()
