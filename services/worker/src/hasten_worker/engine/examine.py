"""The examination of one model file; runs in a process that may die of it."""

import re
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from threading import Event
from typing import Any, Final

import onnxruntime as ort

from hasten_worker.engine import samples
from hasten_worker.engine.config_complete import (
    BATCH_MAX_LIMIT,
    complete_config,
    fixed_first,
    is_described,
    may_batch,
)
from hasten_worker.engine.exploring import Explorer
from hasten_worker.engine.facts import ModelFacts, TensorFacts
from hasten_worker.engine.intake_task import Task
from hasten_worker.engine.model_file import FileFacts, advice, check_file, model_path
from hasten_worker.engine.onnx_runner import OnnxRunner
from hasten_worker.engine.refusal import ModelRefused
from hasten_worker.engine.row_trial import Verdict
from hasten_worker.engine.session import open_session
from hasten_worker.engine.watchdog import Watchdog

NOT_WARMED: Final = (
    "hasten.warm_up is off, so that nobody saw whether rows can share a batch; set max_batch_size "
    "if they can"
)
_ROWS_UNFINISHED: Final = "the trial of its rows did not come to its end"

Stage = Callable[[str], None]
Found = Callable[[ModelFacts], None]


def examine(task: Task, stage: Stage, found: Found) -> None:
    """Checks the file, opens it, runs it, and tries whether its rows can share a batch.

    Args:
        task: What to examine.
        stage: Told what begins now, so that a death has a place.
        found: Told the facts as soon as the model may be served, and again whenever more of
            them are known: the last ones hold, however the examination ends.

    Raises:
        ModelRefused: It is not to be used.
    """
    stage("checking the file")
    path = model_path(task.folder / task.version, task.file_name)
    file = check_file(path)
    stage("opening the session")
    before_bytes = _resident_bytes()
    session = _open(path, task)
    facts = session_facts(session, file.shapeless)
    config = complete_config(task.written, facts, batch_max_default=task.batch_max_default)
    OnnxRunner(session, task.plan, config)
    with Watchdog(Event()) as watchdog:
        examination = _Examination(task, session, file, watchdog, stage, found)
        facts = examination.run(facts, path, before_bytes)
    stage("asking onnx's checker")
    advised = advice(path)
    if advised:
        facts = replace(facts, notes=(*facts.notes, f"onnx's checker warns: {advised}"))
        found(facts)


def session_facts(session: ort.InferenceSession, shapeless: frozenset[str]) -> ModelFacts:
    """What the session says of its inputs and outputs.

    Args:
        session: Open.
        shapeless: Those without a shape in the file, which onnxruntime cannot tell from
            scalars unless it has inferred their shape.
    """

    def tensor(node: Any, *, optional: bool = False) -> TensorFacts:  # noqa: ANN401  (a binding)
        dims: tuple[int, ...] | None
        dims = tuple(size if isinstance(size, int) else -1 for size in node.shape)
        if not dims and node.name in shapeless:
            dims = None
        symbols = tuple(size if isinstance(size, str) else "" for size in node.shape)
        return TensorFacts(node.name, node.type, dims, optional, symbols)

    return ModelFacts(
        inputs=(
            *(tensor(node) for node in session.get_inputs()),
            *(tensor(node, optional=True) for node in session.get_overridable_initializers()),
        ),
        outputs=tuple(tensor(node) for node in session.get_outputs()),
        memory_bytes=0,
    )


class _Examination:
    """Runs one model that is open."""

    def __init__(  # noqa: PLR0913  (what one examination needs)
        self,
        task: Task,
        session: ort.InferenceSession,
        file: FileFacts,
        watchdog: Watchdog,
        stage: Stage,
        found: Found,
    ) -> None:
        self._task = task
        self._session = session
        self._file = file
        self._watchdog = watchdog
        self._stage = stage
        self._found = found

    def run(self, facts: ModelFacts, path: Path, before_bytes: int) -> ModelFacts:
        """First run, other sizes, rows; tells each stage's facts and returns the last."""
        task = self._task
        shared = may_batch(task.written, facts)
        unbatched = () if is_described(task.written) else (_unbatched(fixed_first(facts)),)
        explorer = None
        if task.warm_up:
            self._stage("running it for the first time")
            explorer = self._explorer(facts, batches=shared)
            if shared and not explorer.ran:
                # Perhaps it needs many of what is no batch at all.
                explorer = self._explorer(facts, batches=False)
        grown_bytes = max(0, _resident_bytes() - before_bytes)
        size_bytes = sum(file.stat().st_size for file in path.parent.rglob("*") if file.is_file())
        facts = replace(facts, memory_bytes=max(grown_bytes, size_bytes))
        if explorer is None or not explorer.ran:
            why = NOT_WARMED if explorer is None else "no first run succeeded"
            notes = (_unbatched(why),) if shared else unbatched
            failed = explorer.failed if explorer is not None else ""
            facts = replace(facts, notes=(*notes, *((failed,) if failed else ())))
            self._found(facts)
            return facts
        batches = explorer.batches
        pending = (_unbatched(_ROWS_UNFINISHED),) if shared else unbatched
        facts = replace(facts, sizes=(explorer.base,), values=explorer.values, notes=pending)
        self._found(facts)
        self._stage("running it with other inputs")
        explorer.widen_values()
        facts = replace(facts, values=explorer.values)
        self._found(facts)
        explorer.widen_sizes()
        facts = replace(facts, sizes=explorer.measured)
        self._found(facts)
        if shared and not batches:
            facts = replace(facts, notes=(_unbatched("it does not run with one row"),))
        elif explorer.rows_max > (0 if shared else 1):
            self._stage("trying whether its rows can share a batch")
            facts = self._judged(facts, explorer.try_rows(), shared=shared)
        self._found(facts)
        return facts

    def _explorer(self, facts: ModelFacts, *, batches: bool) -> Explorer:
        """An explorer that has made its first run, if there is one that succeeds."""
        task = self._task
        # Rows that may share a batch are tried as such a batch.
        seen = replace(facts, rows_max=BATCH_MAX_LIMIT) if batches else facts
        config = complete_config(task.written, seen, batch_max_default=task.batch_max_default)
        explorer = Explorer(
            OnnxRunner(self._session, task.plan, config), config, facts, task, self._watchdog
        )
        given = samples.from_config(config, task.folder)
        explorer.first_run(given, self._file.hints)
        return explorer

    def _judged(self, facts: ModelFacts, verdict: Verdict, *, shared: bool) -> ModelFacts:
        if verdict.rows_max:
            notes = (
                (f"its rows share batches, but there was no time to try {verdict.untried}",)
                if verdict.untried
                else ()
            )
        elif shared:
            notes = (_unbatched(verdict.reason),)
        else:
            size = self._task.written.config.max_batch_size
            notes = (
                f"max_batch_size is {size}, but calls in one batch may change each other's "
                f"answers: {verdict.reason}",
            )
        return replace(facts, rows_max=verdict.rows_max, notes=notes)


def _unbatched(reason: str) -> str:
    return f"served one call at a time, not in batches: {reason}"


def _open(path: Path, task: Task) -> ort.InferenceSession:
    try:
        return open_session(path, task.plan)
    except ModelRefused as error:
        # What onnxruntime says of a damaged file seldom names what is wrong with it.
        advised = advice(path)
        if not advised:
            raise
        raise ModelRefused(
            f"{path.name} is not a valid ONNX model: {advised}; {error}", passing=error.passing
        ) from None


def _resident_bytes() -> int:
    """Memory of this process that is not a copy of a file: libraries do not count."""
    status = Path("/proc/self/status").read_text(encoding="ascii")
    found = re.search(r"^RssAnon:\s+(\d+) kB$", status, re.MULTILINE)
    return int(found[1]) * 1024 if found else 0
