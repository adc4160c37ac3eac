"""Schedules: what a caller wants, and what a scheduler says of them."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from types import MappingProxyType
from typing import Final

from hasten.scheduler.v1 import schedule_service_pb2 as pb
from hasten_client.errors import InvalidArgument
from hasten_client.request import InferRequest, check_deadline, message

_EPOCH: Final = datetime(1970, 1, 1, tzinfo=UTC)
_CATCH_UP: Final = {"skip": pb.CATCH_UP_SKIP, "one": pb.CATCH_UP_ONE, "all": pb.CATCH_UP_ALL}
_OVERLAP: Final = {
    "skip": pb.OVERLAP_SKIP,
    "allow": pb.OVERLAP_ALLOW,
    "wait": pb.OVERLAP_WAIT,
    "cancel_previous": pb.OVERLAP_CANCEL_PREVIOUS,
}
_CATCH_UP_NAMES: Final = {value: name for name, value in _CATCH_UP.items()}
_OVERLAP_NAMES: Final = {value: name for name, value in _OVERLAP.items()}


@dataclass(frozen=True, slots=True)
class Rhythm:
    """When a schedule runs, and by which rules.

    Attributes:
        cron: Five fields, minute hour day month weekday, or @hourly and the like; "" for a period.
        period_s: Seconds between two runs; None with cron.
        phase_s: With a period: one run is so many seconds after 1970-01-01T00:00Z.
        time_zone: With cron: of the IANA database, as "Europe/Berlin"; "" for UTC.
        catch_up: What becomes of times that were missed: "skip", "one" or "all".
        overlap: What becomes of a time at which the run before goes on: "skip", "allow", "wait" or
            "cancel_previous".
        deadline_s: A run must have ended so many seconds after its time; None for never.
        hard: A part of a worker is reserved for it; needs a deadline of at most the least time
            between two runs.
        run_s: With hard: a run takes so many seconds at most; None for what is measured.
    """

    cron: str = ""
    period_s: float | None = None
    phase_s: float = 0.0
    time_zone: str = ""
    catch_up: str = "skip"
    overlap: str = "skip"
    deadline_s: float | None = None
    hard: bool = False
    run_s: float | None = None


@dataclass(frozen=True, slots=True)
class RunOptions:
    """What each run is, beside its request.

    Attributes:
        priority_class: Its class, 0 (most urgent) to 3; None for that of the request.
        keep_s: Seconds for which its outcome is kept; None for the scheduler's setting.
        attempts_max: Most attempts that count; None for the scheduler's setting.
        labels: What to find it by.
    """

    priority_class: int | None = None
    keep_s: float | None = None
    attempts_max: int | None = None
    labels: Mapping[str, str] = field(default_factory=lambda: MappingProxyType({}))


@dataclass(frozen=True, slots=True)
class Schedule:
    """A schedule as the scheduler had it when it was asked.

    Attributes:
        name: Its name among its tenant's schedules.
        tenant: Who pays; "" for the default tenant.
        state: active or paused.
        model: Model name, or "name/version".
        rhythm: When it runs.
        runs: What its runs are.
        next_at: Its next time; None while it is paused.
        age_s: Seconds since it was created.
        started: Runs that were made.
        done: Of those: have an answer.
        failed: Of those: ended without one.
        cancelled: Of those: were cancelled.
        missed: Times left out, as nobody came to them in time.
        overlapped: Times left out, as the run before had not ended.
        open_ids: Request ids of runs that have not ended; some wait for their time.
        held: Times that wait for the run before.
    """

    name: str
    tenant: str
    state: str
    model: str
    rhythm: Rhythm
    runs: RunOptions
    next_at: datetime | None
    age_s: float
    started: int
    done: int
    failed: int
    cancelled: int
    missed: int
    overlapped: int
    open_ids: tuple[str, ...] = ()
    held: tuple[datetime, ...] = ()


@dataclass(frozen=True, slots=True)
class Created:
    """A schedule that is stored.

    Attributes:
        schedule: The schedule.
        repeated: It had been created before, with the same content.
    """

    schedule: Schedule
    repeated: bool


@dataclass(frozen=True, slots=True)
class NextRun:
    """A time to come.

    Attributes:
        name: Of the schedule.
        tenant: Of the schedule.
        at: The time.
        in_s: Seconds from now.
        model: As in Schedule.
        hard: It has a reservation.
    """

    name: str
    tenant: str
    at: datetime
    in_s: float
    model: str
    hard: bool


@dataclass(frozen=True, slots=True)
class SchedulePage:
    """Some schedules, and the token of the next page; "" when this is the last."""

    schedules: tuple[Schedule, ...]
    next_page_token: str


def spec(request: InferRequest | None, rhythm: Rhythm, runs: RunOptions) -> pb.ScheduleSpec:
    """A schedule as it travels; without a request where that stays. Raises InvalidArgument."""
    if rhythm.catch_up not in _CATCH_UP:
        raise InvalidArgument(f"catch_up must be one of {', '.join(_CATCH_UP)}")
    if rhythm.overlap not in _OVERLAP:
        raise InvalidArgument(f"overlap must be one of {', '.join(_OVERLAP)}")
    if bool(rhythm.cron) == (rhythm.period_s is not None):
        raise InvalidArgument("cron or period_s must be given, and not both")
    wire = pb.ScheduleSpec(
        request=b"" if request is None else message(request).SerializeToString(),
        phase_us=round(rhythm.phase_s * 1e6),
        time_zone=rhythm.time_zone,
        catch_up=_CATCH_UP[rhythm.catch_up],
        overlap=_OVERLAP[rhythm.overlap],
        deadline_us=_us(rhythm.deadline_s),
        hard=rhythm.hard,
        run_us=_us(rhythm.run_s),
        priority=runs.priority_class,
        keep_us=_us(runs.keep_s),
        attempts_max=runs.attempts_max or 0,
        labels=runs.labels,
    )
    if rhythm.cron:
        wire.cron = rhythm.cron
    else:
        wire.period_us = _us(rhythm.period_s)
    return wire


def schedule(wire: pb.Schedule) -> Schedule:
    """A schedule."""
    counts = wire.counts
    return Schedule(
        name=wire.name.name,
        tenant=wire.name.tenant,
        state="paused" if wire.state == pb.SCHEDULE_STATE_PAUSED else "active",
        model=wire.model,
        rhythm=_rhythm(wire.spec),
        runs=RunOptions(
            priority_class=wire.spec.priority if wire.spec.HasField("priority") else None,
            keep_s=_s(wire.spec.keep_us),
            attempts_max=wire.spec.attempts_max or None,
            labels=dict(wire.spec.labels),
        ),
        next_at=time_at(wire.next_us) if wire.next_us else None,
        age_s=wire.age_us / 1e6,
        started=counts.started,
        done=counts.done,
        failed=counts.failed,
        cancelled=counts.cancelled,
        missed=counts.missed,
        overlapped=counts.overlapped,
        open_ids=tuple(wire.open_ids),
        held=tuple(map(time_at, wire.held_us)),
    )


def created(wire: pb.CreateScheduleResponse) -> Created:
    """A schedule that is stored."""
    return Created(schedule(wire.schedule), wire.repeated)


def next_runs(wire: pb.NextRunsResponse) -> tuple[NextRun, ...]:
    """Times to come."""
    return tuple(
        NextRun(
            name=run.name.name,
            tenant=run.name.tenant,
            at=time_at(run.at_us),
            in_s=run.in_us / 1e6,
            model=run.model,
            hard=run.hard,
        )
        for run in wire.runs
    )


def page(wire: pb.ListSchedulesResponse) -> SchedulePage:
    """A page."""
    return SchedulePage(tuple(map(schedule, wire.schedules)), wire.next_page_token)


def time_at(at_us: int) -> datetime:
    """A time as Python has it."""
    return _EPOCH + timedelta(microseconds=at_us)


def time_us(at: datetime) -> int:
    """A time as it travels. Raises InvalidArgument for one without a time zone."""
    if at.tzinfo is None:
        raise InvalidArgument("a time must have a time zone")
    return (at - _EPOCH) // timedelta(microseconds=1)


def _rhythm(wire: pb.ScheduleSpec) -> Rhythm:
    by_period = wire.WhichOneof("rhythm") == "period_us"
    return Rhythm(
        cron=wire.cron,
        period_s=wire.period_us / 1e6 if by_period else None,
        phase_s=wire.phase_us / 1e6,
        time_zone=wire.time_zone,
        catch_up=next(
            (name for name, value in _CATCH_UP.items() if value == wire.catch_up), "skip"
        ),
        overlap=next((name for name, value in _OVERLAP.items() if value == wire.overlap), "skip"),
        deadline_s=_s(wire.deadline_us),
        hard=wire.hard,
        run_s=_s(wire.run_us),
    )


def _us(seconds: float | None) -> int:
    checked = check_deadline(seconds)
    return 0 if checked is None else max(1, round(checked * 1e6))


def _s(micros: int) -> float | None:
    return micros / 1e6 if micros else None
