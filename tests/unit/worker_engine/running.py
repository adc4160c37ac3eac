"""Runners without a store."""

from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from threading import Event
from typing import Protocol

from hasten.inference.v2.model_config_pb2 import ModelConfig
from hasten_runtime.clock import SystemClock
from hasten_worker.engine.config.complete import complete_config
from hasten_worker.engine.config.text import NOTHING_WRITTEN, config_from_text
from hasten_worker.engine.isolation.host import Host
from hasten_worker.engine.isolation.order import Order
from hasten_worker.engine.isolation.runner import IsolatedRunner
from hasten_worker.engine.onnx.port import ModelRunner
from hasten_worker.engine.onnx.runner import OnnxRunner
from hasten_worker.engine.onnx.session import CPU, SessionPlan, open_session
from hasten_worker.engine.trial.examine import session_facts
from hasten_worker.model import Array

PLAN = SessionPlan(providers=((CPU, {}),))


class Make(Protocol):
    """Makes a runner of a model, in one process or another."""

    def __call__(
        self, content: bytes, config: str | None = None
    ) -> tuple[ModelRunner, ModelConfig]: ...


def isolated_runner(
    host: Host, folder: Path, content: bytes, config: str | None = None
) -> tuple[IsolatedRunner, ModelConfig]:
    """A runner of the model in a process of its own."""
    _, completed = make_runner(folder, content, config)
    runner = IsolatedRunner(
        host,
        Order(folder / "model.onnx", PLAN, completed),
        folder,
        SystemClock(),
        name="m",
        growth_bytes_max=2**29,
        stop=Event(),
    )
    return runner, completed


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
    runner: ModelRunner, *members: Mapping[str, Array], padded_rows: int | None = None
) -> list[dict[str, Array]]:
    """Runs the members as one batch, as a lane does."""
    rows = sum(rows_of(member) for member in members)
    return runner.new_run().execute(members, padded_rows or rows)


def rows_of(member: Mapping[str, Array]) -> int:
    first = next(iter(member.values()))
    return len(first) if first.ndim else 1


def settled(runner: ModelRunner, *runs: Sequence[dict[str, Array]]) -> ModelRunner:
    """The runner after its warm-up, with bound outputs."""
    runner.settle([result for results in runs for result in results])
    return runner
