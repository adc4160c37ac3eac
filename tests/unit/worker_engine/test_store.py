import os

import numpy as np
import pytest
from onnx import TensorProto
from structlog.testing import capture_logs

from hasten_policy.reasons import Reason
from hasten_runtime.errors import MeshError
from hasten_worker.engine.facts import ModelFacts
from hasten_worker.engine.refusal import ModelRefused
from hasten_worker.engine.store.model_store import ModelStore
from hasten_worker.engine.trial.client import Trial
from hasten_worker.engine.trial.task import Task
from hasten_worker.model import ModelError
from loadtest.row_models import MIXING, ROW_WISE
from tests.unit.worker_engine import zoo
from tests.unit.worker_engine.shop import (
    Listener,
    answer,
    lines,
    open_store,
    refusal,
    settings_of,
)
from tests.unit.worker_engine.test_sizes import never
from tests.unit.worker_engine.zoo import Repository

ROW = (1.0, 2.0, 3.0, 4.0)
ALL = "version_policy { all { } }"

pytestmark = pytest.mark.usefixtures("no_leaked_tasks")


async def test_all_models_are_loaded_at_the_start(repository: Repository) -> None:
    repository.write("a", zoo.add())
    repository.write("b", zoo.add(amount=2))
    repository.write("s", config='backend: "synthetic"', content={})
    async with open_store(repository) as (store, listener):
        assert lines(store) == {"a/1": "READY", "b/1": "READY", "s/1": "READY"}
        assert listener.take() == ["+a/1*", "+b/1*", "+s/1*"]
        assert answer(store.resolve("a", ""), *ROW) == [2, 3, 4, 5]
        assert store.resolve("b", "1") is store.resolve("b", "")
        assert answer(store.resolve("b", "1"), *ROW) == [3, 4, 5, 6]
        assert store.ready("a", "")
        assert store.ready("a", "1")
        assert not store.ready("a", "2")
        assert not store.ready("c", "")


async def test_a_model_says_what_the_machine_must_know(repository: Repository) -> None:
    config = """
        max_batch_size: 8
        instance_group { count: 3 kind: KIND_CPU }
        dynamic_batching {
            preferred_batch_size: [ 8, 4 ] max_queue_delay_microseconds: 1500
            default_queue_policy { max_queue_size: 9 default_timeout_microseconds: 250000 }
        }
        parameters { key: "hasten.batch_sizes" value { string_value: "1,4" } }
        parameters { key: "hasten.run_timeout_ms" value { string_value: "70000" } }
        output { name: "Y" label_filename: "labels.txt" }
    """
    repository.write("m", zoo.add(), config=config, version=3)
    (repository.path / "m" / "labels.txt").write_text("one\ntwo\n")
    async with open_store(repository) as (store, _):
        model = store.resolve("m", "3")
        spec = model.spec
        assert (spec.key, spec.name, spec.version) == ("m/3", "m", "3")
        assert (spec.batch_max, spec.batch_sizes, spec.preferred_sizes) == (8, (1, 4, 8), (4, 8))
        assert (spec.queue_delay_max_s, spec.queue_max, spec.instances) == (0.0015, 9, 3)
        assert (spec.default_timeout_s, spec.run_s_max) == (0.25, 70.0)
        assert {rows for rows, _, _ in spec.profile} == {1, 4, 8}
        assert all(took_s > 0 for _, _, took_s in spec.profile)
        assert model.batches
        assert model.memory_bytes > 0
        assert model.config.name == "m"
        assert (model.inputs[0].shape, model.inputs[0].datatype) == ((-1, 4), "FP32")
        assert model.outputs[0].labels == ("one", "two")


async def test_it_is_measured_at_several_sizes_of_its_free_dimensions(
    repository: Repository,
) -> None:
    repository.write("free", zoo.identity(TensorProto.FLOAT, ("n", "width")))
    repository.write("times", MIXING[0].make().SerializeToString())
    repository.write("image", ROW_WISE[3].make().SerializeToString())
    async with open_store(repository, profile_budget_s=1000.0) as (store, _):

        def measured(name: str) -> set[tuple[int, int]]:
            return {(rows, size) for rows, size, _ in store.resolve(name, "").spec.profile}

        sizes = (1, 16, 64, 256)
        assert measured("free") == {(rows, rows * size) for rows in (1, 4, 16) for size in sizes}
        assert measured("times") == {(1, 4 * size) for size in sizes}
        assert measured("image") == {
            (rows, rows * 3 * size**2) for rows in (1, 4, 16) for size in (64, 256)
        }


async def test_the_index_and_the_log_say_how_a_model_is_served(repository: Repository) -> None:
    repository.write("mixing", MIXING[0].make().SerializeToString())
    repository.write("told", MIXING[0].make().SerializeToString(), config="max_batch_size: 8")
    repository.write("fixed", zoo.add((1, 4)))
    repository.write("asked", zoo.add((1, 4)), config="max_batch_size: 0")
    repository.write("rows", zoo.add())
    with capture_logs() as logged:
        async with open_store(repository) as (store, _):
            index = lines(store)
            assert store.resolve("mixing", "").spec.batch_max == 1
            assert store.resolve("told", "").spec.batch_max == 8
            assert index["rows/1"] == index["asked/1"] == "READY"
            assert index["fixed/1"].endswith("input 'X' has a fixed first dimension 1")
            assert index["mixing/1"].startswith("READY: served one call at a time, not in batches")
            assert index["told/1"].startswith("READY: max_batch_size is 8, but calls in one batch")
    noted = {
        f"{line['model']}/1": f"READY: {line['note']}"
        for line in logged
        if line["event"] == "model.note"
    }
    assert noted == {key: said for key, said in index.items() if said != "READY"}


async def test_a_model_without_a_first_run_is_served_and_learns_from_real_calls(
    repository: Repository,
) -> None:
    repository.write("m", never().SerializeToString())
    async with open_store(repository) as (store, _):
        assert "its times are learnt from real calls" in lines(store)["m/1"]
        model = store.resolve("m", "")
        assert (model.spec.profile, model.batches) == ((), False)
        asked = np.arange(2 * 2431, dtype=np.float32).reshape(2, 2431)
        for _ in range(2):
            (answered,) = model.new_run().execute([{"X": asked}], 1)
            np.testing.assert_array_equal(answered["Y"], asked)
        with pytest.raises(ModelError, match="reshaped"):
            model.new_run().execute([{"X": asked[:, 1:]}], 1)


async def test_a_model_that_takes_no_noise_is_measured_with_equal_elements(
    repository: Repository,
) -> None:
    repository.write("words", zoo.letters_as_numbers())
    async with open_store(repository) as (store, listener):
        assert lines(store) == {"words/1": "READY"}
        assert listener.models["words/1"].spec.profile


async def test_every_version_of_the_policy_serves_and_the_highest_unversioned(
    repository: Repository,
) -> None:
    for number in (1, 2, 10):
        repository.write("m", zoo.add(amount=number), version=number, config=ALL)
    async with open_store(repository) as (store, listener):
        assert listener.take() == ["+m/10*", "+m/2", "+m/1"]
        for version in ("1", "2", "10"):
            assert answer(store.resolve("m", version), 0, 0, 0, 0)[0] == float(version)
        assert store.resolve("m", "").spec.version == "10"


async def test_a_bad_model_stops_nothing_and_says_why(repository: Repository) -> None:
    repository.write("bad", b"garbage")
    repository.write("good", zoo.add())
    short = 'parameters { key: "hasten.run_timeout_ms" value { string_value: "300" } }'
    repository.write("loop", zoo.loop(), config=short)
    repository.write("wrong", zoo.add(), config='name: "other"')
    repository.write("ensemble", zoo.add(), config='platform: "ensemble"')
    (repository.path / "empty").mkdir()
    async with open_store(repository) as (store, listener):
        assert listener.take() == ["+good/1*"]
        index = lines(store)
        assert index["good/1"] == "READY"
        assert "cannot be parsed" in index["bad/1"]
        assert "did not end within 0.3 s" in index["loop/1"]
        assert "names the model 'other', its folder is 'wrong'" in index["wrong/"]
        assert "ensembles are not served" in index["ensemble/"]
        assert "the model has no version" in index["empty/"]
        assert all(
            state.startswith("UNAVAILABLE") for key, state in index.items() if "good" not in key
        )
        with pytest.raises(MeshError) as caught:
            store.resolve("bad", "")
        reason, message = refusal(caught.value)
        assert reason is Reason.MODEL_NOT_FOUND
        assert "cannot be parsed" in message


@pytest.mark.parametrize(
    ("name", "version", "reason", "part"),
    [
        ("none", "", Reason.MODEL_NOT_FOUND, "'none'"),
        ("m", "7", Reason.VERSION_NOT_FOUND, "serves version 1, 2, not '7'"),
        ("m", "latest", Reason.VERSION_NOT_FOUND, "whole number"),
        ("m", "01", Reason.VERSION_NOT_FOUND, "whole number"),
        ("x" * 10_000, "", Reason.MODEL_NOT_FOUND, "x"),
    ],
)
async def test_an_unknown_model_or_version_is_named(
    repository: Repository, name: str, version: str, reason: Reason, part: str
) -> None:
    for number in (1, 2):
        repository.write("m", config=f'backend: "synthetic" {ALL}', content={}, version=number)
    async with open_store(repository) as (store, _):
        with pytest.raises(MeshError) as caught:
            store.resolve(name, version)
        assert refusal(caught.value)[0] is reason
        assert part in refusal(caught.value)[1]
        assert len(refusal(caught.value)[1]) < 1000


async def test_a_bad_newest_version_makes_room_for_the_one_before(repository: Repository) -> None:
    repository.write("m", zoo.add(amount=1), version=1)
    repository.write("m", b"garbage", version=2)
    async with open_store(repository) as (store, _):
        assert store.resolve("m", "").spec.version == "1"
        index = lines(store)
        assert index["m/1"] == "READY"
        assert index["m/2"].startswith("UNAVAILABLE: ")


async def test_a_repository_that_is_not_there_stops_the_start(repository: Repository) -> None:
    store = ModelStore(settings_of(repository, models_dir=repository.path / "none"), Listener())
    with pytest.raises(ModelRefused, match="cannot be read: No such file"):
        await store.start()
    await store.stop()


async def test_another_file_name_and_external_data_are_found(repository: Repository) -> None:
    files = {
        "net.onnx": zoo.with_external_data("weights.bin"),
        "weights.bin": zoo.EXTERNAL_WEIGHTS,
    }
    repository.write("m", files, config='default_model_filename: "net.onnx"')
    async with open_store(repository) as (store, _):
        assert answer(store.resolve("m", ""), *ROW) == [1, 3, 5, 7]


async def test_samples_of_the_configuration_replace_generated_inputs(
    repository: Repository,
) -> None:
    config = """
        max_batch_size: 4
        model_warmup {
            name: "three rows" batch_size: 3 count: 2
            inputs { key: "X" value { data_type: TYPE_FP32 dims: 1 input_data_file: "x" } }
        }
    """
    # Rows of zeros are dropped, so zeros fail.
    repository.write("m", zoo.non_zero_rows(), config=config)
    warmup = repository.path / "m" / "warmup"
    warmup.mkdir()
    (warmup / "x").write_bytes(np.array([5, 6, 7], np.float32).tobytes())
    async with open_store(repository) as (store, _):
        said = lines(store)["m/1"]
        assert said.startswith("READY: max_batch_size is 4, but calls in one batch change")
        assert {rows for rows, _, _ in store.resolve("m", "").spec.profile} == {1, 2, 4}


SAMPLES = [
    ("data_type: TYPE_FP32 dims: 4 input_data_file: 'none'", "no file warmup/none"),
    ("data_type: TYPE_FP32 dims: 4 input_data_file: '../x'", "no name of a file"),
    ("data_type: TYPE_FP32 dims: 4 input_data_file: 'short'", "3 bytes, its shape takes 16"),
    ("data_type: TYPE_INT8 dims: 4 zero_data: true", "another data_type"),
    ("data_type: TYPE_FP32 dims: -1 zero_data: true", "dims of input 'X' must be given"),
    ("data_type: TYPE_FP32 dims: 99999999999 zero_data: true", "too large"),
]


async def test_a_sample_that_does_not_fit_is_refused(repository: Repository) -> None:
    for number, (entry, _) in enumerate(SAMPLES):
        config = f"max_batch_size: 2 model_warmup {{ inputs {{ key: 'X' value {{ {entry} }} }} }}"
        repository.write(f"m{number}", zoo.add(), config=config)
        (repository.path / f"m{number}" / "warmup").mkdir()
        (repository.path / f"m{number}" / "warmup" / "short").write_bytes(b"abc")
    async with open_store(repository) as (store, _):
        for number, (_, reason) in enumerate(SAMPLES):
            assert reason in lines(store)[f"m{number}/1"]


NONSENSE = [
    ("max_batch_size: 4 dynamic_batching { preferred_batch_size: 5 }", "5 is not between"),
    (
        """max_batch_size: 4
            parameters { key: "hasten.batch_sizes" value { string_value: "5" } }""",
        "5 is not between 1 and max_batch_size 4",
    ),
    ("instance_group { count: -1 }", "instance_group.count is -1"),
    ("instance_group { count: 1000000 }", "1000000 instances"),
    ("instance_group { kind: KIND_CPU gpus: 0 }", "KIND_CPU lists gpus"),
    ('output { name: "Y" label_filename: "none" }', "no label file 'none'"),
    ('output { name: "Y" label_filename: "../l" }', "label_filename is '../l'"),
]


async def test_a_configuration_that_makes_no_sense_is_refused(repository: Repository) -> None:
    for number, (config, _) in enumerate(NONSENSE):
        repository.write(f"m{number}", zoo.add(), config=config)
    async with open_store(repository) as (store, _):
        for number, (_, reason) in enumerate(NONSENSE):
            assert reason in lines(store)[f"m{number}/1"]


async def test_a_misspelt_field_is_named_beside_what_then_does_not_fit(
    repository: Repository,
) -> None:
    config = """
        max_bach_size: 8
        input { name: "X" data_type: TYPE_FP32 dims: [ 4 ] }
        output { name: "Y" data_type: TYPE_FP32 dims: [ 4 ] }
    """
    repository.write("m", zoo.add(), config=config)
    async with open_store(repository) as (store, _):
        said = lines(store)["m/1"]
        assert "the model file says [-1, 4]" in said
        assert "config.pbtxt: line 2: unknown field max_bach_size is ignored" in said


async def test_a_file_that_cannot_be_read_is_a_reason(repository: Repository) -> None:
    repository.write("m", zoo.add())
    repository.write("n", zoo.add(), config="")
    (repository.path / "n" / "config.pbtxt").write_bytes(b"\xff\xfe")
    os.truncate(repository.path / "m" / "1" / "model.onnx", 0)
    async with open_store(repository) as (store, _):
        assert "not a valid ONNX model" in lines(store)["m/1"]
        assert "not UTF-8" in lines(store)["n/"]


async def test_without_explicit_control_requests_to_load_are_refused(
    repository: Repository,
) -> None:
    repository.write("m", config='backend: "synthetic"', content={})
    for control in ("none", "poll"):
        async with open_store(repository, control=control) as (store, _):
            for request in (store.load("m"), store.unload("m")):
                with pytest.raises(MeshError) as caught:
                    await request
                assert caught.value.refusal.reason is Reason.CONTROL_MODE
            assert store.ready("m", "")


async def test_what_was_examined_is_what_is_loaded(
    repository: Repository, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The files are exchanged the moment that the examination is over."""
    path = repository.write("m", zoo.add(amount=1)) / "model.onnx"
    examine = Trial.examine

    def examine_then_exchange(trial: Trial, task: Task) -> ModelFacts:
        facts = examine(trial, task)
        path.write_bytes(b"not what was examined")
        return facts

    monkeypatch.setattr(Trial, "examine", examine_then_exchange)
    async with open_store(repository) as (store, _):
        assert answer(store.resolve("m", ""), 0, 0, 0, 0) == [1, 1, 1, 1]
