"""`--autoscaler`: a workload under one or more scaling rules."""

from dataclasses import replace
from typing import TYPE_CHECKING

from hasten_cli.failures import USAGE, CommandError
from hasten_cli.output import print_json, print_table
from hasten_cli.simulating.plan import DEFAULT_POLICY, Plan, WorkloadOptions, plan
from hasten_cli.simulating.progress import bar, run_jobs

if TYPE_CHECKING:
    from hasten_sim.sweep import Job

ALL_OF_FILE = "all"
"""Written in place of a rule: those that the workload names."""


def scaled(
    options: WorkloadOptions, rules: tuple[str, ...], *, coarse: bool, as_json: bool
) -> None:
    """Runs the workload under each rule and says what came of it.

    Args:
        options: What to run; one policy of routers and workers.
        rules: Texts; "all" stands for those of the workload.
        coarse: The demand level instead of calls.
        as_json: Print JSON instead of a table.
    """
    from hasten_sim.report import scaling

    if len(options.policies) > 1:
        raise CommandError(
            "with --autoscaler there is one --policy",
            next_step="ask once for each policy",
            code=USAGE,
        )
    asked = plan(replace(options, policies=options.policies or (DEFAULT_POLICY,)))
    chosen = _checked(asked, rules)
    jobs = [replace(job, rule=rule, coarse=coarse) for rule in chosen for job in asked.jobs]
    _check(jobs, coarse=coarse)
    with bar() as shown:
        figures = run_jobs(jobs, options.processes, shown)
    found = scaling.cells(jobs, figures)
    words = "".join(f" --autoscaler {rule}" for rule in chosen) + (" --coarse" if coarse else "")
    command = asked.command + words
    if as_json:
        told = {"workload": asked.workload.name, "command": command, "coarse": coarse}
        print_json({**told, "rules": scaling.as_json(found)})
        return
    print_table(scaling.COLUMNS, scaling.rows(found), empty="")
    print(f"\nagain:  {command}")


def _checked(asked: Plan, rules: tuple[str, ...]) -> tuple[str, ...]:
    """The rules, each once. Raises CommandError for one that does not exist."""
    from hasten_policy.registry import scaling

    if asked.workload.table.pool is None:
        raise CommandError(
            f"{asked.workload.name} says nothing of a pool that workers come from",
            next_step="add the table [pool] (docs/workloads.md)",
            code=USAGE,
        )
    own = asked.workload.rules
    texts = [text for rule in rules for text in (own if rule == ALL_OF_FILE else (rule,))]
    for text in texts:
        try:
            scaling(text)
        except ValueError as error:
            raise CommandError(
                f"autoscaler {text!r}: {error}",
                next_step="see what there is: hasten simulate --policies",
                code=USAGE,
            ) from None
    if not texts:
        raise CommandError(
            f"{asked.workload.name} names no rules", next_step="name one", code=USAGE
        )
    return tuple(dict.fromkeys(texts))


def _check(jobs: "list[Job]", *, coarse: bool) -> None:
    """Raises CommandError where the demand alone does not say it all."""
    from hasten_sim.points import scenario_at
    from hasten_sim.scaling.coarse import coarse_faults

    for job in jobs if coarse else ():
        wrong = coarse_faults(scenario_at(job.source, job.point))
        if wrong:
            raise CommandError(wrong, next_step="drop --coarse", code=USAGE)
