"""What the worker asks of the trial process."""

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from hasten.inference.v2.model_config_pb2 import ModelConfig
from hasten_worker.engine.config.text import WrittenConfig
from hasten_worker.engine.onnx.session import SessionPlan


@dataclass(frozen=True, slots=True)
class Task:
    """What to examine.

    Attributes:
        folder: Private copy of the model's folder.
        version: Whose folder below it holds the model.
        file_name: The model file in the version's folder.
        written: The configuration as written.
        plan: How its session is opened.
        batch_max_default: max_batch_size where nothing is written.
        run_s_max: Seconds for one run.
        search_s: Processor seconds to search sizes that it runs with.
        rows_s: Processor seconds to try whether its rows can share a batch.
        warm_up: Run it once.
    """

    folder: Path
    version: str
    file_name: str
    written: WrittenConfig
    plan: SessionPlan
    batch_max_default: int
    run_s_max: float
    search_s: float
    rows_s: float
    warm_up: bool

    def to_json(self) -> dict[str, Any]:
        """As plain values."""
        return {
            "folder": str(self.folder),
            "version": self.version,
            "file_name": self.file_name,
            "config": self.written.config.SerializeToString().hex(),
            "fields": sorted(self.written.fields),
            "plan": self.plan.to_json(),
            "batch_max_default": self.batch_max_default,
            "run_s_max": self.run_s_max,
            "search_s": self.search_s,
            "rows_s": self.rows_s,
            "warm_up": self.warm_up,
        }

    @staticmethod
    def from_json(value: Mapping[str, Any]) -> "Task":
        """The inverse of `to_json`."""
        config = ModelConfig.FromString(bytes.fromhex(value["config"]))
        return Task(
            folder=Path(value["folder"]),
            version=value["version"],
            file_name=value["file_name"],
            written=WrittenConfig(config, frozenset(value["fields"])),
            plan=SessionPlan.from_json(value["plan"]),
            batch_max_default=value["batch_max_default"],
            run_s_max=value["run_s_max"],
            search_s=value["search_s"],
            rows_s=value["rows_s"],
            warm_up=value["warm_up"],
        )
