"""`hasten simulate`."""

from pathlib import Path
from typing import Annotated

import typer

from hasten_cli.failures import reported
from hasten_cli.options import AsJson


def simulate(
    replay: Annotated[
        Path, typer.Option(metavar="LOG", help="Replay a service's event log.", show_default=False)
    ],
    as_json: AsJson = False,
) -> None:
    """Replay the event log of a router or worker and compare every effect.

    Exit codes: 0 all the same, 1 one differs, 2 the log cannot be replayed.
    """
    from hasten_cli import replay_verb

    with reported(as_json=as_json):
        replay_verb.run(replay, as_json=as_json)
