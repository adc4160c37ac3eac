"""Triton's repository layout on disk: models, versions, and whether they changed."""

import os
import re
import stat
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from hasten.inference.v2.model_config_pb2 import ModelConfig
from hasten_worker.engine.refusal import ModelRefused
from hasten_worker.engine.settings import FileLimits

CONFIG_NAME: Final = "config.pbtxt"
MODEL_FILE: Final = "model.onnx"
NAME_RULE: Final = "[A-Za-z0-9][A-Za-z0-9._-]{0,127}"
_NAME: Final = re.compile(rf"\A{NAME_RULE}\Z")
_VERSION: Final = re.compile(r"\A[1-9][0-9]{0,17}\Z")

FALLBACKS_MAX: Final = 3
"""Versions below the latest that are tried when those are refused."""

Fingerprint = tuple[tuple[str, int, int, int], ...]
"""Path, size, modification time (ns) and inode of each file: equal while nothing changed."""


@dataclass(frozen=True, slots=True)
class FolderState:
    """One model's folder at one look.

    Attributes:
        common: Fingerprint of what all versions share: configuration, labels, warm-up data.
        versions: Fingerprint of each version's folder.
        ignored: Sentences on what in the folder is not used.
    """

    common: Fingerprint
    versions: dict[str, Fingerprint]
    ignored: tuple[str, ...] = ()


def check_name(name: str) -> None:
    """Raises ModelRefused unless it may name a model."""
    if not _NAME.match(name):
        raise ModelRefused(f"{name[:200]!r} is no model name: expected {NAME_RULE}")


def is_version(name: str) -> bool:
    """A version's folder: a whole number from 1, as Triton has it, without leading zeros."""
    return _VERSION.match(name) is not None


def model_names(models_dir: Path, limits: FileLimits) -> tuple[list[str], list[str]]:
    """Names of the models in the repository, sorted, and sentences on what was ignored.

    Raises:
        OSError: The repository cannot be read.
    """
    names: list[str] = []
    ignored: list[str] = []
    with os.scandir(models_dir) as entries:
        for entry in sorted(entries, key=lambda entry: entry.name):
            if entry.name.startswith("."):
                continue
            if entry.is_symlink():
                ignored.append(f"{entry.name} is ignored: it is a symbolic link")
            elif not entry.is_dir():
                ignored.append(f"{entry.name} is ignored: it is not a folder")
            elif not _NAME.match(entry.name):
                ignored.append(f"{entry.name[:200]!r} is ignored: it is no model name")
            else:
                names.append(entry.name)
    if len(names) > limits.models_max:
        ignored.append(f"models after the first {limits.models_max} are ignored")
    return names[: limits.models_max], ignored


def look(folder: Path, limits: FileLimits) -> FolderState:
    """The state of a model's folder.

    Raises:
        ModelRefused: The folder is missing, unreadable or a link, or was just being changed.
    """
    common: list[tuple[str, int, int, int]] = []
    versions: dict[str, Fingerprint] = {}
    ignored: list[str] = []
    try:
        if not stat.S_ISDIR(folder.lstat().st_mode):
            raise ModelRefused(f"model folder {folder.name!r} is a link or a file")
        with os.scandir(folder) as entries:
            for entry in sorted(entries, key=lambda entry: entry.name):
                if entry.name.startswith("."):
                    continue
                if not entry.is_dir(follow_symlinks=False):
                    common.append(_mark(entry.name, entry.stat(follow_symlinks=False)))
                elif is_version(entry.name):
                    versions[entry.name] = _marks(Path(entry.path), limits)
                elif entry.name == "warmup":
                    common.extend(_marks(Path(entry.path), limits))
                else:
                    ignored.append(
                        f"folder {entry.name!r} is ignored: a version is a whole number from 1 "
                        "without leading zeros"
                    )
    except FileNotFoundError:
        raise _missing(folder) from None
    except OSError as error:
        raise ModelRefused(
            f"model folder {folder.name!r} cannot be read: {error.strerror}", passing=True
        ) from None
    if len(versions) > limits.versions_max:
        raise ModelRefused(
            f"{len(versions)} version folders, more than the limit of {limits.versions_max}"
        )
    return FolderState(tuple(common), versions, tuple(ignored))


def _missing(folder: Path) -> ModelRefused:
    """Why something was not found in the folder."""
    if folder.exists():
        sentence = f"model folder {folder.name!r} changed while it was looked at"
        return ModelRefused(sentence, passing=True)
    return ModelRefused(f"there is no folder {folder.name!r} in the repository")


def wanted_versions(config: ModelConfig, present: list[str]) -> tuple[list[str], int]:
    """The versions that the version policy asks for.

    Args:
        config: As written.
        present: Versions whose folders exist.

    Returns:
        Candidates, highest first, and how many of them are to be loaded. There are more
        candidates than that under the policy `latest`: a version that is refused makes room
        for the next lower one, so that a bad new version does not end the service.

    Raises:
        ModelRefused: The policy names a version that is not there.
    """
    ordered = sorted(present, key=int, reverse=True)
    policy = config.version_policy
    choice = policy.WhichOneof("policy_choice")
    if choice == "all":
        return ordered, len(ordered)
    if choice == "specific":
        named = sorted({str(version) for version in policy.specific.versions}, key=int)
        for version in named:
            if version not in present:
                raise ModelRefused(
                    f"version_policy asks for version {version}, but the folder has "
                    f"{', '.join(sorted(present, key=int)) or 'no version'}"
                )
        return named[::-1], len(named)
    count = max(1, policy.latest.num_versions)
    return ordered[: count + FALLBACKS_MAX], count


def file_name_of(config: ModelConfig) -> str:
    """Name of the model file inside of a version's folder.

    Raises:
        ModelRefused: default_model_filename leads elsewhere.
    """
    name = config.default_model_filename or MODEL_FILE
    if "/" in name or "\\" in name or "\0" in name or name in {".", ".."}:
        raise ModelRefused(
            f"default_model_filename is {name!r}: expected the name of a file in the version's "
            "folder"
        )
    return name


def _marks(folder: Path, limits: FileLimits) -> Fingerprint:
    marks: list[tuple[str, int, int, int]] = []
    for path, status in _walk(folder):
        marks.append(_mark(path, status))
        # One more than may be: enough to be refused, and still bounded.
        if len(marks) > limits.files_max:
            break
    return tuple(sorted(marks))


def _walk(folder: Path) -> Iterator[tuple[str, os.stat_result]]:
    for root, _, names in os.walk(folder):
        for name in names:
            path = Path(root, name)
            yield str(path.relative_to(folder.parent)), path.lstat()


def _mark(path: str, status: os.stat_result) -> tuple[str, int, int, int]:
    return path, status.st_size, status.st_mtime_ns, status.st_ino
