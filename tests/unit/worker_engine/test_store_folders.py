"""Names, links and gaps of a repository, as the store sees them."""

from pathlib import Path

import pytest

from tests.unit.worker_engine import zoo
from tests.unit.worker_engine.shop import (
    answer,
    lines,
    open_store,
)
from tests.unit.worker_engine.zoo import Repository

ROW = (1.0, 2.0, 3.0, 4.0)
ALL = "version_policy { all { } }"

pytestmark = pytest.mark.usefixtures("no_leaked_tasks")


async def test_links_that_leave_the_repository_are_refused(repository: Repository) -> None:
    secret = repository.path.parent / "secret.onnx"
    secret.write_bytes(zoo.add())
    hard = repository.write("hard", {})
    (hard / "model.onnx").hardlink_to(secret)
    soft = repository.write("soft", {})
    (soft / "model.onnx").symlink_to(secret)
    config = repository.write("config", zoo.add()).parent / "config.pbtxt"
    config.symlink_to(repository.path.parent / "other.pbtxt")
    (repository.path / "folder").symlink_to(repository.path.parent)
    async with open_store(repository) as (store, listener):
        index = lines(store)
        assert "hard link" in index["hard/1"]
        assert "symbolic link" in index["soft/1"]
        assert "config.pbtxt is a symbolic link" in index["config/"]
        assert "leads out of the repository" in index["folder/"]
        assert listener.take() == []


async def test_links_that_stay_inside_are_served_also_as_kubernetes_lays_them_out(
    repository: Repository,
) -> None:
    root = repository.path
    mounted = root / "..2026_11_30_18_00_00.1"
    repository.write("alias-of", zoo.add(amount=1), config="max_batch_size: 4")
    (root / "alias").symlink_to("alias-of")
    whole = repository.write("whole", zoo.add(amount=2)).parent
    (root / "..data").symlink_to(mounted.name)
    mounted.mkdir()
    whole.rename(mounted / "whole")
    (root / "whole").symlink_to("..data/whole")
    held = repository.write(".held", zoo.add(amount=3))
    (root / "versioned").mkdir()
    (root / "versioned" / "7").symlink_to(held)
    async with open_store(repository) as (store, _):
        assert lines(store) == {
            "alias-of/1": "READY",
            "alias/1": "READY",
            "versioned/7": "READY",
            "whole/1": "READY",
        }
        assert [answer(store.resolve(name, ""), 0, 0, 0, 0)[0] for name in ("alias", "whole")] == [
            1,
            2,
        ]
        assert store.gaps() == []


async def test_names_that_people_give_are_served_and_others_are_listed(
    repository: Repository,
) -> None:
    for name in ("my model", "modèle", "c++", "a@2", "_private", "[b]old"):
        repository.write(name, zoo.add())
    (repository.path / "back\\slash").mkdir()
    async with open_store(repository) as (store, _):
        index = lines(store)
        assert [key for key, state in index.items() if state == "READY"] == [
            "[b]old/1",
            "_private/1",
            "a@2/1",
            "c++/1",
            "modèle/1",
            "my model/1",
        ]
        assert index["back\\slash/"] == "UNAVAILABLE: a model's name has no \\"
        assert [gap.name for gap in store.gaps()] == ["back\\slash"]


async def test_folders_that_look_like_versions_are_listed_and_miss_nobody(
    repository: Repository,
) -> None:
    repository.write("m", zoo.add(), version=2)
    for name in ("01", "v3", "1.0", "notes", "__pycache__"):
        (repository.path / "m" / name).mkdir()
    async with open_store(repository) as (store, _):
        index = lines(store)
        assert index.keys() == {"m/2", "m/01", "m/v3", "m/1.0"}
        assert index["m/2"] == "READY"
        assert "without leading zeros" in index["m/01"]
        assert store.gaps() == []


async def test_what_should_serve_and_does_not_is_a_gap(repository: Repository) -> None:
    repository.write("good", zoo.add())
    repository.write("fallen-back", zoo.add(), version=1)
    repository.write("fallen-back", b"garbage", version=2)
    repository.write("bad", b"garbage")
    (repository.path / "empty").mkdir()
    async with open_store(repository) as (store, _):
        gaps = {(gap.name, gap.version): gap.reason for gap in store.gaps()}
        assert gaps.keys() == {("bad", "1"), ("empty", ""), ("fallen-back", "2")}
        assert "no version" in gaps["empty", ""]
        assert all(gaps.values())
        assert store.serves


@pytest.mark.parametrize("control", ["none", "poll", "explicit"])
async def test_an_empty_repository_has_no_gap_and_serves_nothing(
    repository: Repository, control: str
) -> None:
    async with open_store(repository, control=control) as (store, _):
        assert store.gaps() == []
        assert not store.serves


async def test_the_repository_itself_may_be_a_link(repository: Repository, tmp_path: Path) -> None:
    repository.write("m", zoo.add())
    (tmp_path / "link").symlink_to(repository.path)
    async with open_store(repository, models_dir=tmp_path / "link") as (store, _):
        assert store.ready("m", "1")
