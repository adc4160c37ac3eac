from pathlib import Path

import pytest

from hasten_worker.engine.config.parameters import read_parameters
from hasten_worker.engine.config.providers import Planner
from hasten_worker.engine.config.spec import padding_sizes
from hasten_worker.engine.config.text import config_from_text
from hasten_worker.engine.onnx.session import CPU, CUDA, TENSORRT, SessionPlan
from hasten_worker.engine.refusal import ModelRefused
from hasten_worker.engine.settings import StoreSettings

EVERYTHING = (TENSORRT, CUDA, CPU, "AzureExecutionProvider")
TENSORRT_CONFIG = """optimization { execution_accelerators { gpu_execution_accelerator {
    name: "tensorrt"
    parameters { key: "precision_mode" value: "FP16" }
    parameters { key: "max_workspace_size_bytes" value: "1024" }
    parameters { key: "odd" value: "1" } } } }"""


def planned(
    text: str, available: tuple[str, ...] = EVERYTHING, **settings: object
) -> tuple[tuple[SessionPlan, ...], int, list[str]]:
    chosen = StoreSettings(Path(), **({"lanes": 2, "cores": 8} | settings))  # type: ignore[arg-type]
    config = config_from_text(text).config
    return Planner(chosen, available).plan(config, read_parameters(config)[0])


def names(plan: SessionPlan) -> list[str]:
    return [name for name, _ in plan.providers]


def test_without_a_gpu_the_cpu_runs_it_with_its_share_of_the_cores() -> None:
    (plan,), instances, notes = planned("", (CPU,))
    assert (names(plan), plan.device, plan.intra_op_threads) == ([CPU], "cpu", 4)
    assert (instances, notes) == (2, [])


def test_a_gpu_is_taken_where_there_is_one() -> None:
    (plan,), instances, _ = planned("")
    assert (names(plan), plan.device, plan.device_id) == ([CUDA, CPU], "cuda", 0)
    assert instances == 1


def test_what_the_configuration_wants_on_the_cpu_stays_there() -> None:
    (plan,), instances, _ = planned("instance_group { kind: KIND_CPU count: 5 }")
    assert (names(plan), plan.device, instances) == ([CPU], "cpu", 5)


def test_each_gpu_has_a_session_of_its_own() -> None:
    text = "instance_group { kind: KIND_GPU count: 2 gpus: [ 0, 3 ] } instance_group { gpus: 3 }"
    plans, instances, _ = planned(text)
    assert [(plan.device, plan.device_id) for plan in plans] == [("cuda", 0), ("cuda", 3)]
    assert dict(plans[1].providers)[CUDA] == {"device_id": "3"}
    assert instances == 5


def test_a_gpu_that_is_not_there_is_said() -> None:
    (plan,), _, notes = planned("instance_group { kind: KIND_GPU }", (CPU,))
    assert names(plan) == [CPU]
    assert notes == ["instance_group asks for a GPU: there is none, the CPU runs the model"]


def test_tensorrt_is_taken_when_asked_for_and_compiles_for_fixed_sizes() -> None:
    text = f"max_batch_size: 6 {TENSORRT_CONFIG}"
    plans, _, notes = planned(text)
    assert names(plans[0]) == [TENSORRT, CUDA, CPU]
    assert dict(plans[0].providers)[TENSORRT] == {
        "device_id": "0",
        "trt_fp16_enable": "True",
        "trt_max_workspace_size": "1024",
    }
    assert notes == ["tensorrt: parameter 'odd' is ignored"]
    config = config_from_text(text).config
    assert padding_sizes(config, read_parameters(config)[0], plans) == (1, 2, 4, 6)
    assert padding_sizes(config, read_parameters(config)[0], planned("")[0]) == ()


def test_tensorrt_that_is_not_there_is_said() -> None:
    (plan,), _, notes = planned(TENSORRT_CONFIG, (CPU,))
    assert names(plan) == [CPU]
    assert notes == ["execution accelerator 'tensorrt' is not there and is left out"]


def test_settings_can_keep_models_off_the_gpu() -> None:
    (plan,), _, notes = planned(TENSORRT_CONFIG, providers=("cpu",))
    assert (names(plan), plan.device) == ([CPU], "cpu")
    assert len(notes) == 1


def test_without_any_provider_nothing_can_run() -> None:
    with pytest.raises(ModelRefused, match="no execution provider"):
        planned("", ())


def test_parameters_and_graph_level_reach_the_session() -> None:
    (plan,), _, _ = planned(
        """optimization { graph { level: -1 } }
        parameters { key: "intra_op_thread_count" value { string_value: "7" } }
        parameters { key: "execution_mode" value { string_value: "1" } }""",
        (CPU,),
    )
    assert (plan.graph_level, plan.intra_op_threads, plan.parallel) == (-1, 7, True)
    assert SessionPlan.from_json(plan.to_json()) == plan
