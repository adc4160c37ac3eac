"""Which devices and execution providers run a model: what is configured and what is there."""

from typing import Final

import onnxruntime as ort

from hasten.inference.v2.model_config_pb2 import ModelConfig, ModelInstanceGroup
from hasten_worker.engine.config.parameters import Parameters
from hasten_worker.engine.onnx.session import CPU, CUDA, TENSORRT, SessionPlan
from hasten_worker.engine.refusal import ModelRefused
from hasten_worker.engine.settings import StoreSettings

INSTANCES_MAX: Final = 256
# Triton's names of TensorRT settings and onnxruntime's.
_TENSORRT_NUMBERS: Final = {
    "max_workspace_size_bytes": "trt_max_workspace_size",
    "trt_max_partition_iterations": "trt_max_partition_iterations",
    "trt_min_subgraph_size": "trt_min_subgraph_size",
    "trt_engine_cache_path": "trt_engine_cache_path",
}


class Planner:
    """Makes session plans.

    Args:
        settings: Of the store.
        available: onnxruntime's providers; asked of onnxruntime when None.
    """

    def __init__(self, settings: StoreSettings, available: tuple[str, ...] | None = None) -> None:
        present = ort.get_available_providers() if available is None else available
        allowed = {"cpu": CPU, "cuda": CUDA, "tensorrt": TENSORRT}
        self._present = {
            provider
            for name, provider in allowed.items()
            if name in settings.providers and provider in present
        }
        self._settings = settings

    def plan(
        self, config: ModelConfig, parameters: Parameters
    ) -> tuple[tuple[SessionPlan, ...], int, list[str]]:
        """Sessions for a model, one per device; instances over all; sentences for its owner.

        Raises:
            ModelRefused: Its instance groups make no sense, or nothing here can run it.
        """
        notes: list[str] = []
        devices: dict[tuple[str, int], int] = {}
        for group in config.instance_group or [ModelInstanceGroup()]:
            if group.count < 0:
                raise ModelRefused(f"instance_group.count is {group.count}: expected 0 or more")
            for device in self._devices(group, notes):
                count = group.count or (self._settings.lanes if device[0] == "cpu" else 1)
                devices[device] = devices.get(device, 0) + count
        instances = sum(devices.values())
        if instances > INSTANCES_MAX:
            raise ModelRefused(f"{instances} instances, more than the limit of {INSTANCES_MAX}")
        plans = tuple(
            self._session_plan(kind, number, config, parameters, notes) for kind, number in devices
        )
        return plans, instances, list(dict.fromkeys(notes))

    def _devices(self, group: ModelInstanceGroup, notes: list[str]) -> list[tuple[str, int]]:
        gpus = [("cuda", number) for number in group.gpus] or [("cuda", 0)]
        has_gpu = bool(self._present & {CUDA, TENSORRT})
        if group.kind == ModelInstanceGroup.KIND_CPU:
            if group.gpus:
                raise ModelRefused("instance_group: KIND_CPU lists gpus")
            return [("cpu", 0)]
        if has_gpu:
            return gpus
        if group.kind == ModelInstanceGroup.KIND_GPU or group.gpus:
            notes.append("instance_group asks for a GPU: there is none, the CPU runs the model")
        return [("cpu", 0)]

    def _session_plan(
        self,
        kind: str,
        number: int,
        config: ModelConfig,
        parameters: Parameters,
        notes: list[str],
    ) -> SessionPlan:
        providers: list[tuple[str, dict[str, str]]] = []
        wanted = config.optimization.execution_accelerators.gpu_execution_accelerator
        for accelerator in wanted:
            if accelerator.name != "tensorrt":
                continue
            if kind != "cuda" or TENSORRT not in self._present:
                notes.append("execution accelerator 'tensorrt' is not there and is left out")
                continue
            options = _tensorrt_options(dict(accelerator.parameters), notes)
            providers.append((TENSORRT, {"device_id": str(number), **options}))
        if kind == "cuda" and CUDA in self._present:
            providers.append((CUDA, {"device_id": str(number)}))
        if CPU in self._present:
            providers.append((CPU, {}))
        if not providers:
            raise ModelRefused("no execution provider that the settings allow is installed")
        share = max(1, self._settings.cores // max(1, self._settings.lanes))
        return SessionPlan(
            providers=tuple(providers),
            device=kind,
            device_id=number,
            intra_op_threads=parameters.intra_op_threads or share,
            inter_op_threads=parameters.inter_op_threads,
            parallel=parameters.parallel,
            mem_arena=parameters.mem_arena,
            mem_pattern=parameters.mem_pattern,
            graph_level=config.optimization.graph.level,
        )


def _tensorrt_options(given: dict[str, str], notes: list[str]) -> dict[str, str]:
    options: dict[str, str] = {}
    precision = given.pop("precision_mode", "FP32").upper()
    if precision == "FP16":
        options["trt_fp16_enable"] = "True"
    elif precision != "FP32":
        notes.append(f"tensorrt: precision_mode {precision!r} is taken as FP32")
    if given.pop("trt_engine_cache_enable", "").lower() in {"1", "true"}:
        options["trt_engine_cache_enable"] = "True"
    for key, value in given.items():
        if key in _TENSORRT_NUMBERS:
            options[_TENSORRT_NUMBERS[key]] = value
        else:
            notes.append(f"tensorrt: parameter {key!r} is ignored")
    return options
