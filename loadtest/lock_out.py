"""Does an idle worker refuse what it could do, because of what it has seen before?

Each trial starts a mesh with one worker, does something to it, and asks one second later from one
caller, at deadlines of 3 and 8 times what the model costs and what a call takes beside (the 95th
percentile for a model that does nothing):

- constant: nothing at all; a mesh that was just started, calls of one size
- mixed: a dozen large calls, then small ones
- hiccup: the worker stands still (SIGSTOP) for 300 ms while it has a call
- overload: four times what it can do, for 2 s or what --seconds says

Between any two of these calls the same is asked of another mesh, to which nothing was done, without
a deadline: what came back in time there is what an idle worker can do on this machine at this time,
"able". "share" is how many were answered, of those.

    python -m loadtest.lock_out [--only constant] [--model mlp] [--calls 100] [--json]
"""

import argparse
import json
import os
import signal
import sys
import tempfile
import time
from collections.abc import Callable
from dataclasses import asdict, dataclass
from math import inf
from pathlib import Path
from typing import Final

import numpy as np

from loadtest import computing, frames, generator, plain
from loadtest.call import Outcome, serialised, serialised_inputs
from loadtest.computing import ENCODER, MLP
from loadtest.generator import Sender
from loadtest.mesh import Mesh, running_mesh
from loadtest.repository import write_mean
from loadtest.summary import quantile

MULTIPLES: Final = (8, 3)
REST_S: Final = 1.0
"""Between what is done and what is asked."""
LARGE: Final = 12
LARGE_LENGTH: Final = 256
LARGE_ROWS: Final = 32
WARM: Final = 20
STAND_STILL_S: Final = 0.3
OVERLOAD: Final = 4.0
OVERLOAD_S: Final = 2.0
OVERLOAD_DEADLINE_S: Final = 0.05
CALLERS: Final = 16
HOPS: Final = 200
HOP: Final = "does_nothing"
AIM: Final = 0.99


@dataclass(frozen=True)
class Case:
    """A model and the size that is asked for.

    Attributes:
        model: Its name.
        length: Of the encoder's input; 0 for the perceptron.
    """

    model: str
    length: int

    @property
    def name(self) -> str:
        """For people."""
        return f"{self.model} {self.length}" if self.length else self.model

    def payload(self) -> bytes:
        """A call of one row."""
        return computing.payload(self.model, self.length)

    def large(self) -> bytes:
        """A call that takes many times as long."""
        if self.length:
            return computing.payload(self.model, LARGE_LENGTH)
        return serialised_inputs(self.model, computing.inputs(self.model, 0, rows=LARGE_ROWS))


CASES: Final = (Case(MLP, 0), Case(ENCODER, 24), Case(ENCODER, 64))


@dataclass(frozen=True)
class Known:
    """What was measured of a case beforehand, on the mesh to which nothing is done.

    Attributes:
        cost_s: Of onnxruntime alone.
        hop_s: Of a call that does nothing.
        per_s: Calls a second that a mesh does, at most.
        busy_s: For how long that was measured.
    """

    cost_s: float
    hop_s: float
    per_s: float
    busy_s: float


@dataclass(frozen=True)
class Trial:
    """What came of one.

    Attributes:
        trial: What was done.
        case: What was asked.
        multiple: Of the cost, that a call was given.
        deadline_ms: The same with what a call takes beside.
        calls: That were asked.
        able: Of those that the other mesh was asked, in time there.
        answered: In time.
        left_out: Reasons why calls were not answered.
    """

    trial: str
    case: str
    multiple: int
    deadline_ms: float
    calls: int
    able: int
    answered: int
    left_out: dict[str, int]

    @property
    def share(self) -> float | None:
        """Answered, of what an idle worker can do; None where that is nothing."""
        return min(1.0, self.answered / self.able) if self.able else None


def nothing(_mesh: Mesh, _case: Case, _known: Known) -> None:
    """The mesh stays as it was started."""


def large_calls(mesh: Mesh, case: Case, _known: Known) -> None:
    """A dozen large calls, one by one."""
    generator.one_by_one(mesh.router, [(case.large(), None)] * LARGE)


def hiccup(mesh: Mesh, case: Case, _known: Known) -> None:
    """Some calls; while the last is on its way the worker stands still."""
    generator.one_by_one(mesh.router, [(case.payload(), None)] * WARM)
    with Sender(mesh.router, 1) as sender:
        sender.begin(frames.message(case.payload()), time.monotonic(), None)
        sender.turn(0.0)
        [pid] = mesh.worker_pids
        os.kill(pid, signal.SIGSTOP)
        try:
            time.sleep(STAND_STILL_S)
        finally:
            os.kill(pid, signal.SIGCONT)
        while sender.under_way:
            sender.turn(inf)


def overload(mesh: Mesh, case: Case, known: Known) -> None:
    """Many more calls than it can do, with short deadlines."""
    seconds = min(OVERLOAD_S, known.busy_s)
    offer = generator.Offer(OVERLOAD * known.per_s, seconds, OVERLOAD_DEADLINE_S)
    generator.offer(mesh.router, offer.planned([case.payload()]))


TRIALS: Final[dict[str, Callable[[Mesh, Case, Known], None]]] = {
    "constant": nothing,
    "mixed": large_calls,
    "hiccup": hiccup,
    "overload": overload,
}


def known_of(models: Path, other: Mesh, case: Case, seconds: float) -> Known:
    """Measures what a case takes."""
    session = plain.session_of(models / case.model / "1" / "model.onnx")
    cost_s = plain.cost_s(session, computing.inputs(case.model, case.length))
    nothing_to_do = serialised(HOP, "INPUT", np.ones((1, 16), np.float32))
    hops = generator.one_by_one(other.router, [(nothing_to_do, None)] * HOPS).outcomes
    busy = generator.keep_busy(other.router, [case.payload()], callers=CALLERS, seconds=seconds)
    per_s = sum(outcome.answered for outcome in busy.outcomes) / busy.wall_s
    return Known(cost_s, quantile([outcome.took_s for outcome in hops], 0.95), per_s, seconds)


def ask(
    trial: Sender, other: Sender, payload: bytes, deadline_s: float, calls: int
) -> list[tuple[Outcome, Outcome]]:
    """Asks both in turn, one call at a time: the trial with a deadline, the other without."""
    body = frames.message(payload)
    return [(trial.ask(body, deadline_s), other.ask(body, None)) for _ in range(calls)]


def tried(
    models: Path, other: Mesh, case: Case, known: Known, said: argparse.Namespace
) -> list[Trial]:
    """Every trial of a case, at every deadline, each on a mesh of its own."""
    found: list[Trial] = []
    for name in said.only or TRIALS:
        for multiple in said.multiple or MULTIPLES:
            deadline_s = multiple * known.cost_s + known.hop_s
            with running_mesh(models) as mesh:
                TRIALS[name](mesh, case, known)
                time.sleep(REST_S)
                with Sender(mesh.router, 1) as asked, Sender(other.router, 1) as beside:
                    pairs = ask(asked, beside, case.payload(), deadline_s, said.calls)
            left_out = [outcome.why for outcome, _ in pairs if not outcome.answered]
            found.append(
                Trial(
                    name,
                    case.name,
                    multiple,
                    deadline_s * 1e3,
                    calls=len(pairs),
                    able=sum(free.answered and free.took_s <= deadline_s for _, free in pairs),
                    answered=len(pairs) - len(left_out),
                    left_out={why: left_out.count(why) for why in sorted(set(left_out))},
                )
            )
            print(".", end="", file=sys.stderr, flush=True)
    return found


def table(found: list[Trial]) -> str:
    """The trials as text."""
    lines = ["trial     model       deadline         able  answered   share  not answered"]
    for one in found:
        reasons = ", ".join(f"{count} {why}" for why, count in one.left_out.items())
        share = "-" if one.share is None else f"{one.share:.1%}"
        lines.append(
            f"{one.trial:<9} {one.case:<11} {one.multiple}x {one.deadline_ms:>7.1f} ms"
            f" {one.able:>7}/{one.calls} {one.answered:>9} {share:>7}  {reasons}"
        )
    shares = [one.share for one in found if one.share is not None]
    good = sum(share >= AIM for share in shares)
    lines.append(
        f"{AIM:.0%} and more of what an idle worker can do: {good} of {len(shares)} trials"
    )
    return "\n".join(lines)


def main() -> None:
    """Entry point."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--only", action="append", choices=TRIALS, help="this trial")
    parser.add_argument("--model", choices=(MLP, ENCODER), help="this model")
    parser.add_argument("--multiple", action="append", type=int, help="of the cost: 8 and 3 else")
    parser.add_argument("--calls", type=int, default=100, help="in each trial")
    parser.add_argument("--seconds", type=float, default=2.0, help="to measure what a mesh can do")
    parser.add_argument("--json", action="store_true", help="one JSON array on stdout")
    said = parser.parse_args()
    found: list[Trial] = []
    with tempfile.TemporaryDirectory() as folder:
        models = Path(folder)
        cases = [case for case in CASES if said.model in {None, case.model}]
        computing.write(models, *dict.fromkeys(case.model for case in cases))
        write_mean(models, HOP, width=16)
        with running_mesh(models) as other:
            for case in cases:
                known = known_of(models, other, case, said.seconds)
                found += tried(models, other, case, known, said)
    print(file=sys.stderr)
    if said.json:
        print(json.dumps([{**asdict(one), "share": one.share} for one in found]))
    else:
        print(table(found))


if __name__ == "__main__":
    main()
