"""Runners without a store."""

from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path

from hasten.inference.v2.model_config_pb2 import ModelConfig
from hasten_worker.engine.config.complete import complete_config
from hasten_worker.engine.config.text import NOTHING_WRITTEN, config_from_text
from hasten_worker.engine.onnx.model import OnnxRun
from hasten_worker.engine.onnx.runner import OnnxRunner
from hasten_worker.engine.onnx.session import CPU, SessionPlan, open_session
from hasten_worker.engine.trial.examine import session_facts
from hasten_worker.model import Array

PLAN = SessionPlan(providers=((CPU, {}),))


def make_runner(
    folder: Path, content: bytes, config: str | None = None, plan: SessionPlan = PLAN
) -> tuple[OnnxRunner, ModelConfig]:
    """A runner of the model, which is written into the folder."""
    path = folder / "model.onnx"
    path.write_bytes(content)
    session = open_session(path, plan)
    written = NOTHING_WRITTEN if config is None else config_from_text(config)
    # As if its rows had been shown to be answered each by itself.
    facts = replace(session_facts(session, frozenset()), rows_max=8)
    completed = complete_config(written, facts, batch_max_default=8)
    return OnnxRunner(session, plan, completed), completed


def run(
    runner: OnnxRunner, *members: Mapping[str, Array], padded_rows: int | None = None
) -> list[dict[str, Array]]:
    """Runs the members as one batch, as a lane does."""
    rows = sum(rows_of(member) for member in members)
    return OnnxRun(runner).execute(members, padded_rows or rows)


def rows_of(member: Mapping[str, Array]) -> int:
    first = next(iter(member.values()))
    return len(first) if first.ndim else 1


def settled(runner: OnnxRunner, *runs: Sequence[dict[str, Array]]) -> OnnxRunner:
    """The runner after its warm-up, with bound outputs."""
    runner.settle([result for results in runs for result in results])
    return runner
