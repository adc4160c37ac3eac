"""What `hasten models` does."""

from dataclasses import asdict
from typing import TYPE_CHECKING, Any

from hasten_cli.calls import ANSWER_S_MAX, client
from hasten_cli.durations import format_duration
from hasten_cli.example import infer_command
from hasten_cli.output import print_json, print_table

if TYPE_CHECKING:
    from collections.abc import Sequence

    from hasten.inference.v2.inference_pb2 import ModelStatistics
    from hasten_client import ModelMetadata


def list_models(address: str, *, as_json: bool) -> None:
    """Prints the repository index."""
    with client(address) as mesh:
        states = mesh.index(deadline_s=ANSWER_S_MAX)
    if as_json:
        print_json({"models": [asdict(state) for state in states]})
        return
    print_table(
        ("model", "version", "state", "reason"),
        [
            (state.name, state.version, state.state or "NOT LOADED", state.reason)
            for state in states
        ],
        empty="no models: put one into the repository as MODEL/VERSION/model.onnx",
    )


def show(address: str, model: str, version: str, *, as_json: bool) -> None:
    """Prints metadata, batching and statistics of a model."""
    with client(address) as mesh:
        metadata = mesh.metadata(model, version, deadline_s=ANSWER_S_MAX)
        config = mesh.config(model, version, deadline_s=ANSWER_S_MAX)
        statistics = mesh.statistics(model, version, deadline_s=ANSWER_S_MAX)
    example = infer_command(metadata, address=address)
    if as_json:
        print_json(_as_json(metadata, config, statistics, example))
        return
    batch = f"up to {config.max_batch_size} rows" if config.max_batch_size else "none"
    print(f"{metadata.name}  versions {', '.join(metadata.versions) or 'none'}  ", end="")
    print(f"platform {metadata.platform}  batching {batch}")
    tensors = [("input", tensor) for tensor in metadata.inputs]
    tensors += [("output", tensor) for tensor in metadata.outputs]
    print_table(
        ("", "name", "datatype", "shape"),
        [(kind, tensor.name, tensor.datatype, str(list(tensor.shape))) for kind, tensor in tensors],
        empty="",
    )
    for one in statistics:
        print(_sentence(one))
    print(f"try:  {example}")


def load(address: str, model: str, timeout_s: float, *, as_json: bool) -> None:
    """Loads a model and says so."""
    with client(address) as mesh:
        mesh.load(model, deadline_s=timeout_s)
    _say("loaded", model, as_json=as_json)


def unload(address: str, model: str, timeout_s: float, *, as_json: bool) -> None:
    """Unloads a model and says so."""
    with client(address) as mesh:
        mesh.unload(model, deadline_s=timeout_s)
    _say("unloaded", model, as_json=as_json)


def _say(done: str, model: str, *, as_json: bool) -> None:
    if as_json:
        print_json({"model": model, "done": done})
    else:
        print(f"{model} {done}")


def _sentence(statistics: "ModelStatistics") -> str:
    """What a version did, in one line."""
    version, rows = statistics.version, statistics.inference_count
    if not rows:
        return f"version {version}: nothing yet"
    infer = statistics.inference_stats.compute_infer
    mean_s = infer.ns / infer.count / 1e9 if infer.count else 0.0
    return (
        f"version {version}: {rows} rows in {statistics.execution_count} batches, "
        f"{statistics.inference_stats.fail.count} failed, compute {format_duration(mean_s)}"
    )


def _as_json(
    metadata: "ModelMetadata",
    config: Any,  # noqa: ANN401  (a protobuf message, turned into what JSON can say)
    statistics: "Sequence[ModelStatistics]",
    example: str,
) -> dict[str, Any]:
    from google.protobuf.json_format import MessageToDict

    return {
        **asdict(metadata),
        "config": MessageToDict(config, preserving_proto_field_name=True),
        "statistics": [MessageToDict(one, preserving_proto_field_name=True) for one in statistics],
        "example": example,
    }
