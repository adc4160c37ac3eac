"""Which of the things that `hasten simulate` can do was asked for."""

import signal
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from math import ceil
from pathlib import Path
from types import FrameType
from typing import Final

from hasten_cli.failures import USAGE, CommandError
from hasten_cli.simulating.plan import DEFAULT_POLICY, Seeds, WorkloadOptions

SLO: Final = 99.0
"""Per cent of the offered requests, where nobody says."""
OUTAGE_S: Final = 10.0


@dataclass(frozen=True, slots=True)
class Question:
    """What only a what-if is asked.

    Attributes:
        rate_per_s: Requests a second.
        deadline_s: Of each.
        only: Models, NAME or NAME=SHARE; all when empty.
        kill_one: One worker dies.
        outage_s: How long it is away; None when it is not said.
    """

    rate_per_s: float | None
    deadline_s: float | None
    only: tuple[str, ...]
    kill_one: bool
    outage_s: float | None


@dataclass(frozen=True, slots=True)
class Asked:
    """The command line; see `hasten_cli.commands.simulate` for the options.

    Attributes:
        slo: Per cent; None when it is not said.
        question: Of a what-if.
        rules: Of the autoscaler; empty where the number of workers is fixed.
    """

    workload: str | None
    policies: tuple[str, ...]
    workers: int | None
    routers: int | None
    load: float | None
    sweeps: tuple[str, ...]
    duration_s: float | None
    seeds: int
    seed: int
    processes: int
    report: Path | None
    list_policies: bool
    find: str
    slo: float | None
    models: Path | None
    mesh: str
    replay: Path | None
    question: Question
    rules: tuple[str, ...]
    coarse: bool
    as_json: bool


@contextmanager
def ended_in_order() -> Iterator[None]:
    """SIGTERM inside the block ends it as Ctrl-C does: no process is left."""
    before = signal.signal(signal.SIGTERM, _leave)
    try:
        yield
    finally:
        signal.signal(signal.SIGTERM, before)


def _leave(number: int, _frame: FrameType | None) -> None:
    raise SystemExit(128 + number)


def carry_out(asked: Asked) -> None:
    """Does the one thing that was asked for.

    Raises:
        CommandError: What was asked for makes no sense, or failed.
    """
    if asked.list_policies:
        from hasten_cli.simulating.listing import list_policies

        list_policies(as_json=asked.as_json)
    elif asked.replay is not None:
        _replay(asked, asked.replay)
    elif asked.models is not None or asked.mesh:
        _what_if(asked)
    elif asked.workload is None:
        from hasten_cli.simulating import shipped

        raise CommandError(
            "nothing to simulate: name a workload, or give --models or --from",
            next_step=f"take one of {', '.join(shipped.names()) or 'loadtest/workloads'}",
            code=USAGE,
        )
    else:
        _workload(asked, asked.workload)


def _replay(asked: Asked, log: Path) -> None:
    from hasten_cli import replay_verb

    _refuse_others(
        "--replay does not take it",
        **{
            "WORKLOAD": asked.workload,
            "--policy": asked.policies,
            "--workers": asked.workers,
            "--routers": asked.routers,
            "--load": asked.load,
            "--sweep": asked.sweeps,
            "--duration": asked.duration_s,
            "--report": asked.report,
            "--find": asked.find,
            "--slo": asked.slo,
            "--models": asked.models,
            "--from": asked.mesh,
            **_scaled_only(asked),
            **_what_if_only(asked),
        },
    )
    replay_verb.run(log, as_json=asked.as_json)


def _workload(asked: Asked, workload: str) -> None:
    _refuse_others(
        "only --models or --from take it",
        **_what_if_only(asked),
    )
    options = WorkloadOptions(
        workload=workload,
        policies=asked.policies,
        sweeps=asked.sweeps,
        load=asked.load,
        workers=asked.workers,
        routers=asked.routers,
        duration_s=asked.duration_s,
        seeds=Seeds(asked.seeds, asked.seed),
        processes=asked.processes,
    )
    if asked.rules:
        from hasten_cli.simulating.scaled import scaled

        others = {"--find": asked.find, "--report": asked.report, "--slo": asked.slo}
        _refuse_others("--autoscaler does not take it", **others)
        scaled(options, asked.rules, coarse=asked.coarse, as_json=asked.as_json)
        return
    _refuse_others("only --autoscaler takes it", **_scaled_only(asked))
    if asked.find:
        from hasten_cli.simulating.find import find_workers

        if asked.find != "workers":
            raise CommandError(
                f"--find {asked.find}: only workers can be searched for",
                next_step="write --find workers",
                code=USAGE,
            )
        _refuse_others("--find does not take it", **{"--report": asked.report})
        find_workers(options, _share(asked.slo), as_json=asked.as_json)
        return
    _refuse_others("only --find and what-ifs take it", **{"--slo": asked.slo})
    from hasten_cli.simulating.compare import compare

    compare(options, asked.report, as_json=asked.as_json)


def _what_if(asked: Asked) -> None:
    from hasten_cli.simulating.whatif import WhatIfOptions, what_if
    from hasten_sim.least import WORKERS_MAX

    _refuse_others(
        "--models and --from do not take it",
        **{
            "WORKLOAD": asked.workload,
            "--load": asked.load,
            "--sweep": asked.sweeps,
            "--routers": asked.routers,
            "--duration": asked.duration_s,
            "--find": asked.find,
            "--report": asked.report,
            **_scaled_only(asked),
        },
    )
    if (
        asked.question.rate_per_s is None
        or asked.question.deadline_s is None
        or not 0.0 < asked.question.rate_per_s < 1e7
    ):
        raise CommandError(
            "a what-if needs a positive --rate and a --deadline",
            next_step="write --rate 200 --deadline 50ms",
            code=USAGE,
        )
    if asked.workers is not None and asked.workers > WORKERS_MAX:
        raise CommandError(
            f"--workers {asked.workers}: at most {WORKERS_MAX} can be asked about",
            next_step="ask about fewer",
            code=USAGE,
        )
    if len(asked.policies) > 1:
        raise CommandError(
            "a what-if takes one --policy", next_step="ask once for each", code=USAGE
        )
    if asked.question.outage_s is not None and not asked.question.kill_one:
        raise CommandError(
            "--outage says how long the worker that dies is away, and none dies",
            next_step="add --kill-one",
            code=USAGE,
        )
    what_if(
        WhatIfOptions(
            models=asked.models,
            mesh=asked.mesh,
            only=asked.question.only,
            rate_per_s=asked.question.rate_per_s,
            deadline_s=asked.question.deadline_s,
            workers=asked.workers,
            slo=_share(asked.slo),
            outage_s=ceil(asked.question.outage_s or OUTAGE_S) if asked.question.kill_one else 0,
            policy=asked.policies[0] if asked.policies else DEFAULT_POLICY,
            seeds=Seeds(asked.seeds, asked.seed),
            processes=asked.processes,
        ),
        as_json=asked.as_json,
    )


def _scaled_only(asked: Asked) -> dict[str, object]:
    return {"--autoscaler": asked.rules, "--coarse": asked.coarse or None}


def _what_if_only(asked: Asked) -> dict[str, object]:
    return {
        "--rate": asked.question.rate_per_s,
        "--deadline": asked.question.deadline_s,
        "--model": asked.question.only,
        "--kill-one": asked.question.kill_one or None,
        "--outage": asked.question.outage_s,
    }


def _share(asked: float | None) -> float:
    slo = SLO if asked is None else asked
    if not 0.0 < slo <= 100.0:
        raise CommandError(
            f"--slo {slo:g}: expected per cent, above 0 and up to 100",
            next_step="write --slo 99",
            code=USAGE,
        )
    return slo / 100.0


def _refuse_others(why: str, **given: object) -> None:
    """Raises CommandError for an option that would be ignored."""
    for name, value in given.items():
        if value not in (None, "", ()):
            raise CommandError(f"{name}: {why}", next_step="see hasten simulate --help", code=USAGE)
