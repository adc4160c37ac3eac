import os
import threading
from pathlib import Path

import pytest

from hasten_worker.engine.files.snapshot import (
    copy_version,
    private_folder,
    read_file,
    write_upload,
)
from hasten_worker.engine.refusal import ModelRefused
from hasten_worker.engine.settings import FileLimits
from tests.unit.worker_engine.zoo import Repository

LIMITS = FileLimits()


def test_a_copy_has_the_same_files_and_nobody_else_s_access(
    repository: Repository, tmp_path: Path, never: threading.Event
) -> None:
    source = repository.write("m", {"model.onnx": b"model", "weights.bin": b"w" * 1000})
    (source / "parts").mkdir()
    (source / "parts" / "more").write_bytes(b"m")
    with private_folder(tmp_path) as private:
        assert private.stat().st_mode & 0o077 == 0
        assert copy_version(source, private / "1", LIMITS, never) == 1006
        (source / "model.onnx").write_bytes(b"changed")
        assert (private / "1" / "model.onnx").read_bytes() == b"model"
        assert (private / "1" / "parts" / "more").read_bytes() == b"m"
    assert not private.exists()


def refusal(source: Path, target: Path, limits: FileLimits = LIMITS) -> str:
    with pytest.raises(ModelRefused) as caught:
        copy_version(source, target / "copy", limits, threading.Event())
    return str(caught.value)


def test_a_symbolic_link_is_refused(repository: Repository, tmp_path: Path) -> None:
    source = repository.write("m", {"real.onnx": b"model"})
    (source / "model.onnx").symlink_to("real.onnx")
    assert "model.onnx is a symbolic link" in refusal(source, tmp_path)


def test_a_linked_folder_is_refused(repository: Repository, tmp_path: Path) -> None:
    source = repository.write("m", b"model")
    (source / "parts").symlink_to("/etc")
    assert "parts is a symbolic link" in refusal(source, tmp_path)
    (tmp_path / "link").symlink_to(source)
    assert refusal(tmp_path / "link", tmp_path)


def test_links_that_stay_inside_are_followed(
    repository: Repository, tmp_path: Path, never: threading.Event
) -> None:
    """As Kubernetes lays out what it mounts, and as caches keep one file for many."""
    root = repository.path
    blobs = root / ".blobs"
    blobs.mkdir()
    (blobs / "abc").write_bytes(b"model")
    version = root / "m" / "1"
    (version / "..2026_11_30").mkdir(parents=True)
    (version / "..2026_11_30" / "labels").write_bytes(b"label")
    (version / "..data").symlink_to("..2026_11_30")
    (version / "labels").symlink_to("..data/labels")
    (version / "model.onnx").symlink_to("../../.blobs/abc")
    (version / "parts").symlink_to(blobs, target_is_directory=True)
    copy = tmp_path / "copy"
    assert copy_version(version, copy, LIMITS, never, root) == 15
    assert sorted(str(path.relative_to(copy)) for path in copy.rglob("*")) == [
        "labels",
        "model.onnx",
        "parts",
        "parts/abc",
    ]
    assert not any(path.is_symlink() for path in copy.rglob("*"))
    assert read_file(version / "labels", 10, root) == b"label"


@pytest.mark.parametrize(
    ("target", "reason"),
    [
        ("/etc/hostname", "leads out of the repository"),
        ("../../../secret", "leads out of the repository"),
        ("../../way-out/secret", "leads out of the repository"),
        ("/etc", "leads out of the repository"),
        ("/dev/zero", "leads out of the repository"),
        ("nothing", "leads to nothing"),
        ("weights.bin", "round in a circle"),
        ("..", "a folder around it"),
        ("../../hard", "is a hard link"),
        ("../../pipe", "not a regular file"),
    ],
)
def test_a_link_that_leads_elsewhere_is_refused_and_tells_nothing(
    repository: Repository, tmp_path: Path, target: str, reason: str
) -> None:
    root = repository.path
    secret = root.parent / "secret"
    secret.write_bytes(b"secret")
    (root / "way-out").symlink_to(root.parent)
    (root / "hard").hardlink_to(secret)
    os.mkfifo(root / "pipe")
    source = repository.write("m", b"model")
    (source / "weights.bin").symlink_to(target)
    with pytest.raises(ModelRefused, match=reason) as caught:
        copy_version(source, tmp_path / "copy", LIMITS, threading.Event(), root)
    assert "secret" not in str(caught.value)


def test_a_hard_link_is_refused(repository: Repository, tmp_path: Path) -> None:
    source = repository.write("m", b"model")
    secret = tmp_path / "secret"
    secret.write_bytes(b"secret")
    (source / "weights.bin").hardlink_to(secret)
    sentence = refusal(source, tmp_path)
    assert "weights.bin is a hard link (2 names" in sentence
    assert "secret" not in sentence


def test_a_pipe_is_refused_without_waiting_for_its_writer(
    repository: Repository, tmp_path: Path
) -> None:
    source = repository.write("m", b"model")
    os.mkfifo(source / "pipe")
    assert "pipe is not a regular file" in refusal(source, tmp_path)


@pytest.mark.parametrize(
    ("limits", "reason"),
    [
        (FileLimits(files_max=1), "more files than the limit of 1"),
        (FileLimits(version_bytes_max=7), "over the limit of 7 bytes"),
    ],
)
def test_a_version_over_a_limit_is_refused(
    repository: Repository, tmp_path: Path, limits: FileLimits, reason: str
) -> None:
    source = repository.write("m", {"a": b"1234", "b": b"5678"})
    assert reason in refusal(source, tmp_path, limits)


def test_deep_folders_are_refused(repository: Repository, tmp_path: Path) -> None:
    source = repository.write("m", b"model")
    source.joinpath(*"abcdefg").mkdir(parents=True)
    assert "nested deeper" in refusal(source, tmp_path)


def test_what_went_wrong_with_the_disk_may_pass(repository: Repository, tmp_path: Path) -> None:
    with pytest.raises(ModelRefused) as caught:
        copy_version(repository.path / "none", tmp_path / "copy", LIMITS, threading.Event())
    assert caught.value.passing
    with pytest.raises(ModelRefused) as caught, private_folder(tmp_path / "none"):
        pass
    assert caught.value.passing


def test_a_copy_is_given_up_when_asked(repository: Repository, tmp_path: Path) -> None:
    source = repository.write("m", b"model")
    stop = threading.Event()
    stop.set()
    with pytest.raises(ModelRefused, match="given up"):
        copy_version(source, tmp_path / "copy", LIMITS, stop)


def test_side_files_are_read_under_the_same_rules(tmp_path: Path) -> None:
    path = tmp_path / "labels.txt"
    assert read_file(path, 10) is None
    path.write_bytes(b"0123456789")
    assert read_file(path, 10) == b"0123456789"
    with pytest.raises(ModelRefused, match="limit of 9 bytes"):
        read_file(path, 9)
    (tmp_path / "link").symlink_to(path)
    with pytest.raises(ModelRefused, match="symbolic link"):
        read_file(tmp_path / "link", 10)
    (tmp_path / "hard").hardlink_to(path)
    with pytest.raises(ModelRefused, match="hard link"):
        read_file(path, 10)
    with pytest.raises(ModelRefused, match="not a regular file"):
        read_file(tmp_path, 10)


def test_an_upload_is_laid_out_like_a_model_s_folder(tmp_path: Path) -> None:
    files = {"file:1/model.onnx": b"one", "1/weights.bin": b"w", "labels.txt": b"l"}
    write_upload(tmp_path, files, LIMITS)
    found = {
        str(path.relative_to(tmp_path)): path.read_bytes()
        for path in tmp_path.rglob("*")
        if path.is_file()
    }
    assert found == {"1/model.onnx": b"one", "1/weights.bin": b"w", "labels.txt": b"l"}


@pytest.mark.parametrize(
    "key",
    [
        "file:../model.onnx",
        "file:1/../../model.onnx",
        "file:/etc/passwd",
        "file:1//model.onnx",
        "file:",
        "",
        "file:1/.",
        "file:1/a\\..\\b",
        "file:1/a\0b",
        "file:1/a\nb",
        "1/2/3/4/5",
        "file:1/" + "x" * 300,
    ],
)
def test_an_upload_cannot_leave_its_folder(tmp_path: Path, key: str) -> None:
    inside = tmp_path / "inside"
    inside.mkdir()
    with pytest.raises(ModelRefused):
        write_upload(inside, {key: b"x"}, LIMITS)
    assert [path.name for path in tmp_path.rglob("*") if path.is_file()] == []


def test_an_upload_over_a_limit_is_refused(tmp_path: Path) -> None:
    with pytest.raises(ModelRefused, match="3 bytes of files"):
        write_upload(tmp_path, {"a": b"12", "b": b"3"}, FileLimits(upload_bytes_max=2))
    with pytest.raises(ModelRefused, match="2 files"):
        write_upload(tmp_path, {"a": b"", "b": b""}, FileLimits(files_max=1))
    with pytest.raises(ModelRefused, match="'1/a'"):
        write_upload(tmp_path, {"1": b"", "1/a": b""}, LIMITS)
