"""`--find workers`: the least number that keeps the promise at the workload's rate."""

from statistics import fmean
from typing import TYPE_CHECKING, Any, Final

from hasten_cli.failures import FAILED, USAGE, CommandError
from hasten_cli.output import print_json
from hasten_cli.simulating.plan import Plan, WorkloadOptions, plan
from hasten_cli.simulating.progress import bar, run_jobs

if TYPE_CHECKING:
    from hasten_cli.simulating.progress import Bar
    from hasten_sim.least import Found, Step

GROWTH_MAX: Final = 16
"""The search ends at this many times the workload's own workers."""


def find_workers(options: WorkloadOptions, slo: float, *, as_json: bool) -> None:
    """Searches for each policy, saying each step.

    Args:
        options: The workload; its rate is kept.
        slo: Share of the offered requests that has to be in time.
        as_json: Print JSON instead of lines.

    Raises:
        CommandError: No number is enough for any policy.
    """
    if options.sweeps or options.workers is not None:
        raise CommandError(
            "--find workers chooses the workers itself",
            next_step="drop --sweep and --workers",
            code=USAGE,
        )
    asked = plan(options, sweep=False)
    found = {}
    with bar() as shown:
        for policy in asked.policies:
            found[policy] = _search(asked, policy, options, slo, shown, quiet=as_json)
    if as_json:
        print_json(
            {
                "workload": asked.workload.name,
                "command": f"{asked.command} --find workers --slo {slo * 100:g}",
                "slo": slo,
                "policies": [_as_json(policy, one) for policy, one in found.items()],
            }
        )
    else:
        for policy, one in found.items():
            print(_sentence(policy, one, slo))
    if all(one.workers is None for one in found.values()):
        raise CommandError(
            f"no number of workers that was tried keeps {slo * 100:g} % in time",
            next_step="allow more time or ask for less: --slo",
            code=FAILED,
        )


def _search(
    asked: Plan, policy: str, options: WorkloadOptions, slo: float, shown: "Bar", *, quiet: bool
) -> "Found":
    from hasten_sim.least import WORKERS_MAX, least_workers
    from hasten_sim.points import Point, at_rate
    from hasten_sim.sweep import Job

    (said,) = asked.points
    base = asked.source.scenario(load=said.load, routers=said.routers)

    def attainment(workers: int) -> float:
        try:
            point = at_rate(
                asked.source, base.offered_per_s, Point(workers=workers, routers=said.routers)
            )
        except ValueError as error:
            raise CommandError(f"with {_workers(workers)}: {error}", code=USAGE) from None
        jobs = [Job(asked.source, policy, seed, point) for seed in options.seeds.all()]
        return fmean(one.attainment for one in run_jobs(jobs, options.processes, shown))

    def tell(step: "Step") -> None:
        if not quiet:
            print(
                f"{policy}: {_workers(step.workers)}, {step.attainment * 100:.2f} % in time",
                flush=True,
            )

    first = base.mesh.workers
    most = min(WORKERS_MAX, GROWTH_MAX * first)
    return least_workers(attainment, slo, first=first, workers_max=most, on_step=tell)


def _sentence(policy: str, found: "Found", slo: float) -> str:
    if found.workers is None:
        most = max(step.workers for step in found.steps)
        return f"{policy}: not even {_workers(most)} keep {slo * 100:g} % in time"
    reached = found.attainment(found.workers) or 0.0
    verb = "keeps" if found.workers == 1 else "keep"
    return (
        f"{policy}: {_workers(found.workers)} {verb} {reached * 100:.2f} % in time "
        f"(asked for: {slo * 100:g} %)"
    )


def _as_json(policy: str, found: "Found") -> dict[str, Any]:
    return {
        "policy": policy,
        "workers": found.workers,
        "steps": [{"workers": s.workers, "attainment": s.attainment} for s in found.steps],
    }


def _workers(count: int) -> str:
    return "1 worker" if count == 1 else f"{count} workers"
