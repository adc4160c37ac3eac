"""What the model store may be told, with units and limits."""

import os
from dataclasses import dataclass
from pathlib import Path
from typing import Final, Literal

Control = Literal["none", "poll", "explicit"]
Isolation = Literal["process", "thread"]
MIB: Final = 2**20
GIB: Final = 2**30


def cores_available() -> int:
    """Cores that this process may use."""
    return max(1, len(os.sched_getaffinity(0)))


@dataclass(frozen=True, slots=True)
class FileLimits:
    """How large a model may be on disk.

    Attributes:
        files_max: Files in one version folder.
        version_bytes_max: Bytes of one version folder.
        config_bytes_max: Bytes of a config.pbtxt.
        side_file_bytes_max: Bytes of a label or warm-up data file.
        upload_bytes_max: Bytes of all files sent with one load request.
        models_max: Models in the repository.
        versions_max: Versions of one model.
    """

    files_max: int = 4096
    version_bytes_max: int = 16 * GIB
    config_bytes_max: int = MIB
    side_file_bytes_max: int = 64 * MIB
    upload_bytes_max: int = 2 * GIB
    models_max: int = 1000
    versions_max: int = 1000


@dataclass(frozen=True, slots=True)
class TrialLimits:
    """What the child process that tries a model first may use.

    Attributes:
        timeout_s: Seconds for the whole examination of one version.
        memory_bytes: Private memory; 0 for three quarters of the machine's.
        run_s_max: Seconds for one warm-up run, where the model's own limit is not shorter.
        search_s: Processor seconds to search sizes that a model runs with, ten times as many by
            the clock.
        rows_s: Processor seconds to try whether rows can share a batch, likewise.
    """

    timeout_s: float = 120.0
    memory_bytes: int = 0
    run_s_max: float = 10.0
    search_s: float = 2.0
    rows_s: float = 2.0


@dataclass(frozen=True, slots=True)
class StoreSettings:
    """Settings of a model store.

    Attributes:
        models_dir: The repository; may itself be a symbolic link, nothing below it may.
        control: none loads all at start; poll follows the folder; explicit obeys load and
            unload requests.
        poll_interval_s: Seconds between two looks at the folder; a change is taken up when
            two looks in a row agree.
        load_models: With explicit control, what to load at start; "*" for all.
        lanes: Batches that the worker runs at once; model threads are cores / lanes.
        cores: Cores to share among the lanes.
        batch_max_default: max_batch_size of a model that can batch and has no configuration.
        queue_max_default: Calls waiting per model where the configuration does not say.
        run_s_max: A run is terminated after this, where the configuration does not say; a
            model whose measured run is long gets more.
        profile_budget_s: Seconds for warm-up and batch profile of one model.
        unload_wait_s: Longest wait for the calls of a closed model to end.
        retry_s: Wait before a load that failed for a passing reason is tried again.
        snapshot_dir: Where private copies live while a model loads; the system's temporary
            folder when None.
        examinations_dir: Where what examinations found out is kept over restarts; None keeps it
            nowhere.
        providers: What may run models, of tensorrt, cuda and cpu; taken where present.
        isolation: Where models run: each in a process of its own, or in threads of the worker.
        process_memory_bytes_max: Private memory of a model's process on the CPU; 0 for any.
        process_growth_bytes_max: A model's process is replaced when its memory stays so far above
            that of its start.
        files: Limits on files.
        trial: Limits on the child process.
    """

    models_dir: Path
    control: Control = "none"
    poll_interval_s: float = 2.0
    load_models: tuple[str, ...] = ()
    lanes: int = 1
    cores: int = 0
    batch_max_default: int = 32
    queue_max_default: int = 1024
    run_s_max: float = 10.0
    profile_budget_s: float = 2.0
    unload_wait_s: float = 60.0
    retry_s: float = 60.0
    snapshot_dir: Path | None = None
    examinations_dir: Path | None = None
    providers: tuple[str, ...] = ("tensorrt", "cuda", "cpu")
    isolation: Isolation = "process"
    process_memory_bytes_max: int = 0
    process_growth_bytes_max: int = GIB // 2
    files: FileLimits = FileLimits()
    trial: TrialLimits = TrialLimits()

    def __post_init__(self) -> None:
        if self.cores < 1:
            object.__setattr__(self, "cores", cores_available())
