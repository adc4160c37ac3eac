"""What runs models and moves bytes here: GPUs, onnxruntime's providers, the native transport."""

import shutil
import subprocess
from collections.abc import Callable, Iterator, Sequence
from typing import Final

from hasten_cli.doctor.finding import Finding, ok, warn
from hasten_runtime.plane.choice import native_fault

ANSWER_S_MAX: Final = 5.0
CUDA: Final = "CUDAExecutionProvider"


def gpu_findings(
    gpus: Callable[[], Sequence[str]], providers: Callable[[], Sequence[str]]
) -> Iterator[Finding]:
    """Whether GPU and onnxruntime go together.

    Args:
        gpus: Names of the GPUs that the driver shows.
        providers: Execution providers that the installed onnxruntime has.
    """
    found, has_cuda = list(gpus()), CUDA in providers()
    if found and has_cuda:
        yield ok("gpu", f"{len(found)} GPUs ({found[0]}), and onnxruntime has {CUDA}")
    elif found:
        yield warn(
            "gpu",
            f"{len(found)} GPUs ({found[0]}), but this onnxruntime has no {CUDA}: models run on "
            "the CPU",
            "pip uninstall onnxruntime, then pip install onnxruntime-gpu",
        )
    elif has_cuda:
        yield warn(
            "gpu",
            f"onnxruntime has {CUDA}, but nvidia-smi shows no GPU: models that cannot open it "
            "are not served",
            "install NVIDIA's driver, give the container --gpus all, or set "
            'HASTEN_WORKER_PROVIDERS="cpu"',
        )
    else:
        yield ok("gpu", "none; models run on the CPU")


def gpus_shown() -> list[str]:
    """The GPUs that nvidia-smi lists; none where it is not there or does not work."""
    program = shutil.which("nvidia-smi")
    if program is None:
        return []
    asked = subprocess.run(
        [program, "--query-gpu=name", "--format=csv,noheader"],
        capture_output=True,
        text=True,
        timeout=ANSWER_S_MAX,
        check=False,
    )
    return asked.stdout.split("\n")[:-1] if asked.returncode == 0 else []


def onnxruntime_providers() -> list[str]:
    """Of the installed onnxruntime."""
    import onnxruntime as ort

    return list(ort.get_available_providers())


def transport_findings(fault: Callable[[], str] = native_fault) -> Iterator[Finding]:
    """Whether routers can use the native transport here."""
    why_not = fault()
    if not why_not:
        yield ok("native transport", "present")
        return
    what, _, next_step = why_not.rpartition(": ")
    yield warn("native transport", f"routers serve in Python: {what}", next_step)
