"""Where the lines of a batch come from: an upload or a URI, in one of three formats.

A source is looked at once, when all of it is there: that says whether it can be read, how many
lines it has, and where each chunk of them lies. Everything here blocks.
"""

import json
import stat
import zipfile
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Final, Protocol
from urllib.parse import unquote, urlsplit

import numpy as np

from hasten.scheduler.v1.batch_service_pb2 import BatchFormat
from hasten.scheduler.v1.stored_batch_pb2 import BatchIndex, ChunkPlace
from hasten_policy.reasons import Reason, Refusal
from hasten_policy.short import short
from hasten_runtime.errors import MeshError
from hasten_scheduler.batches.lines import Defaults, Line, line_of_arrays, line_of_json
from hasten_scheduler.batches.tensors import Array, refuse

_READ_BYTES: Final = 1024 * 1024
_SUFFIXES: Final = frozenset({".json", ".npy", ".npz"})


@dataclass(frozen=True, slots=True)
class SourceLimits:
    """What a batch may be.

    Attributes:
        bytes_max: Of all its lines; of an .npz, also of its arrays.
        lines_max: Lines.
        line_bytes_max: Of one line.
        chunk_lines: Lines of a chunk at most.
        chunk_bytes: A chunk that has so many bytes is full.
        prefixes: Folders that URIs may point into.
    """

    bytes_max: int = 1024**3
    lines_max: int = 10_000_000
    line_bytes_max: int = 64 * 1024**2
    chunk_lines: int = 100
    chunk_bytes: int = 4 * 1024**2
    prefixes: Sequence[Path] = ()


class SourceGone(Exception):  # noqa: N818  (a state of the world, not a bug)
    """The source is not there any more, or is not what it was."""


class Source(Protocol):
    """Lines of a batch."""

    def index(self) -> BatchIndex:
        """Where its chunks are. Raises MeshError when it cannot be a batch; OSError."""
        ...

    def lines(self, index: BatchIndex, chunk: int, defaults: Defaults) -> Iterator[Line]:
        """The lines of a chunk. Raises SourceGone, OSError."""
        ...


def source_of(
    fmt: "BatchFormat.ValueType", path: Path, unpacked: Path, limits: SourceLimits
) -> Source:
    """The source that lies at a path.

    Args:
        fmt: Its format.
        path: The file or folder.
        unpacked: A folder of the batch's own, for what has to be unpacked.
        limits: What it may be.
    """
    if fmt == BatchFormat.BATCH_FORMAT_NPZ:
        return NpzSource(path, unpacked, limits)
    if fmt == BatchFormat.BATCH_FORMAT_DIRECTORY:
        return FolderSource(path, limits)
    return JsonlSource(path, limits)


def path_of(uri: str, limits: SourceLimits) -> Path:
    """The path that a URI means, if it may be read. Raises MeshError."""
    said = urlsplit(uri)
    if said.scheme != "file" or said.netloc not in {"", "localhost"}:
        raise _not_allowed(
            f"{short(uri)!r} is not read: only file:/// is; copy the lines to a folder that the "
            "schedulers share, or upload them"
        )
    # The real path: neither .. nor a link leads out of what is allowed.
    path = Path(unquote(said.path)).resolve()
    if not any(path.is_relative_to(prefix.resolve()) for prefix in limits.prefixes):
        where = (
            "the setting batches.uri_prefixes names no such folder"
            if limits.prefixes
            else "the setting batches.uri_prefixes names none"
        )
        raise _not_allowed(f"{short(uri)!r} is not in an allowed folder: {where}")
    if not path.exists():
        raise bad_input(f"there is nothing at {short(uri)!r}", "uri")
    return path


def bad_input(message: str, field: str = "") -> MeshError:
    """The source cannot be a batch."""
    metadata = (("field", field),) if field else ()
    return MeshError(Refusal(Reason.BATCH_INPUT, message, metadata=metadata))


def too_large(message: str) -> MeshError:
    """The source is larger than a batch may be."""
    return MeshError(Refusal(Reason.BATCH_OVERSIZED, message))


def _not_allowed(message: str) -> MeshError:
    return MeshError(Refusal(Reason.URI_NOT_ALLOWED, message, metadata=(("field", "uri"),)))


class _Chunks:
    """Gathers lines to chunks."""

    def __init__(self, limits: SourceLimits) -> None:
        self.index = BatchIndex()
        self._limits = limits
        self._lines = 0
        self._open: ChunkPlace | None = None

    def add(self, offset: int, size: int) -> None:
        """One more line, at this offset. Raises MeshError for one too many."""
        limits = self._limits
        if self._lines >= limits.lines_max:
            raise too_large(f"a batch has at most {limits.lines_max} lines")
        place = self._open
        if place is None:
            place = self._open = self.index.chunks.add(first=self._lines, offset=offset)
        place.lines += 1
        place.bytes = offset + size - place.offset
        self._lines += 1
        if place.lines >= limits.chunk_lines or place.bytes >= limits.chunk_bytes:
            self._open = None

    def done(self) -> BatchIndex:
        """All of them. Raises MeshError when there is no line."""
        if not self._lines:
            raise bad_input("there is no line")
        return self.index


class JsonlSource:
    """JSON objects, one in each line of a text. Empty lines are none."""

    def __init__(self, path: Path, limits: SourceLimits) -> None:
        self._path = path
        self._limits = limits

    def index(self) -> BatchIndex:
        """Where its chunks are; see the port."""
        limits = self._limits
        size = _regular_size(self._path, limits)
        chunks = _Chunks(limits)
        with self._path.open("rb") as file:
            at = 0
            while text := file.readline(limits.line_bytes_max + 1):
                if len(text) > limits.line_bytes_max:
                    raise too_large(f"a line has at most {limits.line_bytes_max} bytes")
                if text.strip():
                    chunks.add(at, len(text))
                at += len(text)
        if at != size:
            raise bad_input("it was changed while it was read")
        index = chunks.done()
        index.fingerprint = _fingerprint(self._path)
        return index

    def lines(self, index: BatchIndex, chunk: int, defaults: Defaults) -> Iterator[Line]:
        """The lines of a chunk; see the port."""
        place = index.chunks[chunk]
        with _unchanged(self._path, index), self._path.open("rb") as file:
            file.seek(place.offset)
            texts = [text for text in file.read(place.bytes).split(b"\n") if text.strip()]
        if len(texts) != place.lines:
            raise SourceGone(f"{self._path.name} has other lines than before")
        for number, text in enumerate(texts, place.first):
            yield line_of_json(number, text, defaults)


class NpzSource:
    """Arrays of an .npz, unpacked beside: a line is one row of each."""

    def __init__(self, path: Path, unpacked: Path, limits: SourceLimits) -> None:
        self._path = path
        self._unpacked = unpacked
        self._limits = limits

    def index(self) -> BatchIndex:
        """Where its chunks are; see the port."""
        _regular_size(self._path, self._limits)
        with _readable("an .npz file"), zipfile.ZipFile(self._path) as packed:
            members = self._members(packed)
            self._unpacked.mkdir(parents=True, exist_ok=True)
            for name, member in members.items():
                _unpack(packed, member, self._unpacked / name)
        arrays = self._arrays(list(members))
        if any(array.ndim == 0 for array in arrays.values()):
            raise bad_input("each of its arrays must have rows")
        rows = {len(array) for array in arrays.values()}
        if len(rows) != 1:
            raise bad_input(f"its arrays must have equally many rows, not {sorted(rows)}")
        chunks = _Chunks(self._limits)
        row_bytes = sum(array[:1].nbytes for array in arrays.values())
        for row in range(rows.pop()):
            chunks.add(row * row_bytes, row_bytes)
        index = chunks.done()
        index.files.extend(members)
        return index

    def lines(self, index: BatchIndex, chunk: int, defaults: Defaults) -> Iterator[Line]:
        """The lines of a chunk; see the port."""
        place = index.chunks[chunk]
        try:
            arrays = self._arrays(index.files)
        except (FileNotFoundError, ValueError, MeshError):
            raise SourceGone("the unpacked arrays are gone") from None
        for row in range(place.first, place.first + place.lines):
            line = {name: _row(array, row, name, defaults) for name, array in arrays.items()}
            yield line_of_arrays(row, line, defaults)

    def _members(self, packed: zipfile.ZipFile) -> dict[str, zipfile.ZipInfo]:
        """Its arrays by name. What it says of their sizes is checked when they are unpacked."""
        members: dict[str, zipfile.ZipInfo] = {}
        for member in packed.infolist():
            name = member.filename.removesuffix(".npy")
            if name == member.filename or "/" in name or "\\" in name or not name:
                raise bad_input(f"it holds {short(member.filename)!r}, which is no array")
            members[name] = member
        if sum(member.file_size for member in members.values()) > self._limits.bytes_max:
            raise too_large(f"the arrays have at most {self._limits.bytes_max} bytes together")
        return members

    def _arrays(self, names: Sequence[str]) -> dict[str, Array]:
        with _readable("an array of numbers or texts"):
            return {
                name: np.load(self._unpacked / name, mmap_mode="r", allow_pickle=False)
                for name in names
            }


class FolderSource:
    """Files of a folder, .json, .npy or .npz, in the order of their names: a line is one file."""

    def __init__(self, path: Path, limits: SourceLimits) -> None:
        self._path = path
        self._limits = limits

    def index(self) -> BatchIndex:
        """Where its chunks are; see the port."""
        if not self._path.is_dir():
            raise bad_input("it is no folder", "uri")
        chunks = _Chunks(self._limits)
        names: list[str] = []
        at = 0
        for path in sorted(self._path.iterdir()):
            said = path.lstat()
            # No links: they could lead out of what is allowed.
            if path.suffix not in _SUFFIXES or not stat.S_ISREG(said.st_mode):
                continue
            if said.st_size > self._limits.line_bytes_max:
                raise too_large(f"a file has at most {self._limits.line_bytes_max} bytes")
            chunks.add(at, said.st_size)
            at += said.st_size
            names.append(path.name)
        if at > self._limits.bytes_max:
            raise too_large(f"the files have at most {self._limits.bytes_max} bytes together")
        index = chunks.done()
        index.files.extend(names)
        return index

    def lines(self, index: BatchIndex, chunk: int, defaults: Defaults) -> Iterator[Line]:
        """The lines of a chunk; see the port. A file that is gone is an error of its line."""
        place = index.chunks[chunk]
        for number in range(place.first, place.first + place.lines):
            yield self._line(number, index.files[number], defaults)

    def _line(self, number: int, name: str, defaults: Defaults) -> Line:
        path = self._path / name
        try:
            if path.is_symlink():
                raise refuse("the file has become a link")
            if path.stat().st_size > self._limits.line_bytes_max:
                raise refuse(f"a file has at most {self._limits.line_bytes_max} bytes")
            if path.suffix == ".json":
                line = line_of_json(number, path.read_bytes(), defaults)
                line.name = line.name or name
                return line
            with _readable("arrays of numbers or texts", refuse):
                arrays = _arrays_of(path, defaults, self._limits)
            return line_of_arrays(number, arrays, defaults, name=name)
        except MeshError as error:
            return Line(number, name, refusal=error.refusal)
        except FileNotFoundError:
            gone = Refusal(Reason.PAYLOAD_LOST, f"the file {short(name)!r} is gone")
            return Line(number, name, refusal=gone)


def _arrays_of(path: Path, defaults: Defaults, limits: SourceLimits) -> dict[str, Array]:
    """The arrays of one file. Raises MeshError and what numpy raises."""
    if path.suffix == ".npy":
        if len(defaults.hints) != 1:
            raise refuse("an .npy file needs a batch that says the one input of its model")
        (name,) = defaults.hints
        return {name: np.load(path, allow_pickle=False)}
    with zipfile.ZipFile(path) as packed:
        if sum(member.file_size for member in packed.infolist()) > limits.line_bytes_max:
            raise refuse(f"the arrays of a file have at most {limits.line_bytes_max} bytes")
    with np.load(path, allow_pickle=False) as arrays:
        return {name: arrays[name] for name in arrays.files}


def _row(array: Array, row: int, name: str, defaults: Defaults) -> Array:
    """One row, with or without a dimension for it, as the model takes it."""
    hint = defaults.hints.get(name)
    if hint is not None and hint.shape and len(hint.shape) == array.ndim - 1:
        one: Array = np.asarray(array[row])
        return one
    return np.asarray(array[row : row + 1])


def _unpack(packed: zipfile.ZipFile, member: zipfile.ZipInfo, to: Path) -> None:
    """Writes a member to a file: as much as it said it has, or BadZipFile."""
    left = member.file_size
    with packed.open(member) as source, to.open("wb") as target:
        while piece := source.read(_READ_BYTES):
            left -= len(piece)
            if left < 0:
                raise zipfile.BadZipFile("it holds more than it says")
            target.write(piece)


def _regular_size(path: Path, limits: SourceLimits) -> int:
    said = path.stat()
    if not stat.S_ISREG(said.st_mode):
        raise bad_input("it is no file", "uri")
    if said.st_size > limits.bytes_max:
        raise too_large(f"a batch has at most {limits.bytes_max} bytes, not {said.st_size}")
    return said.st_size


def _fingerprint(path: Path) -> str:
    said = path.stat()
    return json.dumps([said.st_size, said.st_mtime_ns, said.st_ino])


@contextmanager
def _unchanged(path: Path, index: BatchIndex) -> Iterator[None]:
    """What is read within is what was looked at. Raises SourceGone."""
    try:
        if _fingerprint(path) != index.fingerprint:
            raise SourceGone(f"{path.name} was changed after the batch was created")
        yield
    except FileNotFoundError:
        raise SourceGone(f"{path.name} is gone") from None


@contextmanager
def _readable(what: str, refusing: Callable[[str], MeshError] = bad_input) -> Iterator[None]:
    """Refuses what zipfile and numpy cannot read."""
    try:
        yield
    except (zipfile.BadZipFile, ValueError, EOFError, NotImplementedError, RuntimeError) as error:
        raise refusing(f"it cannot be read as {what}: {error}") from None
