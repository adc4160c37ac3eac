"""`hasten`, the operator's one command."""

import sys

import typer
from typer.exceptions import TyperException

from hasten_cli.commands import infer, models, simulate, up, workers
from hasten_cli.failures import CommandError, reported
from hasten_cli.options import AsJson

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
app.command()(simulate.simulate)
app.add_typer(models.app, name="models")
app.add_typer(workers.app, name="workers")


@app.command()
def version(as_json: AsJson = False) -> None:
    """Print the versions of Hasten and of what it stands on."""
    from hasten_cli.versions import versions

    with reported(as_json=as_json):
        versions(as_json=as_json)


def main() -> None:
    """Entry point. With --json a wrong option is told as JSON too."""
    if "--json" not in sys.argv:
        with reported(as_json=False):
            app(prog_name="hasten")
    with reported(as_json=True):
        try:
            code = app(prog_name="hasten", standalone_mode=False)
        except TyperException as error:
            verb = getattr(getattr(error, "ctx", None), "command_path", "hasten")
            raise CommandError(
                error.format_message(), next_step=f"see {verb} --help", code=error.exit_code
            ) from None
    sys.exit(code)


if __name__ == "__main__":
    main()
