"""Triton's repository layout on disk: models, versions, and whether they changed."""

import os
import re
import unicodedata
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from hasten.inference.v2.model_config_pb2 import ModelConfig
from hasten_worker.engine.files.links import real_place
from hasten_worker.engine.refusal import ModelRefused
from hasten_worker.engine.settings import FileLimits

CONFIG_NAME: Final = "config.pbtxt"
MODEL_FILE: Final = "model.onnx"
NAME_CHARS_MAX: Final = 128
_NAME_SIGNS_REFUSED: Final = frozenset('/\\*"')
_OF_THE_DISK: Final = frozenset({"lost+found", "System Volume Information", "$RECYCLE.BIN"})
"""Folders that a file system makes at its top: nobody put a model there."""
_VERSION: Final = re.compile(r"\A[1-9][0-9]{0,17}\Z")
_NEARLY_A_VERSION: Final = re.compile(r"\A[vV]?-?[0-9][0-9.]*\Z")
"""What somebody may have taken for a version."""

VERSION_RULE: Final = "a version is a whole number from 1 without leading zeros"
FALLBACKS_MAX: Final = 3
"""Older versions that are tried when the latest ones are refused."""

Mark = tuple[str, int, int, int]
Fingerprint = tuple[Mark, ...]
"""Path, size, modification time (ns) and inode of each file: equal while nothing changed."""


@dataclass(frozen=True, slots=True)
class FolderState:
    """One model's folder at one look.

    Attributes:
        folder: Where it really is, all links resolved.
        common: Fingerprint of what all versions share: configuration, labels, warm-up data.
        versions: Fingerprint of each version's folder.
        ignored: Sentences on what in the folder is not used.
        odd: Folders that look like versions and are none.
    """

    folder: Path
    common: Fingerprint
    versions: dict[str, Fingerprint]
    ignored: tuple[str, ...] = ()
    odd: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Listing:
    """A repository at one look.

    Attributes:
        names: Its models, sorted.
        unusable: What lies there and cannot be served, by its name as it can be shown, with the
            reason.
        place: Device and inode of the repository's folder: another one when something else is
            mounted there.
    """

    names: tuple[str, ...]
    unusable: dict[str, str]
    place: tuple[int, int]


def name_fault(name: str) -> str:
    """What keeps a text from naming a model; "" when it may.

    A name goes into requests, metrics, logs and paths, and people read it: letters and digits of
    any script, single signs and blanks inside are fine, what cannot be seen or told apart is not.
    """
    if not name or len(name) > NAME_CHARS_MAX:
        return f"a model's name has 1 to {NAME_CHARS_MAX} characters"
    if not name.isprintable():
        return "a model's name has only signs that can be printed"
    if name[0] in ".-" or name != name.strip():
        return "a model's name begins with no dot, dash or blank and ends with no blank"
    refused = sorted(_NAME_SIGNS_REFUSED & set(name))
    if refused:
        return f"a model's name has no {' '.join(refused)}"
    if unicodedata.normalize("NFC", name) != name:
        return (
            "a model's name has its accents composed (Unicode NFC), or nobody could type it: "
            "rename the folder"
        )
    return ""


def check_name(name: str) -> None:
    """Raises ModelRefused unless it may name a model."""
    fault = name_fault(name)
    if fault:
        raise ModelRefused(f"{name[:200]!r} is no model name: {fault}")


def is_version(name: str) -> bool:
    """A version's folder: a whole number from 1, as Triton has it, without leading zeros."""
    return _VERSION.match(name) is not None


def list_models(models_dir: Path, limits: FileLimits) -> Listing:
    """The models of the repository.

    Raises:
        OSError: The repository cannot be read.
    """
    names: list[str] = []
    unusable: dict[str, str] = {}
    with os.scandir(models_dir) as entries:
        for entry in sorted(entries, key=lambda entry: entry.name):
            if entry.name.startswith(".") or entry.name in _OF_THE_DISK:
                continue
            fault = _fault_of(entry)
            if fault is None:
                continue
            if fault:
                unusable[_shown(entry.name)] = fault
            elif len(names) < limits.models_max:
                names.append(entry.name)
            else:
                unusable[entry.name] = f"the worker takes the first {limits.models_max} models"
    status = models_dir.stat()
    return Listing(tuple(names), unusable, (status.st_dev, status.st_ino))


def _fault_of(entry: os.DirEntry[str]) -> str | None:
    """Why it is no model's folder; "" when it is one, None when it was never meant to be.

    A link to a folder, or to nothing, counts as a folder: a look at it says what is wrong.
    """
    if not entry.is_dir() and (not entry.is_symlink() or Path(entry.path).exists()):
        if entry.name.endswith(".onnx"):
            return f"it is a file: expected a folder, as {entry.name[:-5]}/1/{MODEL_FILE}"
        return None
    return name_fault(entry.name)


def _shown(name: str) -> str:
    """A folder's name as it can be sent and shown; as it is, if that is possible."""
    if name.isprintable() and len(name) <= NAME_CHARS_MAX:
        return name
    return ascii(name)[1:-1][: 2 * NAME_CHARS_MAX]


def look(folder: Path, limits: FileLimits, root: Path | None = None) -> FolderState:
    """The state of a model's folder.

    Args:
        folder: The folder, or a link to it.
        limits: On what it may hold.
        root: The repository, inside of which links are followed; None: there are to be none.

    Raises:
        ModelRefused: The folder is missing, unreadable, a link that leads elsewhere, or was just
            being changed.
    """
    common: list[Mark] = []
    versions: dict[str, Fingerprint] = {}
    unused: list[str] = []
    try:
        real = _real_folder(folder, root)
        with os.scandir(real) as entries:
            for entry in sorted(entries, key=lambda entry: entry.name):
                if entry.name.startswith("."):
                    continue
                folder_like = entry.is_dir() or (entry.is_symlink() and is_version(entry.name))
                if not folder_like:
                    common.append(_mark(entry.name, _status(Path(entry.path))))
                elif is_version(entry.name):
                    versions[entry.name] = _marks(Path(entry.path), limits, root)
                elif entry.name == "warmup":
                    common.extend(_marks(Path(entry.path), limits, root))
                else:
                    unused.append(entry.name)
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
    odd = tuple(name for name in unused if _NEARLY_A_VERSION.match(name))
    ignored = tuple(f"folder {name!r} is ignored: {VERSION_RULE}" for name in unused)
    return FolderState(real, tuple(common), versions, ignored, odd)


def _real_folder(folder: Path, root: Path | None) -> Path:
    real = folder
    if folder.is_symlink() and root is not None:
        real = real_place(folder, root)
    if real.is_symlink() or (real.exists() and not real.is_dir()):
        raise ModelRefused(f"model folder {folder.name!r} is a link or a file")
    return real


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


def _marks(folder: Path, limits: FileLimits, root: Path | None) -> Fingerprint:
    marks: list[Mark] = []
    real = folder
    if folder.is_symlink():
        marks.append(_mark(f"{folder.name} -> {os.path.realpath(folder)}", folder.lstat()))
        try:
            real = folder if root is None else real_place(folder, root)
        except ModelRefused:
            # Loading it says why; what is elsewhere is not even looked at.
            return tuple(marks)
    for path, status in _walk(real):
        marks.append(_mark(path, status))
        # One more than may be: enough to be refused, and still bounded.
        if len(marks) > limits.files_max:
            break
    return tuple(sorted(marks))


def _walk(folder: Path) -> Iterator[tuple[str, os.stat_result]]:
    for root, folders, names in os.walk(folder):
        links = [name for name in folders if Path(root, name).is_symlink()]
        for name in (*links, *names):
            path = Path(root, name)
            yield str(path.relative_to(folder.parent)), _status(path)


def _status(path: Path) -> os.stat_result:
    """Of what a link leads to, so that its change is noticed; of a link to nothing its own."""
    try:
        return path.stat()
    except OSError:
        return path.lstat()


def _mark(path: str, status: os.stat_result) -> Mark:
    return path, status.st_size, status.st_mtime_ns, status.st_ino
