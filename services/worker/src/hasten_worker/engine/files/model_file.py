"""The model file of a version: where it is, what may not be in it, and hints out of it."""

from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Final

import onnx
from google.protobuf.message import DecodeError

from hasten_worker.engine.files.external_data import check_graph
from hasten_worker.engine.files.layout import MODEL_FILE
from hasten_worker.engine.refusal import ModelRefused

FILE_BYTES_MAX: Final = 2**31 - 1
"""protobuf takes no larger message; larger models keep their weights in external data."""
HINTS_MAX: Final = 16
HINT_MAX: Final = 4096
WORDS_MAX: Final = 64
WORD_BYTES_MAX: Final = 100
_ORT_MARK: Final = b"ORTM"
_ADVICE_MAX: Final = 400


@dataclass(frozen=True, slots=True)
class FileFacts:
    """What the file says that onnxruntime does not.

    Attributes:
        shapeless: Inputs and outputs without a shape, which onnxruntime cannot tell from
            scalars unless it has inferred their shape.
        hints: Sizes that inputs may have to fit: of the weights next to them first, then the
            most frequent ones.
        words: Texts that the model knows: keys, categories, vocabularies.
    """

    shapeless: frozenset[str] = frozenset()
    hints: tuple[int, ...] = ()
    words: tuple[str, ...] = ()


def model_path(folder: Path, file_name: str) -> Path:
    """The file that onnxruntime opens: `file_name`, or the file in the folder of that name.

    A folder holds a model of several files, as in Triton: `model.onnx/model.onnx` beside the
    files with its weights.

    Raises:
        ModelRefused: There is none.
    """
    path = folder / file_name
    if not path.is_dir():
        if path.is_file():
            return path
        raise ModelRefused(f"there is no file {file_name!r} in the version's folder")
    inner = sorted(path.glob("*.onnx"))
    for name in (MODEL_FILE, file_name):
        if (path / name) in inner:
            return path / name
    if len(inner) == 1:
        return inner[0]
    found = ", ".join(repr(file.name) for file in inner[:5]) or "no file that ends in .onnx"
    raise ModelRefused(f"{file_name!r} is a folder without a file {MODEL_FILE!r}: there is {found}")


def check_file(path: Path) -> FileFacts:
    """Parses the file.

    Raises:
        ModelRefused: It is no ONNX file, or holds or names what must not be opened.
    """
    if not path.is_file():
        raise ModelRefused(f"{path.name} is no file")
    size_bytes = path.stat().st_size
    if size_bytes > FILE_BYTES_MAX:
        raise ModelRefused(f"{path.name} has {size_bytes} bytes, more than an ONNX file can have")
    if not size_bytes:
        raise ModelRefused(f"{path.name} is empty: it is not a valid ONNX model")
    with path.open("rb") as file:
        if file.read(8)[4:] == _ORT_MARK:
            raise ModelRefused(
                f"{path.name} is in onnxruntime's own format, in which files outside of the folder "
                "and compiled code cannot be found; serve the ONNX file that it was made from"
            )
    try:
        model = onnx.load(path, load_external_data=False)
    except DecodeError:
        raise ModelRefused(f"{path.name} is not an ONNX file: it cannot be parsed") from None
    check_graph(model, path.parent)
    shapeless = frozenset(
        value.name
        for value in (*model.graph.input, *model.graph.output)
        if not value.type.tensor_type.HasField("shape")
    )
    return FileFacts(shapeless, _hints(model.graph), tuple(_words(model.graph)))


def advice(path: Path) -> str:
    """What onnx's checker finds wrong with the file; "" for nothing.

    It only advises: onnxruntime serves many models that the checker does not like.
    """
    try:
        # By path, so that external data are checked too.
        onnx.checker.check_model(str(path))
    except Exception as error:  # noqa: BLE001  (a binding: any type may come)
        text = " ".join(str(error).split()) or type(error).__name__
        return text[:_ADVICE_MAX].replace(str(path), path.name)
    return ""


def _hints(graph: onnx.GraphProto) -> tuple[int, ...]:
    shapes = {tensor.name: tuple(tensor.dims) for tensor in graph.initializer}
    near = set(_next_to_inputs(graph))
    first = [
        size
        for node in graph.node
        if near.intersection(node.input)
        for name in node.input
        for size in shapes.get(name, ())[:2]
    ]
    counted = Counter(size for dims in shapes.values() for size in dims)
    sizes = (*first, *(size for size, _ in counted.most_common(HINTS_MAX)))
    plausible = (size for size in sizes if 1 < size <= HINT_MAX)
    return tuple(dict.fromkeys(plausible))[:HINTS_MAX]


def _words(graph: onnx.GraphProto) -> Iterator[str]:
    known = [text for node in graph.node for item in node.attribute for text in item.strings]
    known.extend(text for tensor in graph.initializer for text in tensor.string_data)
    for text in known[:WORDS_MAX]:
        if len(text) <= WORD_BYTES_MAX:
            yield text.decode(errors="replace")


def _next_to_inputs(graph: onnx.GraphProto) -> Iterator[str]:
    """The inputs, and what is made of them without weights."""
    names = {value.name for value in graph.input} - {tensor.name for tensor in graph.initializer}
    yield from names
    for node in graph.node:
        if len(node.input) == 1 and names.intersection(node.input):
            names.update(node.output)
            yield from node.output
