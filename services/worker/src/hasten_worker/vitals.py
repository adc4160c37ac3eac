"""What the process uses, and what is in use of the machine that it runs on."""

import os
import tempfile
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path

import psutil

from hasten_runtime import logs
from hasten_runtime.clock import Clock
from hasten_worker.engine.isolation.host import Use

_log = logs.logger(__name__)


@dataclass(frozen=True, slots=True)
class NodeSigns:
    """What is in use of a machine, by whomever.

    Attributes:
        cpu: Processor since the last measurement, as a share of all cores.
        memory_bytes: Memory in use.
        memory_bytes_max: All of it.
        disk_bytes: Disk in use where the worker keeps its files.
        disk_bytes_max: All of that disk.
        gpu: GPU in use of late, as a share, the mean of all; 0 without a GPU.
        gpu_memory_bytes_max: Memory of all GPUs; 0 without a GPU.
    """

    cpu: float = 0.0
    memory_bytes: int = 0
    memory_bytes_max: int = 0
    disk_bytes: int = 0
    disk_bytes_max: int = 0
    gpu: float = 0.0
    gpu_memory_bytes_max: int = 0


@dataclass(frozen=True, slots=True)
class VitalSigns:
    """One measurement.

    Attributes:
        cpu_cores: Processor time since the last measurement, in cores.
        memory_bytes: Resident memory.
        gpu_memory_bytes: Memory in use on all GPUs by this process; 0 without a GPU.
        node: What is in use of the machine.
    """

    cpu_cores: float = 0.0
    memory_bytes: int = 0
    gpu_memory_bytes: int = 0
    node: NodeSigns = field(default_factory=NodeSigns)


class Vitals:
    """Measures this process and its machine. `sample` is called once a second or so.

    Args:
        clock: The worker's.
        files: Where the worker keeps its files; None for where temporary ones lie.
        models: What the processes of models use, which counts as the worker's.
    """

    def __init__(
        self, clock: Clock, files: Path | None = None, models: Callable[[], Use] = Use
    ) -> None:
        self._clock = clock
        self._files = str(files or tempfile.gettempdir())
        psutil.cpu_percent(None)  # It tells what was used since it was asked before.
        self._process = psutil.Process()
        self._gpu = _Gpu.open()
        self._models = models
        self._cpu_s = self._cpu_total_s()
        self._sampled_s = clock.now_s()
        self.signs = VitalSigns(memory_bytes=self._memory_bytes())
        """The last measurement."""

    def sample(self) -> VitalSigns:
        """Measures anew."""
        now_s, cpu_s = self._clock.now_s(), self._cpu_total_s()
        passed_s = now_s - self._sampled_s
        cores = (cpu_s - self._cpu_s) / passed_s if passed_s > 0.0 else 0.0
        self._sampled_s, self._cpu_s = now_s, cpu_s
        self.signs = VitalSigns(
            cpu_cores=max(0.0, cores),
            memory_bytes=self._memory_bytes(),
            gpu_memory_bytes=self._gpu.used_bytes() if self._gpu else 0,
            node=self._node(),
        )
        return self.signs

    def _node(self) -> NodeSigns:
        memory = psutil.virtual_memory()
        try:
            disk = psutil.disk_usage(self._files)
            disk_bytes, disk_bytes_max = disk.used, disk.total
        except OSError:
            disk_bytes = disk_bytes_max = 0
        share, gpu_memory_bytes_max = self._gpu.of_node() if self._gpu else (0.0, 0)
        return NodeSigns(
            cpu=min(1.0, psutil.cpu_percent(None) / 100.0),
            memory_bytes=memory.total - memory.available,
            memory_bytes_max=memory.total,
            disk_bytes=disk_bytes,
            disk_bytes_max=disk_bytes_max,
            gpu=share,
            gpu_memory_bytes_max=gpu_memory_bytes_max,
        )

    def close(self) -> None:
        """Lets the GPU library go."""
        if self._gpu is not None:
            self._gpu.close()

    def _cpu_total_s(self) -> float:
        times = self._process.cpu_times()
        return float(times.user + times.system) + self._models().cpu_s

    def _memory_bytes(self) -> int:
        return int(self._process.memory_info().rss) + self._models().memory_bytes


class _Gpu:
    """NVML, where it is present."""

    @classmethod
    def open(cls) -> "_Gpu | None":
        import pynvml

        try:
            pynvml.nvmlInit()
        except pynvml.NVMLError:
            return None
        return cls()

    def used_bytes(self) -> int:
        """Memory of all GPUs that is in use by this process and those that it started, as far as
        NVML tells.
        """
        import pynvml

        ours = {os.getpid(), *(each.pid for each in psutil.Process().children(recursive=True))}
        used = 0
        try:
            for index in range(pynvml.nvmlDeviceGetCount()):
                handle = pynvml.nvmlDeviceGetHandleByIndex(index)
                for process in pynvml.nvmlDeviceGetComputeRunningProcesses(handle):
                    if process.pid in ours:
                        used += process.usedGpuMemory or 0
        except pynvml.NVMLError as error:
            _log.debug("gpu.unreadable", reason=str(error))
        return used

    def of_node(self) -> tuple[float, int]:
        """Use of all GPUs as a mean share, and the bytes of all their memory."""
        import pynvml

        uses: list[float] = []
        memory_bytes = 0
        try:
            for index in range(pynvml.nvmlDeviceGetCount()):
                handle = pynvml.nvmlDeviceGetHandleByIndex(index)
                memory_bytes += pynvml.nvmlDeviceGetMemoryInfo(handle).total
                uses.append(pynvml.nvmlDeviceGetUtilizationRates(handle).gpu / 100.0)
        except pynvml.NVMLError as error:
            _log.debug("gpu.unreadable", reason=str(error))
        return (sum(uses) / len(uses) if uses else 0.0), memory_bytes

    def close(self) -> None:
        import pynvml

        pynvml.nvmlShutdown()
