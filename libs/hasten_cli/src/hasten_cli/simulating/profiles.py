"""Measured profiles of models: from workers of a running mesh, or measured here and now."""

import json
import os
import subprocess
import sys
import tempfile
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, replace
from pathlib import Path
from statistics import median
from typing import IO, TYPE_CHECKING, Any, Final

from hasten_cli.calls import ANSWER_S_MAX, client
from hasten_cli.failures import FAILED, USAGE, CommandError
from hasten_cli.local.models import models_folder
from hasten_cli.local.plan import service_environ

if TYPE_CHECKING:
    from hasten_client import WorkerModel
    from hasten_sim.question import Profile

STOP_S_MAX: Final = 15.0
TAIL_LINES: Final = 10
CV_MAX: Final = 1.0
"""A few measured runs say no more of the noise than this."""
REPORTED_CV: Final = 0.05
"""How runs vary, for models whose workers report the typical run alone."""
_NOT_MEASURED: Final = "no run of it was measured; give it a sample in model_warmup"
_MAD_TO_SIGMA: Final = 1.4826


@dataclass(frozen=True, slots=True)
class Measured:
    """What is known of a mesh's models.

    Attributes:
        profiles: Models by name.
        lanes: Batches that a worker runs at once.
        workers: Workers of the mesh that was asked; 0 when none was.
        said: What people should know beside it.
    """

    profiles: "tuple[Profile, ...]"
    lanes: int
    workers: int
    said: tuple[str, ...] = ()


def chosen(measured: Measured, wanted: Sequence[str]) -> Measured:
    """The models that were asked for, `NAME` or `NAME=SHARE` each; all when none was.

    Raises:
        CommandError: One is not there, or its share is no number.
    """
    if not wanted:
        return measured
    by_name = {one.model: one for one in measured.profiles}
    found = []
    for text in wanted:
        name, _, share = text.partition("=")
        if name not in by_name:
            raise CommandError(
                f"--model {name}: no such model was measured",
                next_step=f"there are {', '.join(sorted(by_name))}",
                code=USAGE,
            )
        try:
            number = float(share or 1)
        except ValueError:
            number = 0.0
        if not 0.0 < number < 1e9:
            raise CommandError(
                f"--model {text}: {share!r} is no share",
                next_step=f"write --model {name}=2",
                code=USAGE,
            )
        found.append(replace(by_name[name], share=number))
    return replace(measured, profiles=tuple(found))


# --- a running mesh -------------------------------------------------------------------


def of_mesh(address: str) -> Measured:
    """What the workers of a running mesh report.

    Raises:
        CommandError: Nobody answers, or nobody serves a model.
    """
    with client(address) as mesh:
        workers = mesh.workers(deadline_s=ANSWER_S_MAX)
    models: dict[str, list[WorkerModel]] = {}
    for worker in workers:
        for model in worker.models:
            if model.ready and model.best_s > 0.0:
                models.setdefault(model.name, []).append(model)
    if not models:
        raise CommandError(
            f"no worker of {address} serves a model that it has measured",
            next_step=f"see why: hasten models list --address {address}",
        )
    return Measured(
        profiles=tuple(_reported(name, models[name]) for name in sorted(models)),
        lanes=round(median([worker.lanes for worker in workers] or [1])),
        workers=len(workers),
    )


def _reported(name: str, models: "Sequence[WorkerModel]") -> "Profile":
    """Of the medians over the workers; how runs vary they do not tell."""
    from hasten_sim.question import Profile
    from hasten_sim.scenario import BatchTimes

    alpha_s, beta_s = (
        median(getattr(model, what) for model in models) for what in ("alpha_s", "beta_s")
    )
    return Profile(
        model=name,
        batch_max=max(model.batch_max for model in models) or 1,
        times=BatchTimes(alpha_s, beta_s),
        cv=REPORTED_CV,
    )


# --- measured here --------------------------------------------------------------------


def of_folder(models: Path, *, show: bool) -> Measured:
    """Measures the models of a repository as a worker does when it loads them.

    Args:
        models: The repository.
        show: Say on standard error which model was measured.

    Raises:
        CommandError: The repository cannot be read, or none of it can be loaded.
    """
    folder = models_folder(models, here=Path.cwd())
    profiles: list[Profile] = []
    said: list[str] = []
    lanes = 1
    if show:
        print(f"measuring the models of {models} ...", file=sys.stderr, flush=True)
    with _measuring(str(folder)) as lines:
        for facts in lines:
            if facts["event"] == "measured" and not facts["profile"]:
                said.append(f"model {facts['model']} is left out: {_NOT_MEASURED}")
            elif facts["event"] == "measured":
                profiles.append(_profiled(facts))
                if show:
                    print(f"  {_says(profiles[-1])}", file=sys.stderr, flush=True)
            elif facts["event"] == "refused":
                said.append(f"model {facts['model']} is left out: {facts['reason']}")
            else:
                lanes = int(facts["lanes"])
    if not profiles:
        why = "".join(f"\n  {one}" for one in said) or ": the folder has none"
        raise CommandError(
            f"no model of {models} can be measured{why}",
            next_step="mend that" if said else "lay one out as MODEL/VERSION/model.onnx",
        )
    return Measured(tuple(sorted(profiles, key=lambda one: one.model)), lanes, 0, tuple(said))


@contextmanager
def _measuring(folder: str) -> Iterator[Iterator[Mapping[str, Any]]]:
    """The lines of a measuring process, which is gone at the end of the block."""
    with (
        tempfile.TemporaryDirectory(prefix="hasten-simulate-") as scratch,
        tempfile.TemporaryFile() as log,
    ):
        (Path(scratch) / "tmp").mkdir()
        environ = service_environ(os.environ, "HASTEN_WORKER_", Path(scratch))
        process = subprocess.Popen(
            [sys.executable, "-m", "hasten_worker.measure"],
            env={
                **environ,
                "HASTEN_WORKER_MODELS_DIR": folder,
                "HASTEN_WORKER_MODEL_CONTROL": "none",
            },
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=log,
            text=True,
        )
        try:
            yield _lines(process)
            if process.wait(STOP_S_MAX):
                raise _failed(process.returncode, log)
        finally:
            _stop(process)


def _lines(process: "subprocess.Popen[str]") -> Iterator[Mapping[str, Any]]:
    for line in process.stdout or ():
        try:
            facts = json.loads(line)
        except ValueError:  # Libraries print there too.
            continue
        if isinstance(facts, dict) and "event" in facts:
            yield facts


def _stop(process: "subprocess.Popen[str]") -> None:
    if process.poll() is None:
        process.terminate()
        try:
            process.wait(STOP_S_MAX)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()
    if process.stdout is not None:
        process.stdout.close()


def _failed(status: int, log: IO[bytes]) -> CommandError:
    log.seek(0)
    tail = log.read().decode(errors="replace").splitlines()[-TAIL_LINES:]
    return CommandError(
        "\n    ".join([f"measuring ended with status {status}; last lines of its log:", *tail]),
        next_step="mend that, or ask a running mesh with --from HOST:PORT",
        code=FAILED,
    )


def _profiled(facts: Mapping[str, Any]) -> "Profile":
    """Median of each size, made rising; noise out of the median deviation from them.

    A model with free sizes was measured with several: the first are those of its samples, or the
    smallest that it runs with.
    """
    from hasten_sim.question import Profile
    from hasten_sim.scenario import BatchTimes

    sizes: dict[int, list[float]] = {}
    first_rows, first_elements, _ = facts["profile"][0]
    for rows, elements, seconds in facts["profile"]:
        if elements * first_rows == first_elements * rows:
            sizes.setdefault(int(rows), []).append(float(seconds))
    points: list[tuple[int, float]] = []
    deviations: list[float] = []
    for rows in sorted(sizes):
        middle = median(sizes[rows])
        deviations += [abs(seconds / middle - 1.0) for seconds in sizes[rows] if middle > 0.0]
        # A larger batch is never faster; a measurement may say so by chance.
        points.append((rows, max(middle, points[-1][1] if points else 0.0)))
    return Profile(
        model=str(facts["model"]),
        batch_max=int(facts["batch_max"]),
        times=BatchTimes(points=tuple(points)),
        cv=min(CV_MAX, _MAD_TO_SIGMA * median(deviations)) if deviations else 0.0,
    )


def _says(profile: "Profile") -> str:
    from hasten_cli.durations import format_duration

    said = f"{profile.model}: {format_duration(profile.times.seconds(1))} a batch of 1"
    if profile.batch_max > 1:
        most_s = profile.times.seconds(profile.batch_max)
        said += f", {format_duration(most_s)} of {profile.batch_max}"
    return said
