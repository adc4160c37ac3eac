"""Where a trained model and its held-out inputs are written."""

import json
from pathlib import Path

import numpy as np
import onnx

EXAMPLES = Path(__file__).resolve().parent.parent
MODELS = EXAMPLES / "models"
HELD_OUT = EXAMPLES / "held_out"


def write_model(name: str, model: onnx.ModelProto, config: str, labels: list[str]) -> None:
    """Writes one model as a Triton repository entry: config, labels, version 1."""
    onnx.checker.check_model(model, full_check=True)
    folder = MODELS / name
    (folder / "1").mkdir(parents=True, exist_ok=True)
    (folder / "1" / "model.onnx").write_bytes(model.SerializeToString(deterministic=True))
    (folder / "config.pbtxt").write_text(config)
    (folder / "labels.txt").write_text("\n".join(labels) + "\n")


def write_held_out(name: str, inputs: np.ndarray | list[str], classes: np.ndarray) -> None:
    """Writes what the model never saw: inputs and the index of the right class of each."""
    HELD_OUT.mkdir(exist_ok=True)
    if isinstance(inputs, list):
        rows = [{"text": text, "class": int(c)} for text, c in zip(inputs, classes, strict=True)]
        lines = ",\n".join(json.dumps(row) for row in rows)
        (HELD_OUT / f"{name}.json").write_text(f"[\n{lines}\n]\n")
        return
    np.savez_compressed(
        HELD_OUT / f"{name}.npz", inputs=inputs.astype(np.float32), classes=classes.astype(np.int64)
    )


def read_held_out(name: str) -> tuple[np.ndarray, np.ndarray]:
    """Held-out inputs (rows first; texts as an object array of bytes) and their classes."""
    text_file = HELD_OUT / f"{name}.json"
    if text_file.exists():
        rows = json.loads(text_file.read_text())
        texts = np.array([row["text"].encode() for row in rows], dtype=object).reshape(-1, 1)
        return texts, np.array([row["class"] for row in rows], dtype=np.int64)
    with np.load(HELD_OUT / f"{name}.npz") as stored:
        return stored["inputs"], stored["classes"]
