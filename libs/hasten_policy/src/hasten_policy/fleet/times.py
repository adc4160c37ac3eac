"""How long the batches of a model take on one worker, as the worker says."""

from dataclasses import dataclass, field
from typing import Final

from hasten_policy.load import ModelLoad

MOVED: Final = 1.3
"""A model that takes so many times as long as before, or as little, is another one."""
MIXED: Final = 0.5
"""A model whose calls differ in shape more often than this is planned call by call."""


@dataclass(slots=True, eq=False, repr=False)
class ModelTimes:
    """The newest figures of one ready model version on one worker.

    Attributes:
        alpha_s: A batch of b rows of the usual size takes alpha_s + beta_s * b seconds.
        beta_s: See alpha_s.
        gamma_s: Seconds that an element more than usual adds, for each row.
        size: Usual elements per row; 0 when not known.
        work_max: Elements beyond which nothing is known of the time; 0 for no limit.
        best_s: Typical seconds of the least call.
        batch_max: Most rows in a batch.
        target_rows: Rows of the largest batch that the worker forms of rows of usual size.
        target_s: Typical seconds of the largest batch that it forms; 0 for no limit.
        batch_rows: Rows of its batches of late, at least one.
        rows_mean: Rows per call of late, at least one.
        mixed: Its calls differ in shape, so that few share a batch.
        full_cost_s: Seconds of one row in a batch of target_rows.
    """

    alpha_s: float = field(init=False)
    beta_s: float = field(init=False)
    gamma_s: float = field(init=False)
    size: float = field(init=False)
    work_max: float = field(init=False)
    best_s: float = field(init=False)
    batch_max: int = field(init=False)
    target_rows: int = field(init=False)
    target_s: float = field(init=False)
    batch_rows: int = field(init=False)
    rows_mean: float = field(init=False)
    mixed: bool = field(init=False)
    full_cost_s: float = field(init=False)
    _known: tuple[float, float] = field(init=False, default=(0.0, 0.0))

    def take(self, load: ModelLoad) -> bool:
        """Takes the worker's newest figures over.

        Returns:
            The model takes another time there than it did: what was learned from calls that were
            admitted by the former one says little.
        """
        self.alpha_s = load.alpha_s
        self.beta_s = load.beta_s
        self.gamma_s = load.gamma_s
        self.size = load.size
        self.work_max = load.work_max
        self.best_s = load.best_s
        self.batch_max = load.batch_max if load.batch_max > 0 else 1
        self.target_rows = min(load.target_rows or self.batch_max, self.batch_max)
        self.target_s = load.target_s
        self.batch_rows = max(1, int(load.batch_rows))
        self.rows_mean = max(1.0, load.rows_mean)
        self.mixed = load.unlike > MIXED
        self.full_cost_s = self.alpha_s / self.target_rows + self.beta_s
        known_s, known_size = self._known
        now_s = self.batch_s(1, known_size)
        if known_s and 1.0 / MOVED < now_s / known_s < MOVED:
            return False
        self._known = (self.batch_s(1), self.size)
        return known_s > 0.0

    def batch_s(self, rows: int, size: float = 0.0) -> float:
        """Typical seconds of a batch of `rows`, at most batch_max of them.

        Args:
            rows: Rows.
            size: Elements per row; 0 for the usual size.
        """
        row_s = self.beta_s
        rows = min(self.batch_max, rows)
        if size and self.gamma_s and self.size:
            known = min(size, self.work_max / rows) if self.work_max else size
            row_s += self.gamma_s * (known - self.size)
        seconds = self.alpha_s + row_s * rows
        return max(self.best_s, seconds)

    def target_of(self, size: float) -> int:
        """Rows of the largest batch that the worker forms of rows of this size."""
        if not size or not self.gamma_s or not self.size or not self.target_s:
            return self.target_rows
        row_s = self.beta_s + self.gamma_s * (size - self.size)
        if row_s <= 0.0:
            return self.batch_max
        return max(1, min(self.batch_max, int((self.target_s - self.alpha_s) / row_s)))

    def rows_of(self, calls: int) -> int:
        """Rows that so many calls bring, as a rule."""
        return int(calls * self.rows_mean + 0.5) if self.rows_mean > 1.0 else calls

    def plan_s(self, rows: int) -> float:
        """Typical seconds of `rows` rows on one lane, in batches as full as they are formed."""
        target = self.target_rows
        full, rest = divmod(rows, target)
        plan_s = full * (self.alpha_s + self.beta_s * target)
        return plan_s + (self.alpha_s + self.beta_s * rest if rest else 0.0)

    def grown_s(self, rows: int) -> float:
        """As `plan_s` of waiting rows by the time they run: others join the last batch until it is
        as large as batches have been of late; and what comes after a full one is taken to be full.
        """
        target = self.target_rows
        full, rest = divmod(rows, target)
        plan_s = full * (self.alpha_s + self.beta_s * target)
        if rest:
            grown = target if full else min(target, max(rest, self.batch_rows))
            plan_s += self.alpha_s + self.beta_s * max(rest, grown)
        return plan_s

    def rows_there(self, rows: int) -> int:
        """Rows that a call of `rows` brings to a batch: one where the model does not batch."""
        return rows if self.batch_max > 1 else 1

    def size_there(self, rows: int, elements: int) -> float:
        """Elements per row of a call of `rows` and `elements`; 0 when not known."""
        return elements / rows if self.batch_max > 1 else elements

    def call_s(self, rows: int, elements: int) -> float:
        """Typical seconds of a batch of nothing but a call of `rows` and `elements`."""
        return self.batch_s(self.rows_there(rows), self.size_there(rows, elements))
