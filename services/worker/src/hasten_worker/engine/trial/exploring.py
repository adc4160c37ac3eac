"""What inputs a model runs with: sizes and elements, found by running it."""

import re
from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Final

from hasten.inference.v2.model_config_pb2 import ModelConfig
from hasten_worker.engine.config.spec import batch_buckets
from hasten_worker.engine.facts import ModelFacts, Sizes, Values
from hasten_worker.engine.files.model_file import FileFacts
from hasten_worker.engine.onnx.runner import OnnxRun, OnnxRunner
from hasten_worker.engine.onnx.session import TENSORRT
from hasten_worker.engine.onnx.watchdog import Watchdog
from hasten_worker.engine.refusal import ModelRefused
from hasten_worker.engine.trial.budget import Budget
from hasten_worker.engine.trial.free_sizes import Frame, elements, frames, free_names
from hasten_worker.engine.trial.generated import KINDS, SMALLEST_LIMIT, Generator, filled, largest
from hasten_worker.engine.trial.row_trial import RowTrial, Verdict
from hasten_worker.engine.trial.same_rows import is_number
from hasten_worker.engine.trial.samples import Sample, one_row
from hasten_worker.engine.trial.size_search import search, widen
from hasten_worker.engine.trial.task import Task
from hasten_worker.model import Array, ModelError

ELEMENTS_MAX: Final = 2**23
"""Of the inputs of one row that is made up: larger ones are left to real calls."""
LIMITS: Final = (4, 8, 16, 64, 256)
"""Whole numbers are tried below these, one after the other: most are numbers of a table's rows,
and a table may be short."""
ROWS_TRIED_MAX: Final = 256
LEARNS: Final = (
    "its times are learnt from real calls; for a warm start give a sample in model_warmup"
)
FAILED_SHARE: Final = 0.34
"""Of the kinds of rows, may fail: zeros, say, are outside of what some models take."""
_OUT_OF_MEMORY: Final = re.compile("bad_alloc|[Ff]ailed to allocate memory")
FILLS: Final = (1, 0)
"""Ones before zeros: some models divide by an input, and some divisions of whole numbers end the
process."""


class Explorer:
    """Runs one model with inputs that are made up.

    Args:
        runner: Of the model.
        config: Completed.
        facts: What is known of it.
        task: What was asked.
        file: What its file says.
        watchdog: Running.

    Attributes:
        base: Sizes of the first run that succeeded.
        measured: Sizes that it runs with, `base` first, then by elements.
        values: Elements that it takes.
        ran: A run succeeded.
        failed: A sentence on the runs if none succeeded.
        error: What the last run that failed said.
        batches: Its inputs have a batch dimension.
        rows_max: Rows that its batches may have; 0 without batches.
    """

    def __init__(
        self,
        runner: OnnxRunner,
        config: ModelConfig,
        facts: ModelFacts,
        task: Task,
        file: FileFacts,
        watchdog: Watchdog,
    ) -> None:
        self._runner = runner
        self._file = file
        self._task = task
        self._watchdog = watchdog
        self._frames = frames(config, facts.inputs)
        self._names = free_names(self._frames)
        self._others: list[Sizes] = []
        self._sample: Mapping[str, Array] | None = None
        self._answer: Mapping[str, Array] = {}
        self.error = ""
        self._run_s_max = task.run_s_max
        self._is_first = True
        self.rows_max = config.max_batch_size
        self.batches = config.max_batch_size > 0
        self.base: Sizes = {}
        self.measured: tuple[Sizes, ...] = ()
        self.values = Values(words=file.words)
        self.ran = False
        self.failed = ""

    def first_run(self, given: Sequence[Sample]) -> None:
        """Runs the configuration's samples, else inputs of searched sizes.

        Raises:
            ModelRefused: A sample failed, or even the smallest input takes too long.
        """
        for sample in given:
            what = f"warm-up sample {sample.name!r}"
            try:
                self._run([sample.inputs], sample.rows)
            except ModelError as error:
                if error.terminated:
                    raise ModelRefused(self._too_long(what)) from None
                raise ModelRefused(f"{what} failed: {error}") from None
        if given:
            self._take_sample(given[0])
            return
        budget = Budget(self._task.search_s)
        base, count = search(self._names, self._fits, self._file.hints, budget)
        if base is not None:
            self.base, self.measured, self.ran = base, (base,), True
            return
        sizes = f" with {count} sets of sizes" if self._names else ""
        self.failed = f"no run of generated inputs{sizes} succeeded ({self.error}): {LEARNS}"

    def ranks(self) -> dict[str, int]:
        """Number of dimensions of each output in a run of the first sizes."""
        (answer,) = self._run([self._generator().constant(self.base)], 1)
        return {name: array.ndim for name, array in answer.items()}

    def widen_values(self) -> None:
        """Finds out which inputs take any elements, and how large whole numbers may be."""
        constant, budget = self.values, Budget(self._task.search_s)
        self._widen_limits(budget)
        if len(self.values.limits) < len(self._frames) and budget.left():
            # Lengths and divisors may be anything but zero.
            with_zeros, self.values = self.values, replace(constant, least=1)
            self._widen_limits(budget)
            if len(self.values.limits) <= len(with_zeros.limits):
                self.values = with_zeros

    def _widen_limits(self, budget: Budget) -> None:
        whole: list[Frame] = []
        for frame in self._frames:
            limits = {**self.values.limits, frame.plan.name: SMALLEST_LIMIT}
            if self._takes(limits, budget) and frame.element.dtype.kind in "iu":
                whole.append(frame)
        for frame in whole:
            for limit in LIMITS:
                limits = {**self.values.limits, frame.plan.name: limit}
                reached = budget.left() and self._reaches(frame, limit - 1)
                if not (reached and self._takes(limits, budget)):
                    break

    def widen_sizes(self) -> None:
        """Finds more sizes that it runs with."""
        if not self.base or self._compiled():
            return
        self._run_s_max = min(self._task.run_s_max, self._task.search_s)
        measured, self._others = widen(self.base, self._runs, Budget(self._task.search_s))
        rest = sorted(measured[1:], key=self._elements)
        self.measured = (self.base, *rest)

    def try_rows(self) -> Verdict:
        """Tries whether rows are answered each by itself."""
        by_work = sorted((*self.measured, *self._others), key=self._elements)
        # Of one word or one pixel there is nothing to mix: such sizes come last.
        by_work.sort(key=lambda sizes: any(size == 1 for size in sizes.values()))
        rows_max = min(self.rows_max, ROWS_TRIED_MAX)
        budget = Budget(self._task.rows_s)
        run = self._run_padded if self._compiled() else self._run
        return RowTrial(run, self._generator(), by_work, rows_max, budget).verdict()

    # --- one run ----------------------------------------------------------------------

    def _fits(self, sizes: Sizes) -> bool:
        """One of the constant inputs of these sizes runs; keeps which."""
        for fill in FILLS:
            self.values = replace(self.values, fill=fill)
            if self._runs(sizes):
                return True
        return False

    def _reaches(self, frame: Frame, number: int) -> bool:
        """A row runs in which all whole numbers of this input are `number`."""
        if number > largest(frame.element):
            return False
        row = self._generator().row(self.base, 0)
        shape = row[frame.plan.name].shape
        row[frame.plan.name] = filled(frame.element, shape, number)
        # A mask of more than one makes NaN of most answers, which show nothing.
        return self._succeeds(row) and all(map(is_number, self._answer.values()))

    def _takes(self, limits: Mapping[str, int], budget: Budget) -> bool:
        """Most rows of noise within these limits run; keeps them if they do."""
        before, self.values = self.values, replace(self.values, limits=limits)
        generator = self._generator()
        went: list[bool] = []
        for number in range(KINDS):
            if number > 1 and not budget.left():
                break
            went.append(self._succeeds(generator.row(self.base, number)))
        if went.count(False) <= len(went) * FAILED_SHARE:
            return True
        self.values = before
        return False

    def _runs(self, sizes: Sizes) -> bool:
        if self._elements(sizes) > ELEMENTS_MAX:
            return False
        generator = self._generator()
        limited = bool(self.values.limits)
        return self._succeeds(generator.row(sizes, 0) if limited else generator.constant(sizes))

    def _succeeds(self, member: Mapping[str, Array]) -> bool:
        first, self._is_first = self._is_first, False
        try:
            (self._answer,) = self._run([member], 1)
        except ModelError as error:
            # Another input will make it neither faster nor smaller.
            if first and error.terminated:
                raise ModelRefused(self._too_long("a run of generated inputs")) from None
            if first and _OUT_OF_MEMORY.search(str(error)):
                raise ModelRefused(f"a run of generated inputs failed: {error}") from None
            self.error = str(error)
            return False
        return True

    def _run(self, members: Sequence[Mapping[str, Array]], rows: int) -> list[dict[str, Array]]:
        run = OnnxRun(self._runner)
        self._watchdog.guard(run, self._run_s_max)
        try:
            return run.execute(members, rows)
        finally:
            self._watchdog.ended()

    def _run_padded(
        self, members: Sequence[Mapping[str, Array]], rows: int
    ) -> list[dict[str, Array]]:
        """As real batches are run where each size needs an engine of its own."""
        sizes = (size for size in batch_buckets(self.rows_max) if size >= rows)
        return self._run(members, next(sizes, rows))

    # --- helpers ----------------------------------------------------------------------

    def _take_sample(self, sample: Sample) -> None:
        """The sample's sizes are the first ones, and its elements are taken where noise is not."""
        row = one_row(sample, batches=self.batches)
        cut = 1 if self.batches else 0
        sizes: dict[str, int] = {}
        for frame in self._frames:
            sizes.update(frame.sizes_of(row[frame.plan.name].shape[cut:]))
        self._sample = row
        self.base, self.measured, self.ran = sizes, (sizes,), True

    def _generator(self) -> Generator:
        return Generator(self._frames, self.values, batches=self.batches, sample=self._sample)

    def _elements(self, sizes: Sizes) -> int:
        return elements(self._frames, sizes)

    def _compiled(self) -> bool:
        # TensorRT builds an engine for each new shape, which takes seconds to minutes.
        return any(name == TENSORRT for name, _ in self._task.plan.providers)

    def _too_long(self, what: str) -> str:
        return f"{what} did not end within {self._task.run_s_max:g} s"
