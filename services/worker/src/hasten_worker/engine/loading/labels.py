"""Class names of outputs, for the classification extension."""

from pathlib import Path

from hasten.inference.v2.model_config_pb2 import ModelConfig
from hasten_worker.engine.files.snapshot import read_file
from hasten_worker.engine.refusal import ModelRefused
from hasten_worker.engine.settings import FileLimits


def read_labels(
    config: ModelConfig, folder: Path, limits: FileLimits, root: Path | None = None
) -> dict[str, tuple[str, ...]]:
    """Labels by output: one per line of its `label_filename` in the model's folder.

    Args:
        config: The configuration.
        folder: The model's folder.
        limits: On the files' sizes.
        root: The repository, inside of which a file may be a symbolic link; None: nowhere.

    Raises:
        ModelRefused: The file is missing, a link that leads elsewhere, too large or not text.
    """
    labels: dict[str, tuple[str, ...]] = {}
    for output in config.output:
        name = output.label_filename
        if not name:
            continue
        if "/" in name or "\\" in name or "\0" in name or name in {".", ".."}:
            raise ModelRefused(
                f"output {output.name!r}: label_filename is {name!r}: expected the name of a file "
                "in the model's folder"
            )
        content = read_file(folder / name, limits.side_file_bytes_max, root)
        if content is None:
            raise ModelRefused(f"output {output.name!r}: there is no label file {name!r}")
        try:
            labels[output.name] = tuple(content.decode().splitlines())
        except UnicodeDecodeError:
            raise ModelRefused(f"label file {name!r} is not UTF-8 text") from None
    return labels
