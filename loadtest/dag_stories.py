"""Two stories of DAGs, told from the command line; in each, the owner is killed in the middle.

    python -m loadtest.dag_stories recommend   three real models feed each other
    python -m loadtest.dag_stories split       a set of images over two workers, against one

Each starts a mesh of its own with two schedulers and two workers, and says what it saw: the
timeline of the steps, the one trace of them all, how often each task ran. Ends with status 1 when a
promise was broken.

    python -m loadtest.dag_stories STORY [--json]
"""

import argparse
import json
import shutil
import sys
import tempfile
import time
from collections.abc import Callable
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Final

import numpy as np
from onnx import TensorProto, helper, numpy_helper

from examples.train.layout import EXAMPLES, MODELS, read_held_out
from hasten_client import DagClient, DagStatus, NotFound, TaskClient
from hasten_runtime.telemetry_names import ATTR_TASK
from loadtest.collector import Collector, attributes, collecting
from loadtest.repository import write_synthetic
from loadtest.story import hasten, kill_owner, story_mesh

DRAWINGS: Final = 6
IMAGES: Final = 32
PIXELS: Final = 64
IMAGE_MS: Final = 25.0
"""A worker sleeps so long for each image."""
WAIT_S: Final = 60.0
LOOK_S: Final = 0.02
SPLIT_RATIO_MIN: Final = 1.7


@dataclass(frozen=True, slots=True)
class Told:
    """What a story saw.

    Attributes:
        lines: What the command printed at the end.
        traces: Traces that the steps' attempts belong to.
        spans: Attempts in them.
        runs_max: Most runs of one task.
        took_over_s: From the death of the owner until the DAG had ended.
        faults: Promises that were broken, one sentence each.
        ratio: Split against whole, in time; 0 where nothing was split.
    """

    lines: tuple[str, ...]
    traces: int
    spans: int
    runs_max: int
    took_over_s: float
    faults: tuple[str, ...]
    ratio: float = 0.0


# --- the stories ----------------------------------------------------------------------


def recommend(folder: Path) -> Told:
    """A text and some drawings, two models, and a third that makes offers of both."""
    models = folder / "models"
    models.mkdir()
    for name in ("tickets", "digits"):
        shutil.copytree(MODELS / name, models / name)
    write_offers(models)
    images, _ = read_held_out("digits")
    np.save(folder / "drawings.npy", images[:DRAWINGS])
    with collecting() as collector, story_mesh(models, collector) as mesh:
        address = mesh.schedulers[0]
        words = (EXAMPLES / "recommend.toml", "-i", f"drawings=@{folder / 'drawings.npy'}")
        # The last model is held back until the others are done and the owner is dead.
        hasten(address, "queue", "pause", "--model", "offers")
        hasten(address, "dag", "submit", *words, "--name", "r1")
        _until(address, "r1", lambda dag: dag.steps_ended == 2)
        address = kill_owner(mesh, address)
        killed_s = time.monotonic()
        hasten(address, "queue", "resume", "--model", "offers")
        hasten(address, "dag", "wait", "r1", "--timeout", f"{WAIT_S:.0f}s")
        took_s = time.monotonic() - killed_s
        return _told(address, collector, "r1", took_s)


def split(folder: Path) -> Told:
    """Images, of which two workers take a half each; and all at one worker, to compare."""
    models = folder / "models"
    write_synthetic(models, "images", alpha_ms=0, beta_ms=IMAGE_MS, batch_max=IMAGES)
    rows = np.random.default_rng(1).random((IMAGES, PIXELS), dtype=np.float32)
    np.save(folder / "images.npy", rows)
    with collecting() as collector, story_mesh(models, collector) as mesh:
        address = mesh.schedulers[0]
        took_s: dict[int, float] = {}
        for parts in (1, 2):
            name = f"in-{parts}"
            words = ("submit", "images", "-i", f"INPUT=@{folder / 'images.npy'}")
            hasten(address, *words, "--split", str(parts), "--id", name, "--wait")
            took_s[parts] = _dag(address, name).ended_s or 0.0
        hasten(address, *words, "--split", "2", "--id", "killed")
        _until(address, "killed", lambda dag: dag.steps[0].state == "running")
        address = kill_owner(mesh, address)
        killed_s = time.monotonic()
        hasten(address, "dag", "wait", "killed", "--timeout", f"{WAIT_S:.0f}s")
        waited_s = time.monotonic() - killed_s
        told = _told(address, collector, "killed", waited_s)
        found = _dag(address, "killed").outputs["OUTPUT"]
        ratio = took_s[1] / took_s[2]
        faults = list(told.faults)
        if not np.array_equal(found, rows):
            faults.append("the parts were not joined in order")
        if ratio < SPLIT_RATIO_MIN:
            faults.append(f"two workers took 1/{ratio:.2f} of the time of one")
        return Told(**{**asdict(told), "ratio": ratio, "faults": tuple(faults)})


def write_offers(models: Path) -> None:
    """A linear model of topics and digits: five offers and their scores."""
    rng = np.random.default_rng(3)
    weights = {
        name: numpy_helper.from_array(rng.standard_normal(dims).astype(np.float32), name)
        for name, dims in (("BY_TOPIC", (5, 5)), ("BY_DIGIT", (10, 5)))
    }
    graph = helper.make_graph(
        [
            helper.make_node("MatMul", ["topics", "BY_TOPIC"], ["one"]),
            helper.make_node("MatMul", ["digits", "BY_DIGIT"], ["other"]),
            helper.make_node("Add", ["one", "other"], ["logits"]),
            helper.make_node("Softmax", ["logits"], ["scores"], axis=1),
        ],
        "offers",
        [
            helper.make_tensor_value_info("topics", TensorProto.FLOAT, ["batch", 5]),
            helper.make_tensor_value_info("digits", TensorProto.FLOAT, ["batch", 10]),
        ],
        [helper.make_tensor_value_info("scores", TensorProto.FLOAT, ["batch", 5])],
        list(weights.values()),
    )
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=8)
    (models / "offers" / "1").mkdir(parents=True)
    (models / "offers" / "1" / "model.onnx").write_bytes(model.SerializeToString())
    (models / "offers" / "config.pbtxt").write_text(
        'name: "offers"\nplatform: "onnxruntime_onnx"\nmax_batch_size: 32\n'
    )


# --- around them ----------------------------------------------------------------------


def _dag(address: str, name: str) -> DagStatus:
    with DagClient(address) as client:
        return client.get(name, deadline_s=WAIT_S)


def _until(address: str, name: str, holds: Callable[[DagStatus], bool]) -> None:
    ends_s = time.monotonic() + WAIT_S
    with DagClient(address) as client:
        while not holds(client.get(name, deadline_s=WAIT_S)):
            if time.monotonic() > ends_s:
                raise RuntimeError(f"{name} did not come so far in {WAIT_S:.0f} s")
            time.sleep(LOOK_S)


def _told(address: str, collector: Collector, name: str, took_s: float) -> Told:
    lines = tuple(hasten(address, "dag", "get", name).splitlines())
    faults: list[str] = []
    tasks: list[str] = []
    dag = _dag(address, name)
    if dag.state != "done":
        faults.append(f"the DAG is {dag.state}: {dag.error}")
    runs_max = 0
    with TaskClient(address) as client:
        for step in dag.steps:
            for part in step.parts:
                tasks.append(part.task_id)
                try:
                    task = client.get(part.task_id, deadline_s=WAIT_S)
                except NotFound:
                    faults.append(f"task {part.task_id} is not there")
                    continue
                runs_max = max(runs_max, task.runs)
                if task.state != "done":
                    faults.append(f"task {part.task_id} is {task.state}")
    spans, traces = _attempts(collector, tasks)
    if len(traces) != 1:
        faults.append(f"the attempts belong to {len(traces)} traces")
    return Told(lines, len(traces), spans, runs_max, took_s, tuple(faults))


def _attempts(collector: Collector, tasks: list[str]) -> tuple[int, set[bytes]]:
    """Attempts of these tasks, and their traces. A killed process keeps spans to itself."""
    wanted = {f"/{task}" for task in tasks}
    ends_s = time.monotonic() + WAIT_S
    while True:
        found = [
            span
            for _, span in collector.spans()
            if attributes(span.attributes).get(ATTR_TASK) in wanted
        ]
        ended = {attributes(span.attributes)[ATTR_TASK] for span in found}
        if ended or time.monotonic() > ends_s:
            return len(found), {span.trace_id for span in found}
        time.sleep(LOOK_S)


STORIES: Final = {"recommend": recommend, "split": split}


def main() -> int:
    """Entry point."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("story", choices=STORIES)
    parser.add_argument("--json", action="store_true", help="one JSON object on stdout")
    said = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        told = STORIES[said.story](Path(folder))
    if said.json:
        print(json.dumps(asdict(told)))
        return int(bool(told.faults))
    print("\n".join(told.lines))
    if told.ratio:
        print(f"two workers were {told.ratio:.2f} times as fast as one")
    print(f"the owner was killed in the middle; {told.took_over_s:.1f} s later it had ended")
    print(f"one trace: {told.spans} attempts; most runs of a task: {told.runs_max}")
    for fault in told.faults:
        print(f"broken: {fault}")
    return int(bool(told.faults))


if __name__ == "__main__":
    sys.exit(main())
