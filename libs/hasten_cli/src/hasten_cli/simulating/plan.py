"""What a command line asks the simulator to run."""

import shlex
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Final

from hasten_cli.failures import USAGE, CommandError
from hasten_cli.simulating import shipped, sweeps

if TYPE_CHECKING:
    from hasten_sim.points import Lasting, Point
    from hasten_sim.sweep import Job
    from hasten_sim.workload import Workload

DEFAULT_POLICY: Final = "hasten"
_LESS: Final = "change it in the workload, or with --load, --workers, --routers or --duration"


@dataclass(frozen=True, slots=True)
class Seeds:
    """Which seeds: `count` from `first` on."""

    count: int
    first: int

    def all(self) -> range:
        """One after the other."""
        return range(self.first, self.first + self.count)


@dataclass(frozen=True, slots=True)
class WorkloadOptions:
    """What the user asked for.

    Attributes:
        workload: Path or name.
        policies: Texts; empty for those of the workload.
        sweeps: As typed; empty for those of the workload.
        load: Multiple of the capacity; None for the workload's.
        workers: Likewise.
        routers: Likewise.
        duration_s: Of each run; None for the workload's.
        seeds: Of the runs.
        processes: Over which the runs are spread; 0 for one a core.
    """

    workload: str
    policies: tuple[str, ...] = ()
    sweeps: tuple[str, ...] = ()
    load: float | None = None
    workers: int | None = None
    routers: int | None = None
    duration_s: float | None = None
    seeds: Seeds = Seeds(3, 1)
    processes: int = 0


@dataclass(frozen=True, slots=True)
class Plan:
    """What is run.

    Attributes:
        workload: Read and checked.
        source: It, lasting as long as asked.
        policies: Texts.
        points: Of the sweep.
        jobs: By policy, point and seed.
        command: Gives the same figures again.
    """

    workload: "Workload"
    source: "Lasting"
    policies: tuple[str, ...]
    points: "tuple[Point, ...]"
    jobs: "tuple[Job, ...]"
    command: str


def plan(options: WorkloadOptions, *, sweep: bool = True) -> Plan:
    """Reads the workload and checks everything before anything is run.

    Args:
        options: What was asked for.
        sweep: Take the workload's own sweep when nothing else is asked for.

    Raises:
        CommandError: With exit status 2.
    """
    from hasten_sim.points import Lasting
    from hasten_sim.sweep import Job

    path = shipped.find(options.workload)
    workload = read(path)
    source = Lasting(workload, options.duration_s)
    policies = checked(options.policies or workload.policies or (DEFAULT_POLICY,))
    swept = _swept(options, workload.sweep if sweep else {})
    points = tuple(sweeps.points(swept))
    _check(source, points, workload.name)
    jobs = tuple(
        Job(source, policy, seed, point)
        for policy in policies
        for point in points
        for seed in options.seeds.all()
    )
    return Plan(workload, source, policies, points, jobs, _command(options, policies, swept))


def _check(source: "Lasting", points: "Sequence[Point]", name: str) -> None:
    """Raises CommandError where the workload cannot be run so, or would not show its faults."""
    from hasten_sim.placing import placed

    for point in points:
        try:
            found = source.scenario(load=point.load, workers=point.workers, routers=point.routers)
            placed(found)
        except ValueError as error:  # It begins with the workload's name.
            raise CommandError(str(error), next_step=_LESS, code=USAGE) from None
        except ArithmeticError as error:
            raise CommandError(
                f"{name}: numbers so small or large cannot be calculated with: {error}",
                next_step=_LESS,
                code=USAGE,
            ) from None
        late = [fault for fault in found.faults if fault.at_s >= found.duration_s]
        if late:
            raise CommandError(
                f"{name}: the {late[0].kind} at {late[0].at_s:g} s would not happen in "
                f"{found.duration_s:g} s",
                next_step="give more time: --duration",
                code=USAGE,
            )


def read(path: Path) -> "Workload":
    """The workload of a file. Raises CommandError with every fault."""
    from hasten_sim.workload import WorkloadError, load

    try:
        return load(path)
    except WorkloadError as error:
        first, *more = str(error).splitlines() or [""]
        message = "\n  ".join([f"workload {path} cannot be used: {first}", *more])
        raise CommandError(
            message, next_step="docs/workloads.md explains every key", code=USAGE
        ) from None


def checked(policies: Sequence[str]) -> tuple[str, ...]:
    """The policies, each once. Raises CommandError for one that does not exist."""
    from hasten_policy.registry import resolve

    for text in policies:
        try:
            resolve(text)
        except ValueError as error:
            raise CommandError(
                f"policy {text!r}: {error}",
                next_step="see what there is: hasten simulate --policies",
                code=USAGE,
            ) from None
    return tuple(dict.fromkeys(policies))


def _swept(options: WorkloadOptions, own: sweeps.Sweep) -> sweeps.Sweep:
    """Values by axis: what is fixed is a sweep of one value."""
    swept: sweeps.Sweep = {}
    for text in options.sweeps:
        axis, values = sweeps.parse(text)
        if axis in swept:
            raise CommandError(
                f"--sweep {axis} is given twice", next_step="give all values in one", code=USAGE
            )
        swept[axis] = values
    for axis in sweeps.AXES:
        value = getattr(options, axis)
        if value is None:
            continue
        if axis in swept:
            raise CommandError(
                f"--{axis} and --sweep {axis} contradict each other",
                next_step="drop one",
                code=USAGE,
            )
        sweeps.check(axis, value, f"--{axis}")
        swept[axis] = [value]
    return swept or own


def _command(options: WorkloadOptions, policies: Sequence[str], swept: sweeps.Sweep) -> str:
    words = ["hasten", "simulate", options.workload]
    for policy in policies:
        words += ["--policy", policy]
    for axis, values in swept.items():
        if len(values) == 1:
            words += [f"--{axis}", f"{values[0]:g}"]
        else:
            words += ["--sweep", sweeps.text_of(axis, values)]
    if options.duration_s is not None:
        words += ["--duration", f"{options.duration_s:g}s"]
    words += ["--seeds", str(options.seeds.count), "--seed", str(options.seeds.first)]
    return shlex.join(words)
