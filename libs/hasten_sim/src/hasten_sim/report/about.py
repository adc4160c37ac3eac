"""What was simulated, in words."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

from hasten_sim.points import AS_SAID, Point, Source, capacity_at
from hasten_sim.report.plot import Band
from hasten_sim.report.words import number, span
from hasten_sim.scenario import Fault, MeshShape, ModelShape

NAMED_MAX: Final = 8


@dataclass(frozen=True, slots=True)
class About:
    """What a report says beside its figures.

    Attributes:
        title: Of the page.
        description: What the workload is for, in its author's words.
        command: Runs the same again, with its seeds.
        facts: Pairs of a name and what is to be said under it.
        faults: What goes wrong, as spans of time.
    """

    title: str
    description: str
    command: str
    facts: tuple[tuple[str, str], ...]
    faults: tuple[Band, ...]


def about(
    source: Source,
    *,
    description: str,
    command: str,
    seeds: Sequence[int],
    points: Sequence[Point] = (),
) -> About:
    """Of a workload as it says itself, what was changed in it, and the command that ran it."""
    scenario = source.scenario()
    capacity = capacity_at(source, AS_SAID)
    arrivals = (
        f"{number(scenario.offered_per_s)} requests a second on average "
        f"({scenario.offered_per_s / capacity:.2g}\N{MULTIPLICATION SIGN} the capacity) for "
        f"{scenario.duration_s:g} s, of which the first {scenario.warmup_s:g} s are not counted"
    )
    facts = [
        ("mesh", _mesh(scenario.mesh)),
        ("network", _network(scenario.mesh)),
        ("models", _models(scenario.models)),
        ("arrivals", arrivals),
        ("capacity", f"{number(capacity)} requests a second are the load 1"),
    ]
    if len(scenario.tenants) > 1:
        facts.append(("tenants", ", ".join(scenario.tenants[:NAMED_MAX])))
    changed = [str(point) for point in points if point != AS_SAID]
    if changed:
        facts.append(("run with", _some(changed)))
    if scenario.faults:
        facts.append(("faults", "; ".join(_fault(fault) for fault in scenario.faults)))
    facts.append(("seeds", _seeds(seeds)))
    return About(
        title=scenario.name,
        description=description,
        command=command,
        facts=tuple(facts),
        faults=tuple(
            Band(fault.at_s, min(fault.at_s + fault.for_s, scenario.duration_s), _fault(fault))
            for fault in scenario.faults
        ),
    )


def _mesh(mesh: MeshShape) -> str:
    said = f"{_count(mesh.routers, 'router')}, {_count(mesh.workers, 'worker')}"
    if mesh.lanes > 1:
        said += f" of {mesh.lanes} lanes"
    if len(set(mesh.speeds)) > 1:
        known = "known to the routers" if mesh.weights_known else "unknown to the routers"
        speeds = ", ".join(f"{speed:g}" for speed in mesh.speeds[:NAMED_MAX])
        said += f"; speeds {speeds} in turn, {known}"
    if mesh.lag_s:
        said += f"; the end of a run is heard of after {span(mesh.lag_s)}"
    if mesh.host is not None:
        said += f"; all on one machine of {mesh.host.cores:g} cores"
    return said


def _network(mesh: MeshShape) -> str:
    network = mesh.network
    said = f"{network.latency_s * 1e3:g} ms one way"
    if network.jitter_s:
        said += f" and {network.jitter_s * 1e3:g} ms of jitter"
    said += f", full reports every {network.report_period_s * 1e3:g} ms"
    if network.report_loss:
        said += f", {network.report_loss * 100:g} % of them lost"
    return said


def _models(models: Sequence[ModelShape]) -> str:
    """By how long they take; those that take the same are told once."""
    alike: dict[str, list[str]] = {}
    for model in models:
        alike.setdefault(_times(model), []).append(model.name)
    return _some(
        [
            f"{names[0]} and {len(names) - 1} alike: {times}"
            if len(names) > 1
            else f"{names[0]}: {times}"
            for times, names in alike.items()
        ]
    )


def _times(model: ModelShape) -> str:
    said = f"{number(model.mean_s(1) * 1e3)} ms a batch of 1"
    if model.batch_max > 1:
        said += f", {number(model.mean_s(model.batch_max) * 1e3)} ms of {model.batch_max}"
    lengths = model.lengths
    if lengths.vary:
        first, last = lengths.choices[0][0], lengths.choices[-1][0]
        said += f", at the mean of lengths from {first} to {last}"
    return said


def _some(said: Sequence[str]) -> str:
    """The first few of many."""
    more = len(said) - NAMED_MAX
    return "; ".join(said[:NAMED_MAX]) + (f"; and {more} more" if more > 0 else "")


def _fault(fault: Fault) -> str:
    who = "" if fault.worker is None else f" of worker {fault.worker}"
    who = who if fault.router is None else f" of router {fault.router}"
    what = fault.kind.replace("_", " ")
    span_said = "for good" if fault.for_s == float("inf") else f"for {fault.for_s:g} s"
    return f"{what}{who}{_how_much(fault)} at {fault.at_s:g} s {span_said}"


def _how_much(fault: Fault) -> str:
    match fault.kind:
        case "slow":
            return f" {fault.factor:g}\N{MULTIPLICATION SIGN}"
        case "steal":
            often = f" for {span(fault.each_s)} of {span(fault.every_s)}" if fault.every_s else ""
            return f" {fault.share * 100:g} % of the CPU{often}"
        case "crowd":
            return f" of {fault.threads:g} threads"
        case "hiccup":
            return f" of {span(fault.stall_s)}"
        case _:
            return ""


def _seeds(seeds: Sequence[int]) -> str:
    first, last = seeds[0], seeds[-1]
    return f"{first}" if first == last else f"{first} to {last}"


def _count(count: int, what: str) -> str:
    return f"{count} {what}" if count == 1 else f"{count} {what}s"
