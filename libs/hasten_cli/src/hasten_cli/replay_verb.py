"""What `hasten simulate --replay` does.

Exit codes: 0 every effect is the same, 1 one differs, 2 the log cannot be replayed.
"""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import asdict
from itertools import zip_longest
from pathlib import Path
from typing import Any, Final

from hasten_cli.failures import FAILED, USAGE, CommandError
from hasten_cli.output import can_redraw, console, print_json
from hasten_sim.replay import Difference, ReplayOutcome, replay

EFFECTS_SHOWN_MAX: Final = 20
"""Effects of the differing event that are printed; JSON has them all."""
_RECORD: Final = "record one with hasten up --record DIR, and name the file"
NO_END: Final = "its service was killed, or its disk full, or it still writes"


def run(path: Path, *, as_json: bool) -> None:
    """Replays a log and prints what came of it.

    Raises:
        CommandError: It cannot be replayed.
        SystemExit: An effect differs.
    """
    try:
        with _progress(path, shown=not as_json) as on_progress:
            outcome = replay(path, on_progress)
    except OSError as error:
        raise CommandError(
            f"cannot open {path}: {error.strerror}", next_step=_RECORD, code=USAGE
        ) from error
    except ValueError as error:
        raise CommandError(
            f"{path}: {error}",
            next_step=_RECORD,
            code=USAGE,
        ) from error
    if as_json:
        print_json(_facts(path, outcome))
    else:
        print("\n".join(_sentences(path, outcome)))
    if not outcome.same:
        raise SystemExit(FAILED)


def _facts(path: Path, outcome: ReplayOutcome) -> dict[str, Any]:
    return {"log": str(path), "same": outcome.same, **asdict(outcome)}


def _sentences(path: Path, outcome: ReplayOutcome) -> Iterator[str]:
    about = outcome.about
    written = f"{about.get('began', 'an unknown time')} by Hasten {about.get('hasten', '?')}"
    yield f"{path.name}: log of {outcome.kind} {about.get('id', '?')!r}, begun {written}"
    yield from (f"note: {note}" for note in outcome.notes)
    if outcome.first_difference is not None:
        yield from _difference(outcome.first_difference, outcome)
        return
    yield (
        f"same: {outcome.events:,} events over {outcome.seconds:.3f} s, "
        f"{outcome.effects:,} effects, every one bit for bit"
    )
    if outcome.truncated:
        yield f"note: the log has no end: {NO_END}"
    elif outcome.end != "closed":
        yield f"note: recording ended early: {outcome.end}"


def _difference(found: Difference, outcome: ReplayOutcome) -> Iterator[str]:
    yield (
        f"differs at event {found.event:,}, {outcome.seconds:.6f} s after the first "
        f"(now_s={found.now_s!r}); the {outcome.effects:,} effects before it are the same"
    )
    yield f"  event  {found.told}"
    if not found.then:
        yield "  then   nothing"
    if not found.now:
        yield "  now    nothing"
    pairs = list(zip_longest(found.then, found.now))
    for then, now in pairs[:EFFECTS_SHOWN_MAX]:
        if then == now:
            yield f"  both   {then}"
            continue
        if then is not None:
            yield f"  then   {then}"
        if now is not None:
            yield f"  now    {now}"
    if len(pairs) > EFFECTS_SHOWN_MAX:
        yield f"  and {len(pairs) - EFFECTS_SHOWN_MAX} more; --json prints all"


@contextmanager
def _progress(path: Path, *, shown: bool) -> Iterator[Callable[[int], None]]:
    """A bar on a terminal's standard error, over the bytes of the file."""
    target = console(stderr=True)
    if not (shown and can_redraw(target)):
        yield lambda _: None
        return
    from rich.progress import Progress

    with Progress(console=target, transient=True) as bar:
        task = bar.add_task("replaying", total=path.stat().st_size)
        yield lambda read: bar.update(task, completed=read)
