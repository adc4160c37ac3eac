"""Sources of batches: what is found in them, what is refused, and what may be read at all."""

import io
import json
import zipfile
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from hasten.inference.v2.inference_pb2 import ModelInferRequest
from hasten.scheduler.v1.batch_service_pb2 import BatchFormat, BatchInput
from hasten.scheduler.v1.stored_batch_pb2 import BatchIndex
from hasten_policy.reasons import Reason
from hasten_runtime.errors import MeshError
from hasten_scheduler.batches.lines import Defaults, Line
from hasten_scheduler.batches.sources import Source, SourceGone, SourceLimits, path_of, source_of

LIMITS = SourceLimits(chunk_lines=3, chunk_bytes=100, line_bytes_max=300, bytes_max=2000)
DEFAULTS = Defaults("m", "", {"x": BatchInput(datatype="FP32", shape=[-1, 2])})
JSONL, NPZ, FOLDER = (
    BatchFormat.BATCH_FORMAT_JSONL,
    BatchFormat.BATCH_FORMAT_NPZ,
    BatchFormat.BATCH_FORMAT_DIRECTORY,
)


def jsonl(path: Path, text: bytes, limits: SourceLimits = LIMITS) -> Source:
    path.write_bytes(text)
    return source_of(JSONL, path, path.parent / "unpacked", limits)


def npz(path: Path, limits: SourceLimits = LIMITS, **arrays: Any) -> Source:
    np.savez_compressed(path, **arrays)
    return source_of(NPZ, path, path.parent / "unpacked", limits)


def all_lines(source: Source, index: BatchIndex) -> list[Line]:
    return [
        line for chunk in range(len(index.chunks)) for line in source.lines(index, chunk, DEFAULTS)
    ]


def first_values(lines: list[Line]) -> list[float]:
    requests = [ModelInferRequest.FromString(line.request) for line in lines]
    return [float(np.frombuffer(each.raw_input_contents[0], np.float32)[0]) for each in requests]


def refusal(source: Source) -> tuple[Reason, str]:
    with pytest.raises(MeshError) as refused:
        source.index()
    return refused.value.refusal.reason, refused.value.refusal.message


def test_every_line_of_a_text_is_in_one_chunk_and_empty_ones_are_none(tmp_path: Path) -> None:
    texts = [json.dumps({"inputs": {"x": [number, 0]}}) for number in range(8)]
    source = jsonl(tmp_path / "a", ("\n\r\n" + "\n \n".join(texts)).encode())
    index = source.index()
    assert [place.lines for place in index.chunks] == [3, 3, 2]
    lines = all_lines(source, index)
    assert [line.number for line in lines] == list(range(8))
    assert first_values(lines) == list(map(float, range(8)))


def test_a_chunk_ends_with_its_bytes_too(tmp_path: Path) -> None:
    source = jsonl(tmp_path / "a", b"\n".join([b'"%s"' % (b"a" * 120)] * 3))
    assert [place.lines for place in source.index().chunks] == [1, 1, 1]


def test_texts_that_are_too_much_are_refused(tmp_path: Path) -> None:
    path = tmp_path / "a"
    assert refusal(jsonl(path, b"1" * 301))[0] is Reason.BATCH_OVERSIZED
    assert refusal(jsonl(path, b"1\n" * 1001))[0] is Reason.BATCH_OVERSIZED
    few = SourceLimits(lines_max=2)
    assert refusal(jsonl(path, b"1\n" * 3, few))[0] is Reason.BATCH_OVERSIZED
    assert refusal(jsonl(path, b"\n\n")) == (Reason.BATCH_INPUT, "there is no line")
    assert refusal(source_of(JSONL, tmp_path, tmp_path / "u", LIMITS))[1] == "it is no file"


def test_a_text_that_was_changed_is_not_read_on(tmp_path: Path) -> None:
    source = jsonl(tmp_path / "a", b"1\n2\n")
    index = source.index()
    (tmp_path / "a").write_bytes(b"1\n2\n3\n")
    with pytest.raises(SourceGone, match="changed"):
        all_lines(source, index)
    (tmp_path / "a").unlink()
    with pytest.raises(SourceGone, match="gone"):
        all_lines(source, index)


def test_a_line_of_arrays_is_a_row_of_each(tmp_path: Path) -> None:
    source = npz(tmp_path / "a.npz", x=np.arange(10.0).reshape(5, 2), y=np.zeros((5, 1)))
    index = source.index()
    lines = all_lines(source, index)
    assert sum(place.lines for place in index.chunks) == len(lines) == 5
    assert first_values(lines) == [0.0, 2.0, 4.0, 6.0, 8.0]
    request = ModelInferRequest.FromString(lines[0].request)
    assert [(each.name, each.datatype, list(each.shape)) for each in request.inputs] == [
        ("x", "FP32", [1, 2]),
        ("y", "FP64", [1, 1]),
    ]


def test_arrays_that_are_no_batch_are_refused(tmp_path: Path) -> None:
    path = tmp_path / "a.npz"
    assert "equally many rows" in refusal(npz(path, x=np.zeros(2), y=np.zeros(3)))[1]
    assert "must have rows" in refusal(npz(path, x=np.float32(1)))[1]
    assert refusal(npz(path, x=np.zeros((0, 2))))[0] is Reason.BATCH_INPUT
    objects = np.array([{}], dtype=object)
    assert "cannot be read" in refusal(npz(path, x=objects))[1]
    # A hundred kB of zeros in a few bytes.
    assert refusal(npz(path, x=np.zeros(100_000)))[0] is Reason.BATCH_OVERSIZED
    path.write_bytes(b"PK nothing")
    assert "cannot be read" in refusal(source_of(NPZ, path, tmp_path / "u", LIMITS))[1]
    with zipfile.ZipFile(path, "w") as packed:
        packed.writestr("../evil.npy", b"x")
    assert "no array" in refusal(source_of(NPZ, path, tmp_path / "u", LIMITS))[1]


def test_an_archive_that_lies_about_its_sizes_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "a.npz"
    array = io.BytesIO()
    np.save(array, np.zeros(1000))
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as packed:
        packed.writestr("x.npy", array.getvalue())
    content = path.read_bytes()
    size = len(array.getvalue()).to_bytes(4, "little")
    path.write_bytes(content.replace(size, (500).to_bytes(4, "little")))
    assert refusal(source_of(NPZ, path, tmp_path / "u", LIMITS))[0] is Reason.BATCH_INPUT
    assert sum(each.stat().st_size for each in (tmp_path / "u").iterdir()) <= 500


def test_a_line_of_a_folder_is_one_file(tmp_path: Path) -> None:
    folder = tmp_path / "in"
    folder.mkdir()
    np.save(folder / "b.npy", np.array([2.0, 0.0]))
    np.savez(folder / "c.npz", x=np.array([[3.0, 0.0]]))
    (folder / "a.json").write_text('{"inputs": {"x": [1, 0]}}')
    (folder / "d.json").write_text("{")
    (folder / "e.npy").write_bytes(b"nothing")
    (folder / "readme.txt").write_text("no line")
    (folder / "link.json").symlink_to(tmp_path / "secret.json")
    source = source_of(FOLDER, folder, tmp_path / "u", LIMITS)
    index = source.index()
    lines = all_lines(source, index)
    assert [line.name for line in lines] == ["a.json", "b.npy", "c.npz", "d.json", "e.npy"]
    assert first_values(lines[:3]) == [1.0, 2.0, 3.0]
    assert all(line.refusal is not None for line in lines[3:])
    (folder / "a.json").unlink()
    (folder / "b.npy").unlink()
    (folder / "b.npy").symlink_to(folder / "c.npz")
    gone = all_lines(source, index)[:2]
    assert [line.refusal and line.refusal.reason for line in gone] == [
        Reason.PAYLOAD_LOST,
        Reason.INVALID_REQUEST,
    ]


def test_only_what_lies_in_an_allowed_folder_is_read(tmp_path: Path) -> None:
    allowed = tmp_path / "allowed"
    allowed.mkdir()
    (allowed / "a b.jsonl").touch()
    (tmp_path / "secret").touch()
    (allowed / "out").symlink_to(tmp_path)
    limits = SourceLimits(prefixes=(allowed,))
    assert path_of(f"file://{allowed}/a%20b.jsonl", limits) == allowed / "a b.jsonl"
    forbidden = [
        f"file://{tmp_path}/secret",
        f"file://{allowed}/../secret",
        f"file://{allowed}/%2e%2e/secret",
        f"file://{allowed}/out/secret",
        f"file://elsewhere{allowed}/a%20b.jsonl",
        "s3://bucket/lines.jsonl",
        "http://169.254.169.254/",
        f"{allowed}/a b.jsonl",
        "",
    ]
    for uri in forbidden:
        with pytest.raises(MeshError) as refused:
            path_of(uri, limits)
        assert refused.value.refusal.reason is Reason.URI_NOT_ALLOWED, uri
    with pytest.raises(MeshError, match="names none"):
        path_of(f"file://{allowed}/a%20b.jsonl", SourceLimits())
    with pytest.raises(MeshError) as refused:
        path_of(f"file://{allowed}/nothing", limits)
    assert refused.value.refusal.reason is Reason.BATCH_INPUT
