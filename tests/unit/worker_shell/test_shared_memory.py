"""Regions of shared memory: what may be registered, and what happens when it changes."""

import os
from pathlib import Path

import pytest

from hasten_policy.reasons import Reason
from hasten_runtime.errors import MeshError
from hasten_worker.shared_memory import REGIONS_MAX, SystemRegions
from hasten_worker.tensors import RegionRef


@pytest.fixture
def regions(tmp_path: Path) -> SystemRegions:
    (tmp_path / "region").write_bytes(bytes(range(64)))
    return SystemRegions(tmp_path)


def refused(regions: SystemRegions, name: str, key: str, offset: int, size_bytes: int) -> str:
    with pytest.raises(MeshError) as caught:
        regions.register(name, key, offset=offset, size_bytes=size_bytes)
    assert caught.value.refusal.reason is Reason.SHARED_MEMORY_INVALID
    return caught.value.refusal.message


def test_a_piece_is_read_and_written_where_it_lies(regions: SystemRegions, tmp_path: Path) -> None:
    regions.register("r", "/region", offset=8, size_bytes=16)
    assert regions.read(RegionRef("r", 4, 3)) == bytes([12, 13, 14])
    regions.write(RegionRef("r", 0, 4), b"ab")
    assert (tmp_path / "region").read_bytes()[8:11] == b"ab\x0a"
    regions.close()


@pytest.mark.parametrize(
    "key",
    ["", "/", "/..", "..", "/../region", "/a/b", "//region", "/none", "/x\0y", "/" + "n" * 300],
)
def test_a_key_must_be_a_plain_name_that_exists(regions: SystemRegions, key: str) -> None:
    refused(regions, "r", key, 0, 1)


def test_links_folders_and_pipes_are_no_regions(regions: SystemRegions, tmp_path: Path) -> None:
    (tmp_path / "link").symlink_to("/etc/hostname")
    (tmp_path / "folder").mkdir()
    os.mkfifo(tmp_path / "pipe")
    for key in ("/link", "/folder", "/pipe"):
        refused(regions, "r", key, 0, 1)


@pytest.mark.parametrize(("offset", "size_bytes"), [(0, 65), (64, 1), (2**63, 2**63), (0, 0)])
def test_a_region_must_lie_inside_its_object(
    regions: SystemRegions, offset: int, size_bytes: int
) -> None:
    refused(regions, "r", "/region", offset, size_bytes)


def test_a_name_is_registered_once_and_their_number_is_bounded(regions: SystemRegions) -> None:
    regions.register("r", "/region", offset=0, size_bytes=64)
    assert "already" in refused(regions, "r", "/region", 0, 64)
    refused(regions, "", "/region", 0, 64)
    refused(regions, "n" * 300, "/region", 0, 64)
    for index in range(REGIONS_MAX - 1):
        regions.register(f"r{index}", "/region", offset=0, size_bytes=64)
    assert "the most" in refused(regions, "one more", "/region", 0, 64)
    regions.unregister("")
    assert regions.status("") == []


@pytest.mark.parametrize(("offset", "size_bytes"), [(0, 17), (16, 1), (2**62, 2**62)])
def test_a_piece_must_lie_inside_its_region(
    regions: SystemRegions, offset: int, size_bytes: int
) -> None:
    regions.register("r", "/region", offset=0, size_bytes=16)
    with pytest.raises(MeshError):
        regions.read(RegionRef("r", offset, size_bytes))
    with pytest.raises(MeshError):
        regions.write(RegionRef("r", offset, size_bytes), b"")
    regions.close()


def test_an_object_that_shrinks_afterwards_is_an_error_and_does_not_grow_again(
    regions: SystemRegions, tmp_path: Path
) -> None:
    regions.register("r", "/region", offset=0, size_bytes=64)
    os.truncate(tmp_path / "region", 8)
    with pytest.raises(MeshError):
        regions.read(RegionRef("r", 0, 64))
    with pytest.raises(MeshError):
        regions.write(RegionRef("r", 0, 64), bytes(64))
    assert (tmp_path / "region").stat().st_size == 8
    regions.close()


def test_unknown_regions_are_refused_and_forgetting_them_is_no_error(
    regions: SystemRegions,
) -> None:
    regions.unregister("nobody")
    for use in (regions.status, lambda name: regions.read(RegionRef(name, 0, 1))):
        with pytest.raises(MeshError):
            use("nobody")
