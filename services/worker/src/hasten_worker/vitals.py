"""What the process uses: processor, memory, GPU memory."""

import os
from dataclasses import dataclass

import psutil

from hasten_runtime import logs
from hasten_runtime.clock import Clock

_log = logs.logger(__name__)


@dataclass(frozen=True, slots=True)
class VitalSigns:
    """One measurement.

    Attributes:
        cpu_cores: Processor time since the last measurement, in cores.
        memory_bytes: Resident memory.
        gpu_memory_bytes: Memory in use on all GPUs by this process; 0 without a GPU.
    """

    cpu_cores: float = 0.0
    memory_bytes: int = 0
    gpu_memory_bytes: int = 0


class Vitals:
    """Measures this process. `sample` is called once a second or so."""

    def __init__(self, clock: Clock) -> None:
        self._clock = clock
        self._process = psutil.Process()
        self._gpu = _Gpu.open()
        self._cpu_s = self._cpu_total_s()
        self._sampled_s = clock.now_s()
        self.signs = VitalSigns(memory_bytes=self._process.memory_info().rss)
        """The last measurement."""

    def sample(self) -> VitalSigns:
        """Measures anew."""
        now_s, cpu_s = self._clock.now_s(), self._cpu_total_s()
        passed_s = now_s - self._sampled_s
        cores = (cpu_s - self._cpu_s) / passed_s if passed_s > 0.0 else 0.0
        self._sampled_s, self._cpu_s = now_s, cpu_s
        self.signs = VitalSigns(
            cpu_cores=max(0.0, cores),
            memory_bytes=self._process.memory_info().rss,
            gpu_memory_bytes=self._gpu.used_bytes() if self._gpu else 0,
        )
        return self.signs

    def close(self) -> None:
        """Lets the GPU library go."""
        if self._gpu is not None:
            self._gpu.close()

    def _cpu_total_s(self) -> float:
        times = self._process.cpu_times()
        return float(times.user + times.system)


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
        """Memory of all GPUs that is in use by this process, as far as NVML tells."""
        import pynvml

        used = 0
        try:
            for index in range(pynvml.nvmlDeviceGetCount()):
                handle = pynvml.nvmlDeviceGetHandleByIndex(index)
                for process in pynvml.nvmlDeviceGetComputeRunningProcesses(handle):
                    if process.pid == os.getpid():
                        used += process.usedGpuMemory or 0
        except pynvml.NVMLError as error:
            _log.debug("gpu.unreadable", reason=str(error))
        return used

    def close(self) -> None:
        import pynvml

        pynvml.nvmlShutdown()
