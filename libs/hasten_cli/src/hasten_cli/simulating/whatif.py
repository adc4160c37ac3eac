"""`hasten simulate --models DIR --rate 200 --deadline 50ms`: how many workers, and if one dies."""

import sys
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Final

from hasten_cli.failures import USAGE, CommandError
from hasten_cli.output import print_json, print_table
from hasten_cli.simulating import profiles
from hasten_cli.simulating.plan import Seeds, checked
from hasten_cli.simulating.progress import bar, run_jobs

if TYPE_CHECKING:
    from hasten_sim.least import Step
    from hasten_sim.whatif import Answer

CALLS_PER_S_SIMULATED: Final = 1000.0
QUICK_S: Final = 0.002
OWN_WORK: Final = (
    "Hasten's own work, about a millisecond a request, is not simulated; with models under 2 ms or "
    "more than 1000 requests a second a worker it counts: measure it with `make bench`"
)


@dataclass(frozen=True, slots=True)
class WhatIfOptions:
    """What the user asked.

    Attributes:
        models: Repository to measure; None to ask a mesh.
        mesh: Address of a router to ask; "" to measure.
        only: Models, NAME or NAME=SHARE; all when empty.
        rate_per_s: Requests a second.
        deadline_s: Of each.
        workers: Ask about this number; None for the least that is enough.
        slo: Share that has to be in time.
        outage_s: One worker dies for so long; 0 when none does.
        policy: Of the mesh.
        seeds: Of the runs.
        processes: Over which they are spread.
    """

    models: Path | None
    mesh: str
    only: tuple[str, ...]
    rate_per_s: float
    deadline_s: float
    workers: int | None
    slo: float
    outage_s: int
    policy: str
    seeds: Seeds
    processes: int


def what_if(options: WhatIfOptions, *, as_json: bool) -> None:
    """Measures, simulates, answers."""
    from hasten_sim.question import Question
    from hasten_sim.report import answer as said
    from hasten_sim.whatif import Asking, answer

    checked([options.policy])
    measured = profiles.chosen(_measured(options, quiet=as_json), options.only)
    question = Question(
        profiles=measured.profiles,
        rate_per_s=options.rate_per_s,
        deadline_s=options.deadline_s,
        lanes=measured.lanes,
    )
    with bar() as shown:
        asking = Asking(
            slo=options.slo,
            policy=options.policy,
            seeds=options.seeds.all(),
            run_all=lambda jobs: run_jobs(jobs, options.processes, shown),
            on_step=_silent if as_json else _tell,
        )
        found = answer(question, asking, workers=options.workers, outage_s=options.outage_s)
    notes = [*measured.said, *_notes(found)]
    if as_json:
        print_json({**said.as_json(found), "notes": notes})
        return
    print()
    for sentence in said.sentences(found):
        print(sentence)
    print()
    print_table(said.columns(found), said.rows(found), empty="")
    for note in notes:
        print(f"\nnote: {note}")


def _measured(options: WhatIfOptions, *, quiet: bool) -> profiles.Measured:
    if options.models is not None and options.mesh:
        raise CommandError(
            "--models and --from are two sources of the same", next_step="give one", code=USAGE
        )
    if options.models is not None:
        return profiles.of_folder(options.models, show=not quiet)
    return profiles.of_mesh(options.mesh)


def _tell(step: "Step", dead: int) -> None:
    workers = "1 worker" if step.workers == 1 else f"{step.workers} workers"
    one = ", one of them dead" if dead else ""
    print(
        f"tried {workers}{one}: {step.attainment * 100:.2f} % in time", file=sys.stderr, flush=True
    )


def _silent(_step: "Step", _dead: int) -> None:
    """Programs read the result."""


def _notes(found: "Answer") -> Sequence[str]:
    question = found.question
    busy = question.rate_per_s > CALLS_PER_S_SIMULATED * (found.workers or 1)
    quick = any(one.times.seconds(1) < QUICK_S for one in question.profiles)
    return (OWN_WORK,) if busy or quick else ()
