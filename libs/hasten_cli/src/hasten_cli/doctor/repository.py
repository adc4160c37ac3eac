"""The model repository: what would be served, and what would not, without loading anything."""

from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from hasten_cli.doctor.finding import Finding, bounded, fail, ok, warn
from hasten_cli.local.models import models_folder

if TYPE_CHECKING:
    from hasten_worker.engine.store.inspecting import Inspected


def repository_findings(
    asked: Path | None, here: Path, inspect: Callable[[Path], "Sequence[Inspected]"]
) -> Iterator[Finding]:
    """What the folder that `hasten up` would serve holds.

    Args:
        asked: The folder that the operator named; None for the usual ones.
        here: Where the usual ones are looked for.
        inspect: Looks into a repository. Raises OSError.
    """
    folder = models_folder(asked, here=here)
    if folder is None:
        yield ok("models", "no ./models here: `hasten up` serves the sample model `echo`")
        return
    seen = inspect(folder)
    good = [one for one in seen if not one.fault]
    if good:
        names = len({one.name for one in good})
        yield ok(
            "models",
            f"{names} models, {len(good)} versions in {folder}: nothing stands against trying them",
        )
    elif not seen:
        yield warn(
            "models",
            f"no model in {folder}",
            f"put one into {folder} as MODEL/1/model.onnx",
        )
    noted = [
        warn("models", f"model {one.name}: {note}", f"mend the folder {folder / one.name}")
        for one in seen
        for note in one.notes
    ]
    yield from bounded([*noted, *(_bad(one, folder) for one in seen if one.fault)])


def inspect_repository(folder: Path) -> "Sequence[Inspected]":
    """Looks into the repository as a worker would, but loads nothing. Raises OSError."""
    from hasten_worker.engine.settings import StoreSettings
    from hasten_worker.engine.store.inspecting import inspect

    return inspect(StoreSettings(models_dir=folder))


def _bad(one: "Inspected", folder: Path) -> Finding:
    version = f" version {one.version}" if one.version else ""
    return fail(
        "models",
        f"model {one.name}{version} would not be served: {one.fault}",
        f"mend or remove the folder {folder / one.name}",
    )
