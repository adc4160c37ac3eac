"""Where an ONNX file may keep weights outside of itself, and operators that may not be there."""

from collections.abc import Iterator
from pathlib import Path

import onnx

from hasten_worker.engine.refusal import ModelRefused


def check_graph(model: onnx.ModelProto, folder: Path) -> None:
    """Examines every tensor and node of the model, functions and inner graphs included.

    Args:
        model: Without its external data.
        folder: Private copy of the version's folder.

    Raises:
        ModelRefused: External data outside of the folder or of their file, or a node that
            holds a compiled engine.
    """
    for item in _items(model):
        if isinstance(item, onnx.TensorProto):
            if item.data_location == onnx.TensorProto.EXTERNAL:
                _check_external(item, folder)
        elif item.op_type == "EPContext":
            raise ModelRefused(
                f"node {item.name!r} is an EPContext: it holds code compiled for one device, "
                "which cannot be examined"
            )


def _check_external(tensor: onnx.TensorProto, folder: Path) -> None:
    entries = {entry.key: entry.value for entry in tensor.external_data}
    location = entries.get("location", "")
    parts = location.split("/")
    plain = all(part not in {"", ".", ".."} and not set(part) & set("\\\0") for part in parts)
    if not plain or not location.isprintable():
        raise ModelRefused(
            f"external data of {tensor.name!r} lie at {location[:200]!r}: only files inside of "
            "the version's folder are allowed"
        )
    path = folder.joinpath(*parts)
    if not path.is_file():
        raise ModelRefused(
            f"external data of {tensor.name!r}: there is no file {location[:200]!r} in the "
            "version's folder"
        )
    size_bytes = path.stat().st_size
    offset = _number(tensor.name, entries, "offset", 0)
    length = _number(tensor.name, entries, "length", max(0, size_bytes - offset))
    if offset + length > size_bytes:
        raise ModelRefused(
            f"external data of {tensor.name!r} end at byte {offset + length} of "
            f"{location[:200]!r}, which has {size_bytes}"
        )


def _number(tensor: str, entries: dict[str, str], key: str, default: int) -> int:
    text = entries.get(key)
    if text is None:
        return default
    if not (text.isascii() and text.isdigit() and len(text) <= 18):
        raise ModelRefused(f"external data of {tensor!r}: {key} is {text[:50]!r}, no size")
    return int(text)


def _items(model: onnx.ModelProto) -> Iterator[onnx.TensorProto | onnx.NodeProto]:
    """Every tensor and node; without recursion, however deep the graphs are nested."""
    graphs = [model.graph]
    nodes = [list(function.node) for function in model.functions]
    while graphs or nodes:
        if graphs:
            graph = graphs.pop()
            yield from graph.initializer
            for sparse in graph.sparse_initializer:
                yield from (sparse.values, sparse.indices)
            nodes.append(list(graph.node))
            continue
        for node in nodes.pop():
            yield node
            for attribute in node.attribute:
                graphs.extend([attribute.g] if attribute.HasField("g") else attribute.graphs)
                if attribute.HasField("t"):
                    yield attribute.t
                yield from attribute.tensors
                for sparse in (attribute.sparse_tensor, *attribute.sparse_tensors):
                    yield from (sparse.values, sparse.indices)
