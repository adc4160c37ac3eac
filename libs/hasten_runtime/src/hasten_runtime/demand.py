"""What a process was asked for, counted by model and class, for whoever scales the workers.

Counts only grow, so that a reader may miss any number of messages and still know what came.
"""

import secrets
from collections.abc import Iterable
from dataclasses import dataclass, field
from typing import Final

from hasten.common.v1.demand_pb2 import DemandState, ModelDemand, RefusedCalls
from hasten_policy.reasons import Reason
from hasten_runtime.clock import Clock

ROWS_MAX: Final = 256
"""Pairs of model and class with counts of their own. Clients make up names of models: what is
beyond counts for the empty name.
"""
SERVICE_KEPT: Final = 0.99
"""Of a model's seconds a row after another answer: about the last hundred count."""


@dataclass(frozen=True, slots=True)
class Ended:
    """A call that has ended.

    Attributes:
        model: What it asked for; "" where that is not known.
        priority: Its class.
        rows: It brought.
        slack_s: It had until its deadline when it came; None for no deadline.
        admitted: It was taken.
        refused: Why it was not answered; None for an answer.
        late: It was answered after its deadline.
        service_s: Busy seconds of a worker that it was charged with.
    """

    model: str
    priority: int
    rows: int = 1
    slack_s: float | None = None
    admitted: bool = False
    refused: Reason | None = None
    late: bool = False
    service_s: float = 0.0


@dataclass(slots=True)
class _Row:
    """Counts of one model and class."""

    calls: int = 0
    rows: int = 0
    admitted: int = 0
    in_time: int = 0
    late: int = 0
    with_deadline: int = 0
    slack_s: float = 0.0
    refused: dict[Reason, int] = field(default_factory=dict[Reason, int])


class DemandTally:
    """Counts the calls of one process.

    Args:
        teller_id: Name of the process.
        clock: Of the process.
    """

    def __init__(self, teller_id: str, clock: Clock) -> None:
        self._teller_id = teller_id
        self._clock = clock
        self._incarnation = secrets.token_hex(8)
        self._began_s = clock.now_s()
        self._of: dict[tuple[str, int], _Row] = {}
        self._row_s: dict[str, float] = {}

    def refused(self, model: str, priority: int, reason: Reason, calls: int) -> None:
        """Counts calls that were refused without being looked at one by one: a row each."""
        row = self._row(model, priority)
        row.calls += calls
        row.rows += calls
        row.refused[reason] = row.refused.get(reason, 0) + calls

    def ended(self, call: Ended) -> None:
        """Counts one call. On the hot path, but told when its caller has been answered."""
        row = self._row(call.model, call.priority)
        row.calls += 1
        row.rows += call.rows
        row.admitted += call.admitted
        if call.slack_s is not None:
            row.with_deadline += 1
            row.slack_s += call.slack_s
        if call.refused is None:
            row.in_time += not call.late
            row.late += call.late
            self._served(call)
        elif call.refused is Reason.DEADLINE_PASSED:
            row.late += 1
        else:
            row.refused[call.refused] = row.refused.get(call.refused, 0) + 1

    def _served(self, call: Ended) -> None:
        if call.service_s > 0.0 and call.rows > 0:
            of_row_s = call.service_s / call.rows
            before_s = self._row_s.get(call.model)
            if before_s is None and len(self._row_s) >= ROWS_MAX:
                return
            kept = 0.0 if before_s is None else SERVICE_KEPT
            self._row_s[call.model] = kept * (before_s or 0.0) + (1.0 - kept) * of_row_s

    def _row(self, model: str, priority: int) -> _Row:
        key = (model, priority)
        found = self._of.get(key)
        if found is None:
            if len(self._of) >= ROWS_MAX:
                key = ("", priority)
            found = self._of.setdefault(key, _Row())
        return found

    def state(self, open_calls: Iterable[tuple[str, int, int]] = (), waiting: int = 0) -> bytes:
        """Everything so far, a serialised DemandState.

        Args:
            open_calls: Model, class and rows of the calls that have not ended: they have arrived,
                and count as such.
            waiting: Calls that were given to no worker yet.
        """
        came: dict[tuple[str, int], list[int]] = {}
        for model, priority, rows in open_calls:
            known = (model, priority) in self._of or len(self._of) + len(came) < ROWS_MAX
            counts = came.setdefault((model if known else "", priority), [0, 0])
            counts[0] += 1
            counts[1] += rows
        return DemandState(
            teller_id=self._teller_id,
            incarnation=self._incarnation,
            age_s=self._clock.now_s() - self._began_s,
            waiting=waiting,
            models=[
                self._to_wire(key, self._of.get(key, _Row()), *came.get(key, (0, 0)))
                for key in {**self._of, **came}
            ],
        ).SerializeToString()

    def _to_wire(self, key: tuple[str, int], row: _Row, calls: int, rows: int) -> ModelDemand:
        model, priority = key
        return ModelDemand(
            model=model,
            priority=priority,
            calls=row.calls + calls,
            rows=row.rows + rows,
            admitted=row.admitted,
            in_time=row.in_time,
            late=row.late,
            refused=[
                RefusedCalls(reason=reason.name, calls=count)
                for reason, count in row.refused.items()
            ],
            service_s=(row.rows + rows) * self._row_s.get(model, 0.0),
            with_deadline=row.with_deadline,
            slack_s=row.slack_s,
        )
