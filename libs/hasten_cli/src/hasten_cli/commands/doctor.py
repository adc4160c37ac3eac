"""`hasten doctor`."""

from pathlib import Path
from typing import Annotated

import typer

from hasten_cli.calls import VARIABLE
from hasten_cli.failures import reported
from hasten_cli.options import AsJson

Address = Annotated[
    str | None,
    typer.Option(
        "--address",
        "-a",
        envvar=VARIABLE,
        help="Router that should answer, host:port. [default: localhost:8001, if one runs]",
        show_default=False,
    ),
]
RedisUrl = Annotated[
    str | None,
    typer.Option(
        "--redis",
        metavar="URL",
        envvar="HASTEN_REDIS_URL",
        help="Redis that the services use, as redis://host:6379/0. [default: the program that "
        "`hasten up` starts]",
        show_default=False,
    ),
]
Consul = Annotated[
    str | None,
    typer.Option(
        "--consul",
        metavar="ADDRESS",
        help="Consul agent that the services use, host:port. [default: none, as `hasten up`]",
        show_default=False,
    ),
]
Models = Annotated[
    Path | None,
    typer.Option(
        envvar="HASTEN_MODELS",
        readable=False,  # Checked later, with a next step.
        help="Models that the workers serve or will serve. [default: ./models, ./examples/models, "
        "or a sample]",
        show_default=False,
    ),
]


def doctor(
    address: Address = None,
    redis_url: RedisUrl = None,
    consul: Consul = None,
    models: Models = None,
    as_json: AsJson = False,
) -> None:
    """Check what this machine and a mesh need, and say the next step.

    Each finding is ok, warn or fail: ports, router, workers, models, Redis, Consul, clock, GPU,
    native transport, open files, disk, memory. Nothing is started, loaded or changed. It takes ten
    seconds at most. The exit code is 1 when something fails. The ports are looked at where the
    router's address is on this machine.
    """
    from hasten_cli.doctor.checks import DoctorOptions
    from hasten_cli.doctor.verb import doctor as run

    with reported(as_json=as_json):
        options = DoctorOptions(address, redis_url, consul, models, here=Path.cwd())
        raise SystemExit(run(options, as_json=as_json))
