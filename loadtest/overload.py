"""Goodput as the offered load grows past what the mesh can do, and how soon it is over.

The models compute: `mlp`, a perceptron of some tenths of a millisecond, `encoder`, a sentence
encoder of MiniLM's size that takes any length, or `mix`, both at once. What the mesh can do is
measured first: the most calls a second of 2, 4, 8 or 16 callers in a closed loop of whom nine in
ten are answered within the deadline. Loads are multiples of that, offered as calls come in practice
(Poisson), whatever becomes of them. After the highest load half the capacity is offered without a
pause, to see when all is well again.

--warm (as it is without) offers all loads to the mesh that was measured. --fresh starts a new one
for each: a closed loop teaches a mesh what its models take, and hides how it begins.

"of capacity" is the share of it that was answered in time; "late" the share of what was not
refused on arrival that was not answered in time; "in vain" counts rows that were run and whose
answer came too late, "begun late" those of a batch that began too late. "sent late" tells on the
sender: when it is not small, the figures are the sender's own; "sender" is its share of a core.

--exact puts beside it what one lane that knows exactly how long batches take would answer of the
same load (hasten_sim.yardstick), by the model's runs on onnxruntime alone: one model, one length.

    python -m loadtest.overload [--model mix] [--lengths 8,16] [--fresh] [--burners 2] [--json]
"""

import argparse
import asyncio
import json
import sys
import tempfile
from collections.abc import Sequence
from contextlib import ExitStack
from dataclasses import asdict, dataclass, replace
from heapq import merge
from pathlib import Path
from typing import Final

from loadtest import computing, generator
from loadtest.burners import burning
from loadtest.call import Outcome
from loadtest.computing import ENCODER, MLP
from loadtest.exact import exact_per_s, line_ms
from loadtest.executed import executed_of, late_starts
from loadtest.generator import Planned
from loadtest.mesh import Mesh, running_mesh
from loadtest.summary import Summary, normal_after_s, quantile, summarise

MODELS: Final = {MLP: (MLP,), ENCODER: (ENCODER,), "mix": (MLP, ENCODER)}
LOADS: Final = "0.5,1,1.5,2,4,10"
LENGTHS: Final = "24"
CALLERS: Final = (2, 4, 8, 16)
"""Of the closed loops that measure the capacity: more than batches need, their calls only wait."""
CLOSED_S_MAX: Final = 2.0
"""Length of each."""
LOAD_AFTER: Final = 0.5
SECONDS_AFTER: Final = 4.0
"""Of what follows the last load; less where the loads themselves are short."""
WARM_UP_S: Final = 1.0
"""Of a load before what counts, or a third of it where it is short."""
SENT_LATE_MS: Final = 20.0
HEAD: Final = (
    "  load  offered/s  in time/s  of capacity    late  answer p99  refusal p50 / p99"
    "  begun late  in vain  sent late p99  sender"
)


@dataclass(frozen=True, slots=True)
class Demand:
    """What is asked of a mesh.

    Attributes:
        models: Their names.
        lengths: Of the encoder's inputs, asked for equally often.
        deadline_s: Of each call.
        seconds: That count, of each load.
    """

    models: tuple[str, ...]
    lengths: tuple[int, ...]
    deadline_s: float
    seconds: float

    def payloads(self, model: str) -> list[bytes]:
        """The calls of a model, which are made in turn."""
        lengths = self.lengths if model == ENCODER else (0,)
        return [computing.payload(model, length) for length in lengths]


@dataclass(frozen=True, slots=True)
class Step:
    """What became of one load.

    Attributes:
        summary: As the callers saw it, without the warm-up.
        of_capacity: Share of the capacity that was answered in time.
        in_vain: Rows run without an answer in time, the warm-up included.
        begun_late: Calls whose batch began after their deadline, the warm-up included.
        sender: Share of a core that the load generator took.
        exact: Share of the capacity that exact knowledge would answer; None where not asked for.
    """

    summary: Summary
    of_capacity: float
    in_vain: int
    begun_late: int
    sender: float
    exact: float | None = None


Capacity = dict[str, float]
"""Calls a second that a mesh answers of each model when it is asked for that model alone."""


def capacity_of(mesh: Mesh, demand: Demand) -> Capacity:
    """Measures it, model by model."""
    found: Capacity = {}
    seconds = min(CLOSED_S_MAX, demand.seconds)
    for model in demand.models:
        payloads = demand.payloads(model)
        generator.keep_busy(mesh.router, payloads, callers=max(CALLERS), seconds=seconds / 2)
        found[model] = 0.0
        for callers in CALLERS:
            sent = generator.keep_busy(mesh.router, payloads, callers=callers, seconds=seconds)
            took_s = [outcome.took_s for outcome in sent.outcomes if outcome.answered]
            # Where even two callers wait longer, their rate has to do.
            if not found[model] or quantile(took_s, 0.9) <= demand.deadline_s:
                found[model] = max(found[model], len(took_s) / sent.wall_s)
    return found


def per_s(capacity: Capacity) -> float:
    """Calls a second where each model gets an equal part of the mesh."""
    return sum(capacity.values()) / len(capacity)


def plan(
    demand: Demand, capacity: Capacity, load: float, begin_s: float, end_s: float
) -> list[Planned]:
    """The calls of one load between two times."""
    offers: list[list[Planned]] = []
    for seed, (model, rate) in enumerate(capacity.items()):
        mean = load * rate / len(capacity)
        offer = generator.Offer(mean, end_s - begin_s, demand.deadline_s, seed + 1)
        planned = offer.planned(demand.payloads(model))
        offers.append([replace(call, at_s=begin_s + call.at_s) for call in planned])
    return list(merge(*offers, key=lambda call: call.at_s))


def run_so_far(mesh: Mesh, demand: Demand) -> int:
    """Rows that the workers have run of all models."""
    return sum(asyncio.run(executed_of(mesh.router, model)).rows for model in demand.models)


def measured(
    mesh: Mesh, demand: Demand, capacity: Capacity, load: float, *, last: bool
) -> tuple[Step, list[Outcome]]:
    """One load, and the outcomes of what followed it when it is the last."""
    warm_s = min(WARM_UP_S, demand.seconds / 3)
    end_s = warm_s + demand.seconds
    calls = plan(demand, capacity, load, 0.0, end_s)
    counted = len(calls)
    if last:
        after_s = min(SECONDS_AFTER, 2 * demand.seconds)
        calls += plan(demand, capacity, LOAD_AFTER, end_s, end_s + after_s)
    rows, late = run_so_far(mesh, demand), late_starts(mesh.worker_metrics)
    sent = generator.offer(mesh.router, calls)
    rows, late = run_so_far(mesh, demand) - rows, late_starts(mesh.worker_metrics) - late
    first = sum(call.at_s < warm_s for call in calls)
    summary = summarise(sent.outcomes[first:counted])
    step = Step(
        summary,
        summary.answered / demand.seconds / per_s(capacity),
        in_vain=rows - sum(outcome.answered for outcome in sent.outcomes),
        begun_late=late,
        sender=sent.cpu_s / sent.wall_s,
    )
    return step, list(sent.outcomes[counted:])


@dataclass(frozen=True, slots=True)
class Sweep:
    """Every load.

    Attributes:
        capacity: Of the mesh.
        steps: By load.
        normal_after_s: After the last load until nine in ten are answered again.
    """

    capacity: Capacity
    steps: dict[float, Step]
    normal_after_s: float


def sweep(models: Path, demand: Demand, loads: Sequence[float], said: argparse.Namespace) -> Sweep:
    """Measures the capacity, then offers every load, to one mesh or each to a new one."""
    with ExitStack() as stack:

        def fresh() -> Mesh:
            stack.close()
            mesh = stack.enter_context(running_mesh(models, workers=said.workers))
            stack.enter_context(burning(said.burners))
            return mesh

        mesh = None
        if said.capacity:
            capacity = dict.fromkeys(demand.models, said.capacity)
        else:
            mesh = fresh()
            capacity = capacity_of(mesh, demand)
        steps: dict[float, Step] = {}
        after: list[Outcome] = []
        for load in loads:
            if mesh is None or said.fresh:
                mesh = fresh()
            steps[load], after = measured(mesh, demand, capacity, load, last=load == loads[-1])
            print(".", end="", file=sys.stderr, flush=True)
        print(file=sys.stderr)
    if said.exact:
        steps = with_exact(models, demand, capacity, steps)
    return Sweep(capacity, steps, normal_after_s(after))


def with_exact(
    models: Path, demand: Demand, capacity: Capacity, steps: dict[float, Step]
) -> dict[float, Step]:
    """The steps with what exact knowledge would answer."""
    [(model, per_second)] = capacity.items()
    line, deadline_ms = line_ms(models, model, demand.lengths[0]), demand.deadline_s * 1e3
    return {
        load: replace(step, exact=exact_per_s(line, deadline_ms, load * per_second) / per_second)
        for load, step in steps.items()
    }


def table(found: Sweep, demand: Demand) -> str:
    """The sweep as text."""
    each = ", ".join(f"{model} {rate:.0f}/s" for model, rate in found.capacity.items())
    lines = [f"capacity: {each}; deadline {demand.deadline_s * 1e3:g} ms", HEAD]
    for load, step in found.steps.items():
        seen = step.summary
        late = "!" if seen.sent_late_ms[1] > SENT_LATE_MS else " "
        lines.append(
            f"{load:>5g}x{late}{seen.offered / demand.seconds:>10.0f}"
            f" {seen.answered / demand.seconds:>10.0f} {step.of_capacity:>12.2f}"
            f" {seen.missed_share:>7.1%} {seen.answer_ms[1]:>8.1f} ms"
            f" {seen.refusal_ms[0]:>8.1f} / {seen.refusal_ms[1]:.1f} ms"
            f" {step.begun_late:>11d} {step.in_vain:>8d} {seen.sent_late_ms[1]:>11.1f} ms"
            f" {step.sender:>7.0%}"
        )
    for load, step in found.steps.items():
        ended = {**step.summary.refused, **step.summary.missed}
        reasons = ", ".join(f"{count} {reason}" for reason, count in ended.items())
        lines.append(f"{load:>5g}x not in time: {reasons or 'none'}")
    lines += [
        f"{load:>5g}x exact knowledge: {step.exact:.2f} of the capacity"
        for load, step in found.steps.items()
        if step.exact is not None
    ]
    last = list(found.steps)[-1]
    lines.append(
        f"after {last:g}x, nine in ten are answered again within {found.normal_after_s:g} s"
    )
    if any(step.summary.sent_late_ms[1] > SENT_LATE_MS for step in found.steps.values()):
        lines.append("! the sender itself was late: the row says little of the mesh")
    return "\n".join(lines)


def _arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--model", choices=MODELS, default=ENCODER)
    parser.add_argument("--lengths", default=LENGTHS, help="of the encoder's inputs, as 8,16,24")
    parser.add_argument("--multiples", default=LOADS, help="of the capacity, as 0.5,1,2")
    parser.add_argument("--capacity", type=float, metavar="PER_S", help="not to be measured")
    parser.add_argument("--deadline", type=float, default=50.0, metavar="MS", help="of each call")
    parser.add_argument("--workers", type=int, default=1)
    parser.add_argument("--seconds", type=float, default=5.0, help="that count, of each load")
    parser.add_argument("--burners", type=int, default=0, metavar="N", help="busy processes a core")
    parser.add_argument("--exact", action="store_true", help="and what exact knowledge would do")
    start = parser.add_mutually_exclusive_group()
    start.add_argument("--fresh", action="store_true", help="a new mesh for each load")
    start.add_argument("--warm", action="store_true", help="one mesh for all loads [default]")
    parser.add_argument("--json", action="store_true", help="one JSON object on stdout")
    said = parser.parse_args()
    if said.exact and (said.model == "mix" or "," in said.lengths or said.workers != 1):
        parser.error("--exact is for one model, one length and one worker")
    return said


def main() -> None:
    """Entry point."""
    said = _arguments()
    loads = [float(load) for load in said.multiples.split(",")]
    lengths = tuple(int(length) for length in said.lengths.split(","))
    demand = Demand(MODELS[said.model], lengths, said.deadline / 1e3, said.seconds)
    with tempfile.TemporaryDirectory() as folder:
        computing.write(Path(folder), *demand.models)
        found = sweep(Path(folder), demand, loads, said)
    if said.json:
        steps = {str(load): asdict(step) for load, step in found.steps.items()}
        start = "fresh" if said.fresh else "warm"
        told = {"capacity_per_s": found.capacity, "start": start, "burners": said.burners}
        print(json.dumps({**told, "loads": steps, "normal_after_s": found.normal_after_s}))
        return
    print(table(found, demand))


if __name__ == "__main__":
    main()
