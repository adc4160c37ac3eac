"""`hasten`, the operator's one command."""

import re
import signal
import sys
from typing import Final

import typer
from typer.exceptions import Abort, TyperException

from hasten_cli.commands import (
    autoscaler,
    batches,
    dag,
    doctor,
    infer,
    models,
    schedules,
    simulate,
    submit,
    tasks,
    up,
    workers,
)
from hasten_cli.failures import CommandError, reported
from hasten_cli.options import AsJson
from hasten_runtime.standard_streams import standard_streams

app = typer.Typer(
    name="hasten",
    help="Hasten runs machine-learning models so that answers arrive on time.",
    epilog="Exit codes: 0 done, 1 refused or failed, 2 used wrongly, 3 nobody answers.",
    no_args_is_help=True,
    pretty_exceptions_enable=False,
    # Plain help: the boxed one loads Rich's Markdown parser and takes three times as long.
    rich_markup_mode=None,
    context_settings={"help_option_names": ["-h", "--help"]},
)
app.command()(up.up)
app.command()(infer.infer)
app.command()(submit.submit)
app.command()(simulate.simulate)
app.command()(doctor.doctor)
app.command()(autoscaler.plan)
app.command("what-if")(autoscaler.what_if)
app.add_typer(autoscaler.explain, name="explain")
app.add_typer(models.app, name="models")
app.add_typer(workers.app, name="workers")
app.add_typer(tasks.task, name="task")
app.add_typer(dag.app, name="dag")
app.add_typer(tasks.queue, name="queue")
app.add_typer(tasks.dead, name="dead")
app.add_typer(batches.batch, name="batch")
app.add_typer(batches.callback, name="callback")
app.add_typer(schedules.schedule, name="schedule")

_PLAINLY: Final = (
    (r" is not a valid (int range|int)\b", " is no whole number"),
    (r" is not a valid (float range|float)\b", " is no number"),
    (r" is not in the range (\S+)<=x<=(\S+)\.", r" is not between \1 and \2"),
    (r" is not in the range x>=(\S+)\.", r" is less than \1"),
)


@app.command()
def version(as_json: AsJson = False) -> None:
    """Print the versions of Hasten and of what it stands on."""
    from hasten_cli.versions import versions

    with reported(as_json=as_json):
        versions(as_json=as_json)


def main() -> None:
    """Entry point. A wrong option is told as every other error, as JSON with --json."""
    _hear_ctrl_c()
    with standard_streams(), reported(as_json="--json" in sys.argv):
        try:
            code = app(prog_name="hasten", standalone_mode=False)
        except Abort:
            raise KeyboardInterrupt from None
        except TyperException as error:
            said = error.format_message()
            if said.startswith("Usage:"):  # Without arguments: no error, but how to go on.
                print(said, file=sys.stderr)
                raise SystemExit(error.exit_code) from None
            verb = getattr(getattr(error, "ctx", None), "command_path", "hasten")
            raise CommandError(
                _said_plainly(said),
                next_step=f"see {verb} --help",
                code=error.exit_code,
            ) from None
    sys.exit(code)


def _hear_ctrl_c() -> None:
    """A job that a shell put into the background inherits an ignored SIGINT. Whoever sends one to
    it all the same wants it to end.
    """
    if signal.getsignal(signal.SIGINT) is signal.SIG_IGN:
        signal.signal(signal.SIGINT, signal.default_int_handler)


def _said_plainly(message: str) -> str:
    """Without the names that typer has for its types."""
    for theirs, ours in _PLAINLY:
        message = re.sub(theirs, ours, message)
    return message.rstrip(".")


if __name__ == "__main__":
    main()
