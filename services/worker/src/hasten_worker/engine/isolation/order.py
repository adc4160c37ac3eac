"""What a process is asked to run, as a file beside the model's."""

import json
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from hasten.inference.v2.model_config_pb2 import ModelConfig
from hasten_worker.engine.onnx.session import SessionPlan

ORDER_NAME: Final = "hasten-order-{device}.json"


@dataclass(frozen=True, slots=True)
class Order:
    """One session of one model version.

    Attributes:
        model: The model file, in a folder that nobody else changes and that stays.
        plan: How its session is opened.
        config: Completed.
        memory_bytes_max: Private memory that the process may have; 0 for any.
    """

    model: Path
    plan: SessionPlan
    config: ModelConfig
    memory_bytes_max: int = 0

    def write(self, path: Path) -> None:
        """Puts it into a file."""
        said = {
            "model": str(self.model),
            "plan": self.plan.to_json(),
            "config": self.config.SerializeToString().hex(),
            "memory_bytes_max": self.memory_bytes_max,
        }
        path.write_text(json.dumps(said), encoding="utf-8")

    @staticmethod
    def read(path: Path) -> "Order":
        """The inverse of `write`."""
        said = json.loads(path.read_text(encoding="utf-8"))
        return Order(
            model=Path(said["model"]),
            plan=SessionPlan.from_json(said["plan"]),
            config=ModelConfig.FromString(bytes.fromhex(said["config"])),
            memory_bytes_max=said["memory_bytes_max"],
        )
