import statistics
import threading

import numpy as np
import pytest

from hasten_worker.engine.config.parameters import read_parameters
from hasten_worker.engine.config.text import config_from_text
from hasten_worker.engine.loading.synthetic import SyntheticModel, complete_synthetic
from hasten_worker.engine.onnx.tensor_plan import tensor_specs
from hasten_worker.engine.refusal import ModelRefused
from hasten_worker.engine.trial.size_search import PROFILE_SIZES
from hasten_worker.model import ModelError
from tests.unit.worker_engine.shop import lines, open_store
from tests.unit.worker_engine.zoo import Repository


def made(text: str = "", **parameters: str) -> SyntheticModel:
    written = config_from_text(f'backend: "synthetic" {text}').config
    for key, value in parameters.items():
        written.parameters[key].string_value = value
    config = complete_synthetic(written)
    return SyntheticModel(config, *tensor_specs(config, {}), read_parameters(config)[0])


def test_it_gives_back_what_it_is_given() -> None:
    model = made("max_batch_size: 4", alpha_ms="0")
    first, second = np.ones((1, 3), np.float32), np.zeros((2, 5), np.float32)
    results = model.new_run().execute([{"INPUT": first}, {"INPUT": second}], 4)
    assert results[0]["OUTPUT"] is first
    assert results[1]["OUTPUT"] is second
    assert model.executed == 1
    assert (model.inputs[0].shape, model.inputs[0].datatype) == ((-1, -1), "FP32")


def test_any_type_and_shape_may_be_chosen_and_batches_counted() -> None:
    model = made(
        """max_batch_size: 2
        input [ { name: "a" data_type: TYPE_STRING dims: [ 1 ] },
                { name: "b" data_type: TYPE_BF16 dims: [ 2, -1 ] } ]
        output [ { name: "c" data_type: TYPE_STRING dims: [ 1 ] },
                 { name: "SEQUENCE" data_type: TYPE_INT64 dims: [ 1 ] },
                 { name: "d" data_type: TYPE_BF16 dims: [ 2, -1 ] } ]""",
        alpha_ms="0",
    )
    member = {"a": np.full((2, 1), b"x", np.object_), "b": np.zeros((2, 2, 3))}
    for number in (1, 2):
        (result,) = model.new_run().execute([member], 2)
        assert result["c"] is member["a"]
        assert result["d"] is member["b"]
        assert result["SEQUENCE"].tolist() == [[number], [number]]


def test_it_takes_the_time_it_is_told_to_and_can_be_stopped() -> None:
    model = made("max_batch_size: 4", alpha_ms="600000", beta_ms="0")
    run = model.new_run()
    ended: list[bool] = []

    def lane() -> None:
        try:
            run.execute([{"INPUT": np.zeros((1, 1), np.float32)}], 1)
        except ModelError as error:
            ended.append(error.terminated)

    thread = threading.Thread(target=lane)
    thread.start()
    run.terminate()
    thread.join(timeout=60)
    assert ended == [True]
    assert model.begin(1)[1] == 600.0
    assert made(alpha_ms="3", beta_ms="2").begin(4)[1] == pytest.approx(0.011)


def test_its_noise_has_the_mean_and_spread_that_are_set_and_a_seed() -> None:
    seconds = [made(alpha_ms="10", noise="0.3", seed="1").begin(1)[1] for _ in range(3)]
    assert len(set(seconds)) == 1, "the same seed, the same time"
    model = made(alpha_ms="10", noise="0.3", seed="2")
    drawn = [model.begin(1)[1] for _ in range(20_000)]
    assert statistics.fmean(drawn) == pytest.approx(0.010, rel=0.02)
    assert statistics.stdev(drawn) / statistics.fmean(drawn) == pytest.approx(0.3, rel=0.05)
    assert min(drawn) > 0


def test_its_profile_is_known_without_running() -> None:
    model = made("max_batch_size: 4", alpha_ms="1000", beta_ms="500")
    profile = model.profile((1, 4))
    assert {(rows, seconds) for rows, _, seconds in profile} == {(1, 1.5), (4, 3.0)}
    assert {elements / rows for rows, elements, _ in profile} == set(PROFILE_SIZES), (
        "rows of several lengths: longer ones take no longer, and only that shows it"
    )
    assert model.executed == 0


def test_a_model_of_one_length_is_profiled_at_that_length() -> None:
    model = made(
        """max_batch_size: 4
        input [ { name: "INPUT" data_type: TYPE_FP32 dims: [ 3 ] } ]
        output [ { name: "OUTPUT" data_type: TYPE_FP32 dims: [ 3 ] } ]"""
    )
    assert {elements / rows for rows, elements, _ in model.profile((1, 4))} == {3}


@pytest.mark.parametrize(
    ("text", "reason"),
    [
        ('input { name: "a" data_type: TYPE_FP32 dims: 1 } output { name: "b" }', "data_type"),
        ('output { name: "b" data_type: TYPE_FP32 dims: 1 }', "repeats the input"),
        (
            """input { name: "a" data_type: TYPE_FP32 dims: 1 }
               output { name: "b" data_type: TYPE_FP32 dims: 2 }""",
            "same data_type and dims",
        ),
        (
            """input { name: "a" data_type: TYPE_FP32 dims: 1 optional: true }
               output { name: "b" data_type: TYPE_FP32 dims: 1 }""",
            "cannot be optional",
        ),
        ("max_batch_size: -3", "max_batch_size is -3"),
    ],
)
def test_what_it_cannot_give_back_is_refused(text: str, reason: str) -> None:
    with pytest.raises(ModelRefused, match=reason):
        made(text)


async def test_it_needs_no_file_and_no_version_folder(repository: Repository) -> None:
    config = """backend: "synthetic" max_batch_size: 8 instance_group { count: 2 }
        parameters { key: "alpha_ms" value { string_value: "300" } }"""
    repository.write("with", {}, config=config, version=4)
    (repository.path / "without").mkdir()
    (repository.path / "without" / "config.pbtxt").write_text(config)
    async with open_store(repository) as (store, _):
        assert lines(store) == {"with/4": "READY", "without/1": "READY"}
        spec = store.resolve("without", "").spec
        assert (spec.batch_max, spec.instances) == (8, 2)
        assert {rows for rows, _, _ in spec.profile} == {1, 2, 4, 8}
        assert spec.profile[0] == (1, 1, 0.3)
