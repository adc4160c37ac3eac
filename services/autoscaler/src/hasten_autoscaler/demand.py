"""From counts that only grow to what came since they were read last."""

from dataclasses import dataclass, field
from math import inf
from typing import Final

from google.protobuf.message import DecodeError

from hasten.common.v1.demand_pb2 import BacklogState, DemandState, ModelDemand
from hasten_policy.autoscaler.events import BacklogTold, DemandTold, TellerLeft
from hasten_policy.autoscaler.events import ModelDemand as Demanded
from hasten_policy.scaling.backlog import QueuedWork
from hasten_policy.scaling.demand import WANTED_CAPACITY
from hasten_runtime import logs
from hasten_runtime.telling import KEPT_S, TELL_S

WANTED: Final = frozenset(reason.name for reason in WANTED_CAPACITY)
FIRST_S_MAX: Final = 10.0
"""All counts of a process that is younger are news, when it is seen for the first time."""
SLACK_KEPT: Final = 0.9
"""Of what was known of a model's deadlines, after another look."""

_log = logs.logger(__name__)


@dataclass(frozen=True, slots=True)
class _Counts:
    """Of one model and class, since the process began."""

    calls: int = 0
    rows: int = 0
    wanted: int = 0
    unwanted: int = 0
    late: int = 0
    with_deadline: int = 0
    slack_s: float = 0.0


@dataclass(slots=True)
class _Process:
    """What one process told last."""

    incarnation: str
    age_s: float
    heard_s: float = 0.0
    counts: dict[tuple[str, int], _Counts] = field(default_factory=dict[tuple[str, int], _Counts])


class DemandReader:
    """Turns what routers and schedulers tell into events.

    Attributes:
        slack_s: Model to the time that its calls typically have until their deadlines.
    """

    def __init__(self) -> None:
        self.slack_s: dict[str, float] = {}
        self._of: dict[str, _Process] = {}

    def read(self, told: dict[str, bytes], now_s: float) -> list[DemandTold | TellerLeft]:
        """What came since this was asked before, and who left; nothing of who has not told since.

        What somebody told stays for `KEPT_S` when he dies. Where it is gone sooner, he took it
        back: he left in order.
        """
        found: list[DemandTold | TellerLeft] = []
        for gone in self._of.keys() - told.keys():
            process = self._of.pop(gone)
            if now_s - process.heard_s < KEPT_S - TELL_S:
                found.append(TellerLeft(gone))
        for teller_id, value in told.items():
            try:
                state = DemandState.FromString(value)
            except DecodeError as error:
                _log.warning("demand.unreadable", teller=teller_id, reason=str(error))
                continue
            event = self._one(teller_id, state, now_s)
            if event is not None:
                found.append(event)
        return found

    def _one(self, teller_id: str, state: DemandState, now_s: float) -> DemandTold | None:
        before = self._of.get(teller_id)
        if before is None or before.incarnation != state.incarnation:
            fresh = before is not None or state.age_s <= FIRST_S_MAX
            before = _Process(state.incarnation, 0.0 if fresh else state.age_s, now_s)
            self._of[teller_id] = before
            if not fresh:
                before.counts = {(row.model, row.priority): _counts(row) for row in state.models}
                return None
        span_s = state.age_s - before.age_s
        if span_s <= 0.0:
            return None
        models = [self._news(before, row) for row in state.models]
        before.age_s, before.heard_s = state.age_s, now_s
        return DemandTold(teller_id, span_s, tuple(models), state.waiting)

    def _news(self, before: _Process, row: ModelDemand) -> Demanded:
        key = (row.model, row.priority)
        known, now = before.counts.get(key, _Counts()), _counts(row)
        before.counts[key] = now
        # Who was refused for another reason asked for no worker.
        unwanted = max(0, now.unwanted - known.unwanted)
        calls = max(0, now.calls - known.calls)
        share = max(0.0, (calls - unwanted) / calls) if calls else 1.0
        self._deadlines(row.model, now, known)
        return Demanded(
            row.model,
            row.priority,
            max(0, calls - unwanted),
            round(max(0, now.rows - known.rows) * share),
            max(0, now.wanted - known.wanted),
            max(0, now.late - known.late),
        )

    def _deadlines(self, model: str, now: _Counts, known: _Counts) -> None:
        calls = now.with_deadline - known.with_deadline
        if calls <= 0:
            return
        slack_s = max(0.0, now.slack_s - known.slack_s) / calls
        before_s = self.slack_s.get(model)
        kept = 0.0 if before_s is None else SLACK_KEPT
        self.slack_s[model] = kept * (before_s or 0.0) + (1.0 - kept) * slack_s


def _counts(row: ModelDemand) -> _Counts:
    wanted = sum(each.calls for each in row.refused if each.reason in WANTED)
    refused = sum(each.calls for each in row.refused)
    return _Counts(
        row.calls, row.rows, wanted, refused - wanted, row.late, row.with_deadline, row.slack_s
    )


def read_backlog(told: dict[str, bytes]) -> list[BacklogTold]:
    """What schedulers say that waits with them."""
    found: list[BacklogTold] = []
    for teller_id, value in told.items():
        try:
            state = BacklogState.FromString(value)
        except DecodeError as error:
            _log.warning("backlog.unreadable", teller=teller_id, reason=str(error))
            continue
        work = tuple(
            QueuedWork(
                each.model,
                each.priority,
                each.tasks,
                each.rows,
                each.work_s,
                each.start_in_s,
                each.left_s if each.HasField("left_s") else inf,
            )
            for each in state.work
        )
        found.append(BacklogTold(teller_id, work))
    return found
