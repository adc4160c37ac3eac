"""What `hasten batch` and `hasten callback` do."""

import sys
import time
from collections.abc import Sequence
from contextlib import closing
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

from hasten_cli.calls import ANSWER_S_MAX, batch_client, client
from hasten_cli.durations import format_duration
from hasten_cli.failures import USAGE, CommandError
from hasten_cli.output import print_json, print_table

if TYPE_CHECKING:
    from hasten_client import Batch, BatchClient, Callback, HastenError, NewBatch

PAGE: Final = 500
LOOK_S: Final = 0.2
_COLUMNS: Final = (
    "batch", "tenant", "state", "model", "lines>", "answers>", "errors>", "age>", "left>",
)  # fmt: skip


@dataclass(frozen=True, slots=True)
class BatchOptions:
    """What the user asked for; see `hasten batch submit --help`."""

    address: str
    model: str
    version: str
    lines: str
    batch_id: str
    format: str
    deadline_s: float | None
    keep_s: float | None
    attempts_max: int | None
    priority_class: int
    tenant: str
    labels: tuple[str, ...]
    callback_uri: str
    wait: bool


def submit(options: BatchOptions, *, as_json: bool) -> None:
    """Sends a batch, waits for it where that was asked for, and prints it.

    Raises:
        CommandError: It was not accepted, or did not end well.
    """
    new, path = _new_batch(options)
    with batch_client(options.address) as scheduler:
        batch = scheduler.create(new, deadline_s=None)
        if path is not None:
            batch = scheduler.upload(batch.batch_id, path, tenant=options.tenant)
        if options.wait:
            batch = _waited(scheduler, batch, None)
    _print_batch(batch, as_json=as_json)
    if options.wait:
        _check_done(batch)


def _new_batch(options: BatchOptions) -> "tuple[NewBatch, Path | None]":
    """The batch, and the file to upload; None for a URI."""
    from hasten_client import BatchInput, NewBatch

    with client(options.address) as mesh:
        metadata = mesh.metadata(options.model, options.version, deadline_s=ANSWER_S_MAX)
    path = None
    uri = options.lines if "://" in options.lines else ""
    if not uri:
        path = Path(options.lines)
        if not path.exists():
            raise CommandError(f"there is nothing at {options.lines}", code=USAGE)
        if path.is_dir():
            uri, path = path.resolve().as_uri() + "/", None
    new = NewBatch(
        options.model,
        options.version,
        options.format or _format_of(uri or options.lines),
        uri,
        batch_id=options.batch_id,
        tenant=options.tenant,
        inputs={each.name: BatchInput(each.datatype, each.shape) for each in metadata.inputs},
        priority_class=options.priority_class,
        deadline_s=options.deadline_s,
        keep_s=options.keep_s,
        attempts_max=options.attempts_max,
        labels=dict(label.partition("=")[::2] for label in options.labels),
        callback_uri=options.callback_uri,
    )
    return new, path


def _format_of(name: str) -> str:
    if name.endswith("/"):
        return "directory"
    return "npz" if name.endswith(".npz") else "jsonl"


def act(verb: str, address: str, batch_id: str, tenant: str, *, as_json: bool) -> None:
    """Gets, pauses, resumes or cancels a batch, and prints it."""
    with batch_client(address) as scheduler:
        calls = {
            "get": scheduler.get,
            "pause": scheduler.pause,
            "resume": scheduler.resume,
            "cancel": scheduler.cancel,
        }
        batch = calls[verb](batch_id, tenant=tenant, deadline_s=ANSWER_S_MAX)
    _print_batch(batch, as_json=as_json)


def delete(address: str, batch_id: str, tenant: str, *, as_json: bool) -> None:
    """Throws a batch away."""
    with batch_client(address) as scheduler:
        scheduler.delete(batch_id, tenant=tenant, deadline_s=ANSWER_S_MAX)
    if as_json:
        print_json({"deleted": batch_id})
    else:
        print(f"{batch_id} deleted")


def list_batches(
    address: str, tenant: str | None, states: Sequence[str], most: int, *, as_json: bool
) -> None:
    """Prints batches."""
    batches: list[Batch] = []
    token = ""
    with batch_client(address) as scheduler:
        while len(batches) < most:
            page = scheduler.page(
                tenant=tenant,
                states=states,
                page_size=min(PAGE, most - len(batches)),
                page_token=token,
                deadline_s=ANSWER_S_MAX,
            )
            batches += page.batches
            token = page.next_page_token
            if not token:
                break
    if as_json:
        print_json({"batches": [_as_json(batch) for batch in batches]})
    else:
        print_table(_COLUMNS, [_row(batch) for batch in batches], empty="no such batches")


def wait(
    address: str, batch_id: str, tenant: str, timeout_s: float | None, *, as_json: bool
) -> None:
    """Prints a batch once it has ended. Raises CommandError unless it is done."""
    with batch_client(address) as scheduler:
        batch = scheduler.get(batch_id, tenant=tenant, deadline_s=ANSWER_S_MAX)
        batch = _waited(scheduler, batch, timeout_s)
    _print_batch(batch, as_json=as_json)
    _check_done(batch)


def results(
    address: str, batch_id: str, tenant: str, kind: str, position: int, *, follow: bool
) -> None:
    """Prints lines of results."""
    with (
        batch_client(address) as scheduler,
        closing(
            scheduler.results(batch_id, tenant=tenant, position=position, kind=kind, follow=follow)
        ) as lines,
    ):
        for line in lines:
            print(line.text, flush=follow)


def list_callbacks(
    address: str, tenant: str | None, states: Sequence[str], most: int, *, as_json: bool
) -> None:
    """Prints callbacks."""
    found: list[Callback] = []
    token = ""
    with batch_client(address) as scheduler:
        while len(found) < most:
            page = scheduler.callbacks(
                tenant=tenant,
                states=states,
                page_size=min(PAGE, most - len(found)),
                page_token=token,
                deadline_s=ANSWER_S_MAX,
            )
            found += page.callbacks
            token = page.next_page_token
            if not token:
                break
    if as_json:
        print_json({"callbacks": [{**asdict(each), "error": _error(each.error)} for each in found]})
        return
    print_table(
        ("event", "tenant", "state", "attempts>", "to", "why"),
        [
            (
                each.event_id,
                each.tenant,
                each.state,
                str(each.attempts),
                each.uri,
                str(each.error or ""),
            )
            for each in found
        ],
        empty="no such callbacks",
    )


def retry_callbacks(address: str, event_ids: Sequence[str], tenant: str, *, as_json: bool) -> None:
    """Tells dead callbacks again. Raises CommandError if one is not dead."""
    with batch_client(address) as scheduler:
        retried = scheduler.retry_callbacks(event_ids, tenant=tenant, deadline_s=ANSWER_S_MAX)
    if as_json:
        print_json({"retried": list(retried)})
    else:
        for event_id in retried:
            print(f"{event_id} is told again")
    others = [event_id for event_id in event_ids if event_id not in retried]
    if others:
        raise CommandError(
            f"no dead callbacks: {', '.join(others)}",
            next_step="see hasten callback list --state dead",
            facts={"not_dead": others},
        )


def _waited(scheduler: "BatchClient", batch: "Batch", timeout_s: float | None) -> "Batch":
    """The batch when it has ended; a line on a terminal's standard error tells how far it is."""
    tell = sys.stderr.isatty()
    ends_s = None if timeout_s is None else time.monotonic() + timeout_s
    while not batch.ended:
        if ends_s is not None and time.monotonic() > ends_s:
            raise CommandError(
                f"batch {batch.batch_id} has not ended in {timeout_s:g} s; it is {batch.state}",
                facts={"batch": _as_json(batch)},
            )
        if tell:
            done = batch.succeeded + batch.failed
            said = f"\r{batch.state}  {done} of {batch.lines} lines"
            print(said, end="", file=sys.stderr, flush=True)
        time.sleep(LOOK_S)
        batch = scheduler.get(batch.batch_id, tenant=batch.tenant, deadline_s=ANSWER_S_MAX)
    if tell:
        print(file=sys.stderr)
    return batch


def _check_done(batch: "Batch") -> None:
    if batch.state != "done":
        raise CommandError(
            f"batch {batch.batch_id} is {batch.state}{f': {batch.error}' if batch.error else ''}",
            next_step=f"see what is done: hasten batch results {batch.batch_id}",
            facts={"batch": _as_json(batch)},
        )


def _print_batch(batch: "Batch", *, as_json: bool) -> None:
    if as_json:
        print_json(_as_json(batch))
        return
    lines = (
        f"{batch.uploaded_bytes} bytes have come"
        if batch.state == "uploading"
        else f"{batch.lines} lines, {batch.succeeded} answers, {batch.failed} errors"
    )
    print(f"{batch.batch_id}  {batch.state}  {batch.model}  {lines}")
    if batch.error is not None:
        print(f"  {batch.error}")


def _row(batch: "Batch") -> tuple[str, ...]:
    return (
        batch.batch_id,
        batch.tenant,
        batch.state,
        batch.model,
        str(batch.lines),
        str(batch.succeeded),
        str(batch.failed),
        format_duration(batch.age_s),
        "-" if batch.ended else format_duration(max(0.0, batch.time_left_s)),
    )


def _as_json(batch: "Batch") -> dict[str, Any]:
    said = asdict(batch)
    said["id"] = said.pop("batch_id")
    said["error"] = _error(batch.error)
    return said


def _error(error: "HastenError | None") -> dict[str, Any] | None:
    if error is None:
        return None
    return {"reason": error.reason, "status": error.status, "message": error.message}
