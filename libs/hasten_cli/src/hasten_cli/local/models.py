"""Which model repository local mode serves."""

import os
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Final

from hasten_cli.failures import USAGE, CommandError

if TYPE_CHECKING:
    from hasten_client import ModelState

DEFAULT_FOLDERS: Final = ("models", "examples/models")

_SAMPLE: Final = """\
name: "echo"
backend: "synthetic"
max_batch_size: 8
input [ { name: "INPUT" data_type: TYPE_FP32 dims: [ -1 ] } ]
output [ { name: "OUTPUT" data_type: TYPE_FP32 dims: [ -1 ] } ]
dynamic_batching { }
parameters { key: "alpha_ms" value { string_value: "2" } }
parameters { key: "beta_ms" value { string_value: "0.5" } }
"""


def models_folder(asked: Path | None, *, here: Path) -> Path | None:
    """The repository to serve: the one asked for, else the first usual one below `here`.

    Returns:
        An absolute folder; None when nothing was asked for and nothing is there.

    Raises:
        CommandError: The folder asked for is none, or cannot be read.
    """
    if asked is not None:
        if asked.is_dir() and not os.access(asked, os.R_OK | os.X_OK):
            raise CommandError(
                f"--models {asked} cannot be read by this user",
                next_step=f"allow it, for example with: chmod u+rx {asked}",
                code=USAGE,
            )
        if asked.is_dir():
            return asked.resolve()
        why = "is a file" if asked.exists() else "does not exist"
        raise CommandError(
            f"--models {asked} {why}; it must be a folder with one folder for each model",
            next_step="lay it out as MODEL/VERSION/model.onnx, for example digits/1/model.onnx",
            code=USAGE,
        )
    for name in DEFAULT_FOLDERS:
        if (here / name).is_dir():
            return (here / name).resolve()
    return None


def without_models(folder: Path, control: str) -> str:
    """What to do when none of the repository's models serves."""
    if control == "explicit":
        return "no model is loaded; next: hasten models load MODEL"
    laid_out = f"put one into {folder} as MODEL/1/model.onnx"
    if control == "poll":
        return f"no model is served; next: {laid_out}, it is taken up within seconds"
    return f"no model is served; next: {laid_out}, then start again"


def with_troubles(troubles: Sequence["ModelState"], folder: Path, control: str) -> list[str]:
    """One sentence for each model that could not be loaded, then one on what to do."""
    if not troubles:
        return []
    told = [
        f"model {state.name} {f'version {state.version} ' if state.version else ''}"
        f"is not served: {state.reason}"
        for state in troubles
    ]
    names = {state.name for state in troubles}
    name = names.pop() if len(names) == 1 else "MODEL"
    after = {
        "poll": "a mended one is taken up within seconds",
        "explicit": f"then: hasten models load {name}",
    }
    step = after.get(control, "then start again")
    return [*told, f"next: mend or remove the folder {folder / name}; {step}"]


def write_sample(folder: Path) -> Path:
    """Writes a repository with one small model, `echo`, which gives back what it gets."""
    (folder / "echo" / "1").mkdir(parents=True)
    (folder / "echo" / "config.pbtxt").write_text(_SAMPLE)
    return folder
