"""What `hasten schedule` does."""

from collections.abc import Sequence
from dataclasses import asdict, dataclass
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

from hasten_cli.calls import ANSWER_S_MAX, client, schedule_client
from hasten_cli.durations import format_duration
from hasten_cli.failures import USAGE, CommandError
from hasten_cli.output import print_json, print_table

if TYPE_CHECKING:
    from hasten_client import InferRequest, Rhythm, RunOptions, Schedule

PAGE = 500


@dataclass(frozen=True, slots=True)
class Request:
    """What each run infers; see `hasten schedule create --help`."""

    model: str
    version: str
    inputs: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Wanted:
    """When a schedule runs, and how; see `hasten schedule create --help`."""

    cron: str
    every_s: float | None
    phase_s: float
    zone: str
    catch_up: str
    overlap: str
    deadline_s: float | None
    hard: bool
    run_s: float | None
    priority_class: int | None
    keep_s: float | None
    attempts_max: int | None
    labels: tuple[str, ...]

    def rhythm(self) -> "Rhythm":
        """For the client. Raises CommandError."""
        from hasten_client import Rhythm

        if bool(self.cron) == (self.every_s is not None):
            raise CommandError(
                "a schedule has either --cron or --every",
                next_step="as --every 200ms, or --cron '0 * * * *'",
                code=USAGE,
            )
        return Rhythm(
            cron=self.cron,
            period_s=self.every_s,
            phase_s=self.phase_s,
            time_zone=self.zone,
            catch_up=self.catch_up,
            overlap=self.overlap,
            deadline_s=self.deadline_s,
            hard=self.hard,
            run_s=self.run_s,
        )

    def runs(self) -> "RunOptions":
        """For the client."""
        from hasten_client import RunOptions

        return RunOptions(
            priority_class=self.priority_class,
            keep_s=self.keep_s,
            attempts_max=self.attempts_max,
            labels=dict(label.partition("=")[::2] for label in self.labels),
        )


def create(
    address: str, name: str, tenant: str, what: Request, wanted: Wanted, *, as_json: bool
) -> None:
    """Creates a schedule and prints it. Raises CommandError."""
    rhythm = wanted.rhythm()
    request = _request(address, tenant, what)
    with schedule_client(address) as scheduler:
        created = scheduler.create(
            name, request, rhythm, runs=wanted.runs(), deadline_s=ANSWER_S_MAX
        )
    if as_json:
        print_json({"repeated": created.repeated, "schedule": schedule_as_json(created.schedule)})
        return
    print(f"{name} {'was there already' if created.repeated else 'is scheduled'}")
    _print_schedule(created.schedule)


def _request(address: str, tenant: str, what: Request) -> "InferRequest":
    from hasten_cli.values import read_inputs
    from hasten_client import InferRequest

    with client(address) as mesh:
        metadata = mesh.metadata(what.model, what.version, deadline_s=ANSWER_S_MAX)
        inputs = read_inputs(what.inputs, metadata, address=address)
    # A fixed id: the same schedule has the same content.
    return InferRequest(
        model=what.model, inputs=inputs, version=what.version, tenant=tenant, request_id="run"
    )


def update(address: str, name: str, tenant: str, wanted: Wanted, *, as_json: bool) -> None:
    """Makes a schedule another one and prints it. Raises CommandError."""
    rhythm = wanted.rhythm()
    with schedule_client(address) as scheduler:
        changed = scheduler.update(
            name, rhythm, tenant=tenant, runs=wanted.runs(), deadline_s=ANSWER_S_MAX
        )
    _show(changed, as_json=as_json)


def get(address: str, name: str, tenant: str, *, as_json: bool) -> None:
    """Prints a schedule."""
    with schedule_client(address) as scheduler:
        found = scheduler.get(name, tenant=tenant, deadline_s=ANSWER_S_MAX)
    _show(found, as_json=as_json)


def list_schedules(
    address: str, tenant: str | None, most: int, *, hard: bool, as_json: bool
) -> None:
    """Prints schedules."""
    found: list[Schedule] = []
    token = ""
    with schedule_client(address) as scheduler:
        while len(found) < most:
            page = scheduler.page(
                tenant=tenant,
                hard=hard,
                page_size=min(PAGE, most - len(found)),
                page_token=token,
                deadline_s=ANSWER_S_MAX,
            )
            found += page.schedules
            token = page.next_page_token
            if not token:
                break
    if as_json:
        print_json({"schedules": [schedule_as_json(each) for each in found]})
        return
    print_table(
        ("schedule", "tenant", "model", "when", "state", "done>", "failed>", "missed>", "next"),
        [_row(each) for each in found],
        empty="no schedules",
    )


def _row(each: "Schedule") -> Sequence[str]:
    return (
        each.name,
        each.tenant,
        each.model,
        _when(each.rhythm),
        each.state,
        str(each.done),
        str(each.failed),
        str(each.missed),
        _time(each.next_at),
    )


def act(address: str, name: str, tenant: str, done: str, *, as_json: bool) -> None:
    """Pauses, resumes or deletes a schedule, and says so."""
    with schedule_client(address) as scheduler:
        acts = {
            "paused": scheduler.pause,
            "resumed": scheduler.resume,
            "deleted": scheduler.delete,
        }
        acts[done](name, tenant=tenant, deadline_s=ANSWER_S_MAX)
    if as_json:
        print_json({"done": done, "schedule": name, "tenant": tenant})
    else:
        print(f"{name} is {done}")


def next_runs(
    address: str, name: str | None, tenant: str, most: int, within_s: float | None, *, as_json: bool
) -> None:
    """Prints the times to come."""
    with schedule_client(address) as scheduler:
        runs = scheduler.next_runs(
            name, tenant=tenant, most=most, within_s=within_s, deadline_s=ANSWER_S_MAX
        )
    if as_json:
        print_json({"runs": [{**asdict(run), "at": _time(run.at)} for run in runs]})
        return
    print_table(
        ("at", "in>", "schedule", "tenant", "model"),
        [
            (_time(run.at), format_duration(run.in_s), run.name, run.tenant, run.model)
            for run in runs
        ],
        empty="no times to come",
    )


def trigger(address: str, name: str, tenant: str, at: datetime | None, *, as_json: bool) -> None:
    """Runs a schedule once, and prints the id of the run's task."""
    moment = None if at is None else at.replace(tzinfo=UTC)
    with schedule_client(address) as scheduler:
        task_id = scheduler.trigger(name, tenant=tenant, at=moment, deadline_s=ANSWER_S_MAX)
    if as_json:
        print_json({"id": task_id, "tenant": tenant})
    else:
        print(task_id)


def schedule_as_json(schedule: "Schedule") -> dict[str, Any]:
    """A schedule, for programs."""
    told = asdict(schedule)
    told["next_at"] = None if schedule.next_at is None else _time(schedule.next_at)
    told["held"] = [_time(at) for at in schedule.held]
    return told


def _show(schedule: "Schedule", *, as_json: bool) -> None:
    if as_json:
        print_json(schedule_as_json(schedule))
    else:
        print(f"{schedule.name} is {schedule.state}")
        _print_schedule(schedule)


def _print_schedule(schedule: "Schedule") -> None:
    rhythm = schedule.rhythm
    kind = "hard, " if rhythm.hard else ""
    due = "" if rhythm.deadline_s is None else f", due in {format_duration(rhythm.deadline_s)}"
    print(f"  {schedule.model}, {kind}{_when(rhythm)}{due}")
    print(f"  missed times: {rhythm.catch_up}; overlapping times: {rhythm.overlap}")
    counts = ("started", "done", "failed", "cancelled", "missed", "overlapped")
    told = ", ".join(f"{getattr(schedule, name)} {name}" for name in counts)
    print(f"  {told}")
    if schedule.next_at is not None:
        print(f"  next: {_time(schedule.next_at)}")
    for task_id in schedule.open_ids[:5]:
        print(f"  open: {task_id}")


def _when(rhythm: "Rhythm") -> str:
    if rhythm.cron:
        return f"{rhythm.cron} {rhythm.time_zone or 'UTC'}"
    return f"each {format_duration(rhythm.period_s or 0.0)}"


def _time(at: datetime | None) -> str:
    return "" if at is None else at.astimezone(UTC).isoformat().replace("+00:00", "Z")
