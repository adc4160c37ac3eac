"""`hasten simulate`."""

from pathlib import Path
from typing import Annotated

import typer

from hasten_cli.failures import reported
from hasten_cli.options import AsJson
from hasten_cli.options import duration as duration_option


def workload_names(incomplete: str) -> list[str]:
    """For shell completion: shipped names, and TOML files and folders that begin so."""
    from hasten_cli.simulating import shipped

    paths = [
        f"{path}/" if path.is_dir() else str(path)
        for path in sorted(Path().glob(f"{incomplete}*"))
        if path.is_dir() or path.suffix == ".toml"
    ]
    return [name for name in shipped.names() if name.startswith(incomplete)] + paths


def policy_texts(incomplete: str) -> list[str]:
    """For shell completion: bundles, then ",kind=" and the kind's names."""
    from hasten_policy.registry import KINDS, names

    done, comma, last = incomplete.rpartition(",")
    if not comma:
        return [name for name in names("bundle") if name.startswith(incomplete)]
    kinds = [kind for kind in KINDS if kind != "bundle"]
    found = [f"{done},{kind}={name}" for kind in kinds for name in names(kind)]
    return [text for text in found if text.startswith(f"{done},{last}")]


def rule_texts(incomplete: str) -> list[str]:
    """For shell completion: scaling rules."""
    from hasten_policy.scaling.rules.table import SCALING_RULES

    return [name for name in ("all", *SCALING_RULES.names) if name.startswith(incomplete)]


_WHAT_IF = "What-if, from measured profiles"

Workload = Annotated[
    str | None,
    typer.Argument(
        metavar="[WORKLOAD]",
        help="Workload file, or the name of a shipped one.",
        autocompletion=workload_names,
        show_default=False,
    ),
]
Policies = Annotated[
    list[str] | None,
    typer.Option(
        "--policy",
        metavar="TEXT",
        autocompletion=policy_texts,
        help="BUNDLE[,kind=name][,router.FIELD=value]...; again for more. The first is the one "
        "that others are compared with. [default: those of the workload, else hasten]",
        show_default=False,
    ),
]
Workers = Annotated[int | None, typer.Option(min=1, help="Workers.", show_default=False)]
Routers = Annotated[int | None, typer.Option(min=1, help="Routers.", show_default=False)]
Load = Annotated[
    float | None,
    typer.Option(help="Offered load, as a multiple of the capacity.", show_default=False),
]
Sweeps = Annotated[
    list[str] | None,
    typer.Option(
        "--sweep",
        metavar="AXIS=VALUES",
        help="load=0.5:3:0.5, workers=1:8:1 or routers=1,2,4; again for every combination.",
        show_default=False,
    ),
]
Duration = Annotated[
    float | None,
    duration_option("Length of each run, as 10s.", "--duration"),
]
SeedCount = Annotated[
    int, typer.Option("--seeds", min=1, max=1000, help="Runs of each kind, for intervals.")
]
FirstSeed = Annotated[int, typer.Option("--seed", min=0, help="The first seed.")]
Processes = Annotated[
    int, typer.Option(min=0, max=256, help="Processes; 0 for one a core. Changes no figure.")
]
Report = Annotated[
    Path | None, typer.Option(help="Write a page with plots there.", show_default=False)
]
Policy = Annotated[bool, typer.Option("--policies", help="List the policies there are, and end.")]
Find = Annotated[
    str,
    typer.Option(
        metavar="workers",
        help="Search the least number of workers that keeps --slo.",
        show_default=False,
    ),
]
Slo = Annotated[
    float | None,
    typer.Option(
        help="Per cent of the offered that have to be in time. [default: 99]", show_default=False
    ),
]
Autoscalers = Annotated[
    list[str] | None,
    typer.Option(
        "--autoscaler",
        metavar="RULE",
        autocompletion=rule_texts,
        help="RULE[,FIELD=value]...: workers come and go by it, from the workload's [pool]; again "
        "for more; all for those that the workload names.",
        show_default=False,
    ),
]
Coarse = Annotated[
    bool,
    typer.Option(
        "--coarse", help="With --autoscaler: the demand level instead of calls, for days."
    ),
]
Replay = Annotated[
    Path | None,
    typer.Option(
        metavar="LOG",
        help="Replay a service's event log and compare every effect; ends with 1 if one differs.",
        show_default=False,
    ),
]
Models = Annotated[
    Path | None,
    typer.Option(help=f"{_WHAT_IF}: repository to measure now.", show_default=False),
]
Mesh = Annotated[
    str,
    typer.Option(
        "--from",
        metavar="HOST:PORT",
        help=f"{_WHAT_IF}: router of a running mesh to ask.",
        show_default=False,
    ),
]
Rate = Annotated[float | None, typer.Option(help="What-if: requests a second.", show_default=False)]
Deadline = Annotated[
    float | None,
    duration_option("What-if: of each request."),
]
OnlyModels = Annotated[
    list[str] | None,
    typer.Option(
        "--model",
        metavar="NAME[=SHARE]",
        help="What-if: only these models; again for more. [default: all, in equal shares]",
        show_default=False,
    ),
]
KillOne = Annotated[bool, typer.Option("--kill-one", help="What-if: let one worker die.")]
Outage = Annotated[
    float | None,
    duration_option("With --kill-one: how long it is away. [default: 10s]"),
]


def simulate(  # noqa: PLR0913, PLR0917  (one parameter an option)
    workload: Workload = None,
    policy: Policies = None,
    workers: Workers = None,
    routers: Routers = None,
    load: Load = None,
    sweep: Sweeps = None,
    duration: Duration = None,
    seeds: SeedCount = 3,
    seed: FirstSeed = 1,
    processes: Processes = 0,
    report: Report = None,
    policies: Policy = False,
    find: Find = "",
    slo: Slo = None,
    models: Models = None,
    mesh: Mesh = "",
    rate: Rate = None,
    deadline: Deadline = None,
    model: OnlyModels = None,
    kill_one: KillOne = False,
    replay: Replay = None,
    outage: Outage = None,
    autoscaler: Autoscalers = None,
    coarse: Coarse = False,
    as_json: AsJson = False,
) -> None:
    """Ask what would happen: the shipped policies in virtual time.

    With a WORKLOAD: what policies, or scaling rules, make of it. With --models or --from: how many
    workers a rate needs, and what happens when one dies. With --replay: whether today's code
    decides as the recorded service did.
    """
    from hasten_cli.simulating import verb

    with reported(as_json=as_json), verb.ended_in_order():
        asked = verb.Asked(
            workload=workload,
            policies=tuple(policy or ()),
            workers=workers,
            routers=routers,
            load=load,
            sweeps=tuple(sweep or ()),
            duration_s=duration,
            seeds=seeds,
            seed=seed,
            processes=processes,
            report=report,
            list_policies=policies,
            find=find,
            slo=slo,
            models=models,
            mesh=mesh,
            replay=replay,
            question=verb.Question(rate, deadline, tuple(model or ()), kill_one, outage),
            rules=tuple(autoscaler or ()),
            coarse=coarse,
            as_json=as_json,
        )
        verb.carry_out(asked)
