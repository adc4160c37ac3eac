"""The examination of one model file; runs in a process that may die of it."""

import re
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from threading import Event
from typing import Any, Final

import onnxruntime as ort

from hasten_worker.engine.config.complete import (
    BATCH_MAX_LIMIT,
    complete_config,
    fixed_first,
    is_described,
    may_batch,
)
from hasten_worker.engine.facts import ModelFacts, TensorFacts
from hasten_worker.engine.files.model_file import FileFacts, advice, check_file, model_path
from hasten_worker.engine.onnx.runner import OnnxRunner
from hasten_worker.engine.onnx.session import open_session
from hasten_worker.engine.onnx.watchdog import Watchdog
from hasten_worker.engine.refusal import ModelRefused
from hasten_worker.engine.trial import samples
from hasten_worker.engine.trial.exploring import Explorer
from hasten_worker.engine.trial.extremes import try_extremes, worth_trying
from hasten_worker.engine.trial.row_trial import Verdict
from hasten_worker.engine.trial.task import Task

NOT_WARMED: Final = (
    "hasten.warm_up is off, so that nobody saw whether rows can share a batch; set max_batch_size "
    "if they can"
)
_UNFINISHED: Final = "the trial of its rows did not come to its end"
_NOT_ONE: Final = "it does not run with one row"
SMALLEST_BATCH: Final = 2

Stage = Callable[[str], None]
Found = Callable[[ModelFacts], None]
Extreme = Callable[[int], None]


def examine(task: Task, stage: Stage, found: Found, extreme: Extreme) -> None:
    """Checks the file, opens it, runs it, tries whether its rows can share a batch, and in the end
    what extreme inputs do to it.

    Args:
        task: What to examine.
        stage: Told what begins now, so that a death has a place.
        found: Told the facts as soon as the model may be served, and again whenever more of
            them are known: the last ones hold, however the examination ends.
        extreme: Told the number of each extreme case before it is run.

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
    with Watchdog(Event()) as watchdog:
        examination = _Examination(task, session, file, watchdog, stage, found)
        facts = examination.shaped(facts)
        facts = examination.run(facts, path, before_bytes)
    stage("asking onnx's checker")
    advised = advice(path)
    if advised:
        facts = replace(facts, notes=(*facts.notes, f"onnx's checker warns: {advised}"))
        found(facts)
    if worth_trying(task, facts):
        found(try_extremes(session, task, facts, extreme))


def go_on(task: Task, facts: ModelFacts, found: Found, extreme: Extreme, first: int) -> None:
    """Goes on with an examination whose process an extreme case has ended.

    Args:
        task: What to examine.
        facts: What is known by now.
        found: As for `examine`.
        extreme: Likewise.
        first: Number of the case after that one.
    """
    found(facts)
    session = open_session(model_path(task.folder / task.version, task.file_name), task.plan)
    found(try_extremes(session, task, facts, extreme, first))


def session_facts(session: ort.InferenceSession, shapeless: frozenset[str]) -> ModelFacts:
    """What the session says of its inputs and outputs.

    Args:
        session: Open.
        shapeless: Tensors without a shape in the file, which onnxruntime cannot tell from
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

    def __init__(
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

    def shaped(self, facts: ModelFacts) -> ModelFacts:
        """The facts with the shapes of outputs that neither file nor configuration states.

        Raises:
            ModelRefused: The configuration does not fit, or the shape of one is not known.
        """
        task = self._task
        stated = {tensor.name for tensor in task.written.config.output if tensor.dims}
        unknown = [t.name for t in facts.outputs if t.dims is None and t.name not in stated]
        if unknown and task.warm_up and not is_described(task.written):
            self._stage("running it for the shapes of its outputs")
            # A run gives back whatever shape an output has, so that any will do to begin with.
            any_shape = tuple(replace(t, dims=t.dims or (-1,)) for t in facts.outputs)
            probe = self._explorer(replace(facts, outputs=any_shape), shared=False, batches=False)
            seen = probe.ranks() if probe.ran else {}
            outputs = tuple(
                replace(t, dims=(-1,) * seen[t.name]) if t.name in unknown and seen else t
                for t in facts.outputs
            )
            facts = replace(facts, outputs=outputs)
        config = complete_config(task.written, facts, batch_max_default=task.batch_max_default)
        OnnxRunner(self._session, task.plan, config)
        return facts

    def run(self, facts: ModelFacts, path: Path, before_bytes: int) -> ModelFacts:
        """First run, other sizes, rows; tells each stage's facts and returns the last."""
        task = self._task
        shared = may_batch(task.written, facts)
        explorer = None
        if task.warm_up:
            self._stage("running it for the first time")
            explorer = self._explorer(facts, shared=shared, batches=shared)
        grown_bytes = max(0, _resident_bytes() - before_bytes)
        size_bytes = sum(file.stat().st_size for file in path.parent.rglob("*") if file.is_file())
        facts = replace(facts, memory_bytes=max(grown_bytes, size_bytes))
        if not shared:
            known = () if is_described(task.written) else (_unbatched(fixed_first(facts)),)
            facts = self._explored(facts, explorer, known)
            if explorer is None or not explorer.ran or explorer.rows_max < SMALLEST_BATCH:
                return facts
            return self._judged(facts, explorer)
        if explorer is None:
            return self._explored(facts, None, (_unbatched(NOT_WARMED),))
        if explorer.ran:
            facts = self._explored(facts, explorer, (_unbatched(_UNFINISHED),))
            facts = self._judged(facts, explorer)
            if facts.rows_max:
                return facts
            self._stage("running it without batches")
        else:
            # Perhaps it needs many of what is no batch at all.
            facts = replace(facts, notes=(_unbatched(f"{_NOT_ONE} ({explorer.error})"),))
        # Its first dimension is one more that is free.
        return self._explored(
            facts, self._explorer(facts, shared=shared, batches=False), facts.notes
        )

    def _explorer(self, facts: ModelFacts, *, shared: bool, batches: bool) -> Explorer:
        """An explorer that has made its first run, if there is one that succeeds."""
        task = self._task
        # Rows that may share a batch are tried as such a batch.
        seen = replace(facts, rows_max=BATCH_MAX_LIMIT if batches else 0)
        config = complete_config(task.written, seen, batch_max_default=task.batch_max_default)
        runner = OnnxRunner(self._session, task.plan, config)
        explorer = Explorer(runner, config, facts, task, self._file, self._watchdog)
        # The configuration's samples are rows of a batch.
        given = samples.from_config(config, task.folder) if batches or not shared else []
        explorer.first_run(given)
        return explorer

    def _explored(
        self, facts: ModelFacts, explorer: Explorer | None, notes: tuple[str, ...]
    ) -> ModelFacts:
        """What runs of one row, or of a model without batches, show."""
        if explorer is None or not explorer.ran:
            failed = () if explorer is None else (explorer.failed,)
            facts = replace(facts, sizes=(), notes=(*notes, *failed))
            self._found(facts)
            return facts
        facts = replace(facts, sizes=(explorer.base,), values=explorer.values, notes=notes)
        self._found(facts)
        self._stage("running it with other inputs")
        explorer.widen_values()
        explorer.widen_sizes()
        facts = replace(facts, sizes=explorer.measured, values=explorer.values)
        self._found(facts)
        return facts

    def _judged(self, facts: ModelFacts, explorer: Explorer) -> ModelFacts:
        """What runs of batches show."""
        self._stage("trying whether its rows can share a batch")
        verdict = explorer.try_rows()
        facts = replace(facts, rows_max=verdict.rows_max, notes=self._notes(verdict))
        self._found(facts)
        return facts

    def _notes(self, verdict: Verdict) -> tuple[str, ...]:
        if verdict.rows_max:
            untried = f"its rows share batches, but there was no time to try {verdict.untried}"
            failed = f"its rows share batches of up to {verdict.rows_max}: {verdict.failed}"
            return (
                *((untried,) if verdict.untried else ()),
                *((failed,) if verdict.failed else ()),
            )
        if not is_described(self._task.written):
            return (_unbatched(verdict.reason),)
        size = self._task.written.config.max_batch_size
        how = (
            "but calls in one batch change each other's answers"
            if verdict.mixed
            else "and it is not shown that calls in one batch leave each other's answers alone"
        )
        return (f"max_batch_size is {size}, {how}: {verdict.reason}",)


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
