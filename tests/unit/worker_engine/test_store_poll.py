import os
import shutil
from dataclasses import replace

import pytest
from structlog.testing import capture_logs

from hasten_runtime.clock import ManualClock
from hasten_worker.engine.settings import FileLimits
from hasten_worker.engine.store.model_store import ModelStore
from hasten_worker.engine.store.watching import Watch
from tests.support.waiting import eventually
from tests.unit.worker_engine import zoo
from tests.unit.worker_engine.shop import answer, lines, open_store, settings_of
from tests.unit.worker_engine.zoo import Repository

EMPTIED = "repository.emptied"

pytestmark = pytest.mark.usefixtures("no_leaked_tasks")


def first(store: ModelStore, name: str = "m", version: str = "") -> float:
    return answer(store.resolve(name, version), 0, 0, 0, 0)[0]


async def test_models_come_change_and_go_with_their_folders(repository: Repository) -> None:
    async with open_store(repository, control="poll") as (store, listener):
        assert lines(store) == {}
        repository.write("m", zoo.add(amount=1))
        await eventually(lambda: store.ready("m", "1"))
        repository.write("m", zoo.add(amount=2), version=2)
        await eventually(lambda: store.ready("m", "2") and not store.ready("m", "1"))
        assert first(store) == 2
        repository.write("m", zoo.add(amount=3), version=2)
        await eventually(lambda: first(store) == 3)
        repository.write("m", None, version=2, config="max_batch_size: 2")
        await eventually(lambda: store.resolve("m", "").spec.batch_max == 2)
        shutil.rmtree(repository.path / "m")
        await eventually(lambda: lines(store) == {})
        assert listener.models == {}


async def test_a_bad_change_keeps_what_serves_and_is_tried_once(repository: Repository) -> None:
    repository.write("m", zoo.add(amount=1))
    async with open_store(repository, control="poll") as (store, listener):
        repository.write("m", b"garbage")
        await eventually(lambda: "cannot be parsed" in lines(store)["m/1"])
        assert first(store) == 1
        seen = store._shelf.entries["m"].refused_marks["1"]
        # A reload for another reason does not try the bad file again.
        (repository.path / "m" / "2").mkdir()
        await eventually(lambda: "m/2" in lines(store))
        assert store._shelf.entries["m"].refused_marks["1"] is seen
        repository.write("m", zoo.add(amount=5))
        await eventually(lambda: first(store) == 5)
        assert listener.models.keys() == {"m/1"}


async def test_a_removed_version_leaves_the_others_alone(repository: Repository) -> None:
    for version in (1, 2):
        config = "version_policy { all { } }"
        repository.write("m", zoo.add(amount=version), version=version, config=config)
    async with open_store(repository, control="poll") as (store, listener):
        kept = store.resolve("m", "1")
        listener.take()
        shutil.rmtree(repository.path / "m" / "2")
        await eventually(lambda: not store.ready("m", "2"))
        assert store.resolve("m", "") is kept
        assert listener.take() == ["+m/1*", "-m/2"]


async def test_a_repository_that_goes_away_takes_no_model_with_it(repository: Repository) -> None:
    repository.write("m", zoo.add(amount=1))
    with capture_logs() as logged:
        async with open_store(repository, control="poll") as (store, _):
            away = repository.path.with_name("away")
            repository.path.rename(away)

            def looks() -> int:
                return [line["event"] for line in logged].count("repository.unreadable")

            await eventually(lambda: looks() >= 3)
            assert first(store) == 1
            away.rename(repository.path)
            repository.write("n", zoo.add(amount=2))
            await eventually(lambda: store.ready("n", ""))
            assert first(store) == 1


@pytest.mark.parametrize("by", ["another folder", "the same folder"])
async def test_an_empty_mount_point_unloads_nothing(repository: Repository, by: str) -> None:
    names = ("m", "n") if by == "the same folder" else ("m",)
    for name in names:
        repository.write(name, zoo.add(amount=1))
    with capture_logs() as logged:
        async with open_store(repository, control="poll") as (store, _):
            away = repository.path.with_name("away")
            if by == "another folder":
                repository.path.rename(away)
                repository.path.mkdir()
            else:
                away.mkdir()
                for name in names:
                    (repository.path / name).rename(away / name)
            await eventually(lambda: [1 for line in logged if line["event"] == EMPTIED])
            assert lines(store) == {f"{name}/1": "READY" for name in names}
            assert store.gaps() == []
            # Back again: what was changed meanwhile is taken up.
            for name in names:
                (away / name).rename(repository.path / name)
            repository.write("m", zoo.add(amount=2))
            await eventually(lambda: first(store) == 2)
    assert [line["event"] for line in logged].count(EMPTIED) == 1


def test_only_what_cannot_be_a_removal_is_not_believed(repository: Repository) -> None:
    for name in ("a", "b"):
        repository.write(name, b"")
    watch = Watch(settings_of(repository))
    watch.look()
    shutil.rmtree(repository.path / "a")
    watch.look()
    assert watch.names == ["b"], "one of many"
    shutil.rmtree(repository.path / "b")
    watch.look()
    assert watch.names == [], "the last one"
    for name in ("a", "b"):
        repository.write(name, b"")
    watch.look()
    for name in ("a", "b"):
        shutil.rmtree(repository.path / name)
    for _ in range(3):
        watch.look()
    assert watch.names == ["a", "b"], "all at once"
    assert watch.gone() == []
    repository.write("c", b"")
    watch.look()
    assert watch.names == ["c"]


async def test_a_model_that_is_added_and_bad_is_a_gap_until_it_is_mended_or_removed(
    repository: Repository,
) -> None:
    repository.write("good", zoo.add())
    async with open_store(repository, control="poll") as (store, _):
        assert store.gaps() == []
        repository.write("bad", b"garbage")
        await eventually(lambda: [gap.name for gap in store.gaps()] == ["bad"])
        repository.write("bad", zoo.add())
        await eventually(lambda: store.ready("bad", "1") and store.gaps() == [])
        repository.write("bad", b"garbage", version=2)
        await eventually(lambda: [(g.name, g.version) for g in store.gaps()] == [("bad", "2")])
        shutil.rmtree(repository.path / "bad")
        await eventually(lambda: store.gaps() == [])


async def test_what_failed_for_a_passing_reason_is_tried_again(repository: Repository) -> None:
    """A full disk, in the shape of a folder for private copies that is not there."""
    repository.write("m", zoo.add(amount=1))
    copies = repository.path.parent / "copies"
    async with open_store(repository, control="poll", snapshot_dir=copies, retry_s=0.05) as (
        store,
        _,
    ):
        assert "no private copy could be made" in lines(store)["m/1"]
        copies.mkdir()
        await eventually(lambda: store.ready("m", ""))


async def test_a_retry_waits_for_its_time(repository: Repository) -> None:
    repository.write("m", zoo.add(amount=1))
    copies = repository.path.parent / "copies"
    clock = ManualClock()
    settings = settings_of(repository, control="poll", snapshot_dir=copies, retry_s=60.0)

    class Quiet:
        def opened(self, model: object) -> None: ...
        def closed(self, model_key: str) -> None: ...
        def paused(self, model: object, away_s: float) -> None: ...
        def resumed(self, model_key: str) -> None: ...

    store = ModelStore(settings, Quiet(), clock)
    await store.start()
    assert store._due() == set()
    clock.advance(59.0)
    assert store._due() == set()
    copies.mkdir()
    clock.advance(2.0)
    await eventually(lambda: store.ready("m", ""))
    await store.stop()


def test_a_model_is_taken_up_only_when_two_looks_agree(repository: Repository) -> None:
    watch = Watch(settings_of(repository))
    watch.look()
    watch.look()
    assert (watch.settled(), watch.gone()) == (set(), [])
    path = repository.write("m", b"the first half") / "model.onnx"
    watch.look()
    assert watch.settled() == set(), "seen once"
    path.write_bytes(b"the first half and the second")
    watch.look()
    assert watch.settled() == set(), "still growing"
    watch.look()
    assert watch.settled() == {"m"}
    watch.taken_up("m")
    watch.look()
    assert watch.settled() == set()
    os.utime(path, ns=(1, 1))
    watch.look()
    watch.look()
    assert watch.settled() == {"m"}
    watch.taken_up("m")
    shutil.rmtree(repository.path / "m")
    watch.look()
    assert watch.gone() == [], "it may be in the middle of being replaced"
    watch.look()
    assert watch.gone() == ["m"]
    assert watch.gone() == []


def test_a_look_that_fails_changes_nothing(repository: Repository) -> None:
    repository.write("m", b"")
    watch = Watch(settings_of(repository))
    watch.look()
    watch.taken_up("m")
    away = repository.path.with_name("away")
    repository.path.rename(away)
    for _ in range(3):
        with pytest.raises(FileNotFoundError):
            watch.look()
    assert watch.names == ["m"]
    assert (watch.settled(), watch.gone()) == (set(), [])


def test_a_model_that_cannot_be_looked_at_is_taken_up_with_that(repository: Repository) -> None:
    settings = settings_of(repository)
    for version in range(1, 4):
        repository.write("m", b"", version=version)
    watch = Watch(replace(settings, files=FileLimits(versions_max=2)))
    watch.look()
    watch.look()
    assert watch.settled() == {"m"}
    assert isinstance(watch._last["m"], str)
