import asyncio
import threading
from functools import partial
from pathlib import Path

import pytest

from hasten_policy.reasons import Reason
from hasten_runtime.errors import MeshError
from hasten_worker.engine.settings import FileLimits, TrialLimits
from hasten_worker.engine.store.model_store import ModelStore
from tests.support.waiting import eventually
from tests.unit.worker_engine import zoo
from tests.unit.worker_engine.shop import (
    Listener,
    answer,
    as_json,
    lines,
    open_store,
    refusal,
    settings_of,
)
from tests.unit.worker_engine.zoo import Repository

ROW = (1.0, 2.0, 3.0, 4.0)
SYNTHETIC = 'backend: "synthetic"'

pytestmark = pytest.mark.usefixtures("no_leaked_tasks")


def everything(folder: Path) -> list[Path]:
    return sorted(folder.rglob("*"))


async def refused(store: ModelStore, name: str, **given: object) -> tuple[Reason, str]:
    with pytest.raises(MeshError) as caught:
        await store.load(name, **given)  # type: ignore[arg-type]  # what a request may hold
    return refusal(caught.value)


async def test_only_what_is_named_is_loaded_at_the_start(repository: Repository) -> None:
    for name in ("a", "b", "c"):
        repository.write(name, config=SYNTHETIC, content={})
    async with open_store(repository, control="explicit", load_models=("b", "none")) as (store, _):
        found = lines(store)
        assert "there is no folder" in found.pop("none/")
        assert found == {"a/": "", "b/1": "READY", "c/": ""}
    async with open_store(repository, control="explicit", load_models=("*",)) as (store, _):
        assert set(lines(store).values()) == {"READY"}


async def test_a_model_comes_and_goes_on_request(repository: Repository) -> None:
    repository.write("m", zoo.add())
    async with open_store(repository, control="explicit") as (store, listener):
        assert not store.ready("m", "")
        with pytest.raises(MeshError, match="in the repository but not loaded"):
            store.resolve("m", "")
        await store.load("m")
        assert answer(store.resolve("m", ""), *ROW) == [2, 3, 4, 5]
        model = store.resolve("m", "")
        await store.load("m")
        assert store.resolve("m", "") is model, "nothing had changed"
        await store.unload("m")
        assert listener.take() == ["+m/1*", "-m/1"]
        assert lines(store) == {"m/": "UNAVAILABLE: it was unloaded"}
        with pytest.raises(MeshError, match="it was unloaded"):
            store.resolve("m", "")
        await store.unload("m")
        await store.load("m")
        assert store.ready("m", "1")


async def test_a_name_that_is_no_model_is_not_found(repository: Repository) -> None:
    async with open_store(repository, control="explicit") as (store, _):
        for name in ("none", "../models", "a/b", "", "x" * 1000):
            assert (await refused(store, name))[0] is Reason.MODEL_NOT_FOUND
            with pytest.raises(MeshError) as caught:
                await store.unload(name)
            assert caught.value.refusal.reason is Reason.MODEL_NOT_FOUND
        assert lines(store) == {}


async def test_what_was_asked_for_is_a_gap_until_it_serves_or_is_let_go(
    repository: Repository,
) -> None:
    repository.write("bad", b"garbage")
    repository.write("good", zoo.add())
    async with open_store(repository, control="explicit", load_models=("bad", "away")) as (
        store,
        _,
    ):
        assert [gap.name for gap in store.gaps()] == ["away", "bad"]
        await store.unload("away")
        await store.unload("bad")
        assert store.gaps() == []
        with pytest.raises(MeshError):
            await store.load("bad")
        assert store.gaps() == [], "the order failed and was answered so"
        await store.load("good")
        repository.write("good", b"garbage", version=2)
        with pytest.raises(MeshError):
            await store.load("good")
        assert [(gap.name, gap.version) for gap in store.gaps()] == [("good", "2")]
        await store.unload("good")
        assert store.gaps() == []


async def test_a_refused_load_keeps_what_serves(repository: Repository) -> None:
    repository.write("m", zoo.add())
    async with open_store(repository, control="explicit", load_models=("m",)) as (store, _):
        repository.write("m", b"garbage", version=2)
        reason, message = await refused(store, "m")
        assert reason is Reason.MODEL_REFUSED
        assert "version 2: model.onnx is not an ONNX file" in message
        assert "version 1 serves" in message
        assert answer(store.resolve("m", ""), *ROW) == [2, 3, 4, 5]
        assert lines(store)["m/1"] == "READY"
        repository.write("m", b"garbage too", version=1)
        await refused(store, "m")
        assert answer(store.resolve("m", "1"), *ROW) == [2, 3, 4, 5]
        assert "the earlier files keep serving" in lines(store)["m/1"]
        repository.write("m", None, config="input {", version=1)
        assert "not well formed" in (await refused(store, "m"))[1]
        assert store.ready("m", "1")


async def test_a_mended_model_replaces_the_refused_one(repository: Repository) -> None:
    repository.write("m", b"garbage")
    async with open_store(repository, control="explicit") as (store, _):
        await refused(store, "m")
        repository.write("m", zoo.add(amount=3))
        await store.load("m")
        assert answer(store.resolve("m", ""), *ROW) == [4, 5, 6, 7]
        assert lines(store) == {"m/1": "READY"}


async def test_a_configuration_in_the_request_stands_for_the_folder_s(
    repository: Repository,
) -> None:
    repository.write("m", zoo.add())
    async with open_store(repository, control="explicit") as (store, listener):
        await store.load("m", config_json=as_json(max_batch_size=3))
        assert store.resolve("m", "").spec.batch_max == 3
        await store.load("m", config_json=as_json(max_batch_size=5))
        assert store.resolve("m", "").spec.batch_max == 5
        await store.load("m")
        assert store.resolve("m", "").spec.batch_max == 32
        assert listener.take() == ["+m/1*"] * 3
        reason, message = await refused(store, "m", config_json="{")
        assert (reason, "not well formed" in message) == (Reason.MODEL_REFUSED, True)
        assert store.resolve("m", "").spec.batch_max == 32


async def test_files_in_the_request_stand_for_the_folder(repository: Repository) -> None:
    repository.write("m", zoo.add(amount=1))
    files = {"file:7/model.onnx": zoo.add(amount=7)}
    async with open_store(repository, control="explicit") as (store, _):
        reason, message = await refused(store, "m", files=files)
        assert reason is Reason.MODEL_REFUSED
        assert "only together with the parameter config" in message
        await store.load("m", config_json="{}", files=files)
        assert answer(store.resolve("m", "7"), 0, 0, 0, 0)[0] == 7
        assert not store.ready("m", "1")
        await store.load("fresh", config_json="{}", files={"1/model.onnx": zoo.add(amount=9)})
        assert answer(store.resolve("fresh", ""), 0, 0, 0, 0)[0] == 9
        assert not (repository.path / "fresh").exists()
        await store.load("m")
        assert answer(store.resolve("m", ""), 0, 0, 0, 0)[0] == 1
        await store.unload("fresh")
        assert set(lines(store)) == {"m/1"}


BAD_FILES: list[dict[str, bytes]] = [
    {"file:../../evil/1/model.onnx": b"x"},
    {"file:/tmp/evil": b"x"},
    {"file:1/../../../evil": b"x"},
    {"file:1/model.onnx": b"garbage"},
    {"file:one/model.onnx": zoo.add()},
    {"file:1/model.onnx": zoo.with_external_data("../../../../../etc/passwd")},
    {"file:1/model.onnx": zoo.add(), "file:1/big": b"x" * 10_000},
]


async def test_bad_files_in_the_request_leave_no_trace(
    repository: Repository, tmp_path: Path
) -> None:
    before = everything(tmp_path)
    limits = FileLimits(upload_bytes_max=5000)
    async with open_store(repository, control="explicit", files=limits) as (store, _):
        for files in BAD_FILES:
            reason, _ = await refused(store, "m", config_json="{}", files=files)
            assert reason is Reason.MODEL_REFUSED
            assert lines(store) == {}
            assert everything(tmp_path) == before


async def test_names_in_requests_do_not_pile_up(repository: Repository) -> None:
    limits = FileLimits(models_max=2)
    async with open_store(repository, control="explicit", files=limits) as (store, _):
        for number in range(5):
            await refused(store, f"m{number}", config_json="{", files={"1/model.onnx": b""})
        config = as_json(backend="synthetic")
        for name in ("a", "b"):
            await store.load(name, config_json=config, files={"1/x": b""})
        assert "its limit" in (await refused(store, "c", config_json=config, files={"1/x": b""}))[1]


async def test_an_unload_waits_for_the_last_call(repository: Repository) -> None:
    repository.write("m", config=SYNTHETIC, content={})
    async with open_store(repository, control="explicit", load_models=("m",)) as (store, listener):
        listener.hold = True
        unload = asyncio.create_task(store.unload("m"))
        await eventually(lambda: "-m/1" in listener.told)
        assert lines(store) == {"m/1": "UNLOADING"}
        with pytest.raises(MeshError):
            store.resolve("m", "1")
        load = asyncio.create_task(store.load("m"))
        assert not (await asyncio.wait((unload, load), timeout=0.05))[0]
        store.release("m/1")
        await unload
        await load
        assert listener.take() == ["+m/1*", "-m/1", "+m/1*"]
        store.release("m/1")
        store.release("never/heard/of")
        assert store.ready("m", "1")


async def test_calls_that_never_end_do_not_hold_an_unload_for_ever(repository: Repository) -> None:
    repository.write("m", config=SYNTHETIC, content={})
    async with open_store(
        repository, control="explicit", load_models=("m",), unload_wait_s=0.05
    ) as (store, listener):
        listener.hold = True
        await store.unload("m")
        await store.load("m")
        assert store.ready("m", "1")


async def test_a_version_leaves_only_when_its_successor_serves(repository: Repository) -> None:
    repository.write("m", zoo.add(amount=1))
    async with open_store(repository, control="explicit", load_models=("m",)) as (store, listener):
        repository.write("m", zoo.add(amount=2), version=2)
        await store.load("m")
        assert listener.take() == ["+m/1*", "+m/2*", "+m/1", "-m/1"]
        assert not store.ready("m", "1")
        for path in (repository.path / "m" / "2").iterdir():
            path.unlink()
        (repository.path / "m" / "2").rmdir()
        await store.load("m")
        assert listener.take() == ["+m/1", "+m/1*", "-m/2"]


async def test_changes_of_one_model_happen_one_after_the_other(repository: Repository) -> None:
    repository.write("m", config=SYNTHETIC, content={})
    async with open_store(repository, control="explicit") as (store, listener):
        jobs = [store.load("m") if turn % 2 else store.unload("m") for turn in range(20)]
        await asyncio.gather(*jobs)
        told = listener.take()
        assert told == ["+m/1*", "-m/1"] * (len(told) // 2) + ["+m/1*"] * (len(told) % 2)
        assert store.ready("m", "") == (told[-1] == "+m/1*")


async def test_two_models_can_be_loaded_at_once_from_requests(repository: Repository) -> None:
    for name in ("a", "b", "c"):
        repository.write(name, zoo.add())
    async with open_store(repository, control="explicit") as (store, _):
        await asyncio.gather(*(store.load(name) for name in ("a", "b", "c")))
        assert lines(store) == {"a/1": "READY", "b/1": "READY", "c/1": "READY"}


async def test_a_load_goes_on_when_its_caller_has_gone(repository: Repository) -> None:
    repository.write("m", zoo.add())
    async with open_store(repository, control="explicit") as (store, _):
        load = asyncio.create_task(store.load("m"))
        # `eventually` may look again when it has loaded.
        while lines(store).get("m/1") != "LOADING":  # noqa: ASYNC110  (at every turn of the loop)
            await asyncio.sleep(0)
        with pytest.raises(MeshError) as caught:
            store.resolve("m", "")
        assert caught.value.refusal.reason is Reason.MODEL_LOADING
        assert caught.value.refusal.retry_after_s is not None
        load.cancel()
        await eventually(lambda: store.ready("m", ""))


async def test_running_lanes_do_not_notice_a_reload(repository: Repository) -> None:
    """Same key, other files: runs end on the session they began on, none fails."""
    repository.write("m", zoo.add(amount=1))
    async with open_store(repository, control="explicit", load_models=("m",)) as (store, listener):
        stop = threading.Event()
        seen: set[float] = set()
        faults: list[BaseException] = []

        def lane() -> None:
            try:
                while not stop.wait(0.001):
                    seen.add(answer(listener.models["m/1"], 0, 0, 0, 0)[0])
            except BaseException as error:  # noqa: BLE001  (any fault fails the test)
                faults.append(error)

        lanes = [threading.Thread(target=lane) for _ in range(3)]
        for thread in lanes:
            thread.start()
        await eventually(partial(seen.__contains__, 1.0))
        for amount in (2, 3, 4):
            repository.write("m", zoo.add(amount=amount))
            await store.load("m")
            await eventually(partial(seen.__contains__, float(amount)))
        stop.set()
        for thread in lanes:
            await asyncio.to_thread(thread.join)
        assert not faults
        assert seen == {1.0, 2.0, 3.0, 4.0}
        assert listener.take() == ["+m/1*"] * 4


async def test_the_event_loop_goes_on_while_a_model_loads(repository: Repository) -> None:
    async def turns_amid_a_load(number: int) -> int:
        repository.write("m", zoo.add(amount=number))
        load = asyncio.create_task(store.load("m"))
        turns = 0
        while not load.done():
            await asyncio.sleep(0)
            turns += 1
        await load
        return turns

    async with open_store(repository, control="explicit") as (store, _):
        # This process may stand still while another one examines the model, but not each time.
        found: list[int] = []
        while not found or (found[-1] <= 100 and len(found) < 20):
            found.append(await turns_amid_a_load(len(found)))
        assert found[-1] > 100, found


@pytest.mark.parametrize("when", ["start", "request"])
async def test_stopping_while_a_model_loads_does_not_wait_for_it(
    repository: Repository, when: str
) -> None:
    repository.write("m", zoo.loop())
    chosen = ("m",) if when == "start" else ()
    async with asyncio.timeout(60):
        await _stopped_amid_a_load(repository, chosen)


async def _stopped_amid_a_load(repository: Repository, chosen: tuple[str, ...]) -> None:
    endless = TrialLimits(timeout_s=600.0, run_s_max=600.0)
    settings = settings_of(
        repository, control="explicit", load_models=chosen, trial=endless, run_s_max=600.0
    )
    listener = Listener()
    listener.store = store = ModelStore(settings, listener)
    starting = asyncio.create_task(store.start())
    loading = None
    if not chosen:
        await starting
        loading = asyncio.create_task(store.load("m"))
    await eventually(lambda: lines(store).get("m/1") == "LOADING")
    await store.stop()
    await starting
    if loading is not None:
        with pytest.raises(MeshError, match="given up"):
            await loading
    assert listener.take() == []
    assert not list(repository.path.parent.glob("hasten-model-*"))
