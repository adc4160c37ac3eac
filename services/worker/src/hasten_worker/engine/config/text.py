"""config.pbtxt, and its JSON form in a load request, into a ModelConfig.

Unknown fields do not stop a model (a newer Triton has fields that we do not know yet), but
each is named, with its line.
"""

import json
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Final

from google.protobuf import json_format, text_format
from google.protobuf.descriptor import Descriptor, FieldDescriptor

from hasten.inference.v2.model_config_pb2 import ModelConfig
from hasten_worker.engine.refusal import ModelRefused

DEPTH_MAX: Final = 32
"""Messages inside messages; Triton's deepest has eight."""
UNKNOWN_MAX: Final = 50
"""Unknown fields named one by one."""
_OPEN: Final = {"{": "}", "<": ">"}


@dataclass(frozen=True, slots=True)
class WrittenConfig:
    """A configuration as its owner wrote it.

    Attributes:
        config: The message.
        fields: Top-level fields that were written, whatever their value.
        unknown: Fields that we do not know, as sentences.
    """

    config: ModelConfig
    fields: frozenset[str]
    unknown: tuple[str, ...] = ()


NOTHING_WRITTEN: Final = WrittenConfig(ModelConfig(), frozenset())


def config_from_text(text: str) -> WrittenConfig:
    """Parses config.pbtxt.

    Raises:
        ModelRefused: It is not well formed; the sentence names line and column.
    """
    walk = _TextWalk(text)
    config = ModelConfig()
    try:
        walk.message(ModelConfig.DESCRIPTOR, "", end="")
        text_format.Parse(text, config, allow_unknown_field=True)
    except text_format.ParseError as error:
        raise ModelRefused(f"config.pbtxt is not well formed: {_one_line(error)}") from None
    except (RecursionError, UnicodeError):
        raise ModelRefused("config.pbtxt is not well formed") from None
    return WrittenConfig(config, frozenset(walk.fields), _limited(walk.unknown))


def config_from_json(text: str) -> WrittenConfig:
    """Parses the JSON form of a configuration, in Triton's or protobuf's spelling of names.

    Raises:
        ModelRefused: It is not well formed.
    """
    config = ModelConfig()
    try:
        value = json.loads(text)
        if not isinstance(value, dict):
            raise ModelRefused("the configuration is not a JSON object")
        unknown: list[str] = []
        _unknown_in_json(value, ModelConfig.DESCRIPTOR, "", unknown)
        json_format.ParseDict(value, config, ignore_unknown_fields=True)
    except (json.JSONDecodeError, json_format.ParseError) as error:
        raise ModelRefused(f"the configuration is not well formed: {_one_line(error)}") from None
    except (RecursionError, UnicodeError, OverflowError):
        raise ModelRefused("the configuration is not well formed") from None
    names = _names(ModelConfig.DESCRIPTOR)
    fields = frozenset(names[key].name for key in value if key in names)
    return WrittenConfig(config, fields, _limited(unknown))


class _TextWalk:
    """A pass over the tokens that knows the fields' names.

    protobuf's parser either stops at an unknown field or forgets its name.
    """

    def __init__(self, text: str) -> None:
        self._tokens = text_format.Tokenizer(text.splitlines())
        self._depth = 0
        self.fields: list[str] = []
        self.unknown: list[str] = []

    def message(self, descriptor: Descriptor | None, path: str, end: str) -> None:
        """Walks the fields up to `end` ("" for the end of the text); consumes `end`."""
        if self._depth >= DEPTH_MAX:
            raise self._error(f"messages are nested deeper than {DEPTH_MAX}")
        self._depth += 1
        while not (self._tokens.AtEnd() if end == "" else self._tokens.TryConsume(end)):
            if self._tokens.AtEnd():
                raise self._error(f"expected {end!r} before the end")
            self._field(descriptor, path)
        self._depth -= 1

    def _field(self, descriptor: Descriptor | None, path: str) -> None:
        line = self._error("").GetLine()
        name = self._name()
        field = descriptor.fields_by_name.get(name) if descriptor is not None else None
        full = f"{path}.{name}" if path else name
        if field is not None and not path:
            self.fields.append(name)
        if field is None and descriptor is not None:
            self.unknown.append(f"line {line}: unknown field {full} is ignored")
        self._value(field.message_type if field is not None else None, full)
        if not self._tokens.TryConsume(","):
            self._tokens.TryConsume(";")

    def _error(self, message: str) -> text_format.ParseError:
        """An error that knows the place of the next token."""
        return self._tokens.ParseError(message)  # type: ignore[arg-type]  # the stub is wrong

    def _name(self) -> str:
        if not self._tokens.TryConsume("["):
            # An unknown field may be written by its number.
            return str(self._tokens.ConsumeIdentifierOrNumber())
        parts: list[str] = []
        while not self._tokens.TryConsume("]"):
            if self._tokens.AtEnd():
                raise self._error("expected ']' before the end")
            parts.append(self._tokens.token)
            self._tokens.NextToken()
        return f"[{''.join(parts)}]"

    def _value(self, descriptor: Descriptor | None, path: str) -> None:
        self._tokens.TryConsume(":")
        if not self._tokens.TryConsume("["):
            self._one_value(descriptor, path)
            return
        while not self._tokens.TryConsume("]"):
            if self._tokens.AtEnd():
                raise self._error("expected ']' before the end")
            self._one_value(descriptor, path)
            self._tokens.TryConsume(",")

    def _one_value(self, descriptor: Descriptor | None, path: str) -> None:
        close = _OPEN.get(self._tokens.token)
        if close is not None:
            self._tokens.NextToken()
            self.message(descriptor, path, close)
        elif self._tokens.token[:1] in {'"', "'"}:
            self._tokens.ConsumeByteString()
        else:
            self._tokens.TryConsume("-")
            self._tokens.NextToken()


def _unknown_in_json(
    value: Mapping[str, object], descriptor: Descriptor, path: str, unknown: list[str]
) -> None:
    names = _names(descriptor)
    for key, item in value.items():
        field = names.get(key)
        if field is None:
            unknown.append(f"unknown field {path}{key} is ignored")
            continue
        for place, inner, kind in _messages(field, item):
            _unknown_in_json(inner, kind, f"{path}{place}.", unknown)


def _messages(
    field: FieldDescriptor, item: object
) -> Iterable[tuple[str, Mapping[str, object], Descriptor]]:
    """The messages in a JSON value of this field: path, value, kind."""
    kind = field.message_type
    if kind is None:
        return
    if kind.GetOptions().map_entry:
        inner_kind = kind.fields_by_name["value"].message_type
        if inner_kind is not None and isinstance(item, dict):
            for key, inner in item.items():
                if isinstance(inner, dict):
                    yield f"{field.name}.{key}", inner, inner_kind
        return
    for inner in item if isinstance(item, list) else [item]:
        if isinstance(inner, dict):
            yield field.name, inner, kind


def _names(descriptor: Descriptor) -> dict[str, FieldDescriptor]:
    names = {field.name: field for field in descriptor.fields}
    return names | {field.json_name: field for field in descriptor.fields}


def _limited(unknown: list[str]) -> tuple[str, ...]:
    if len(unknown) <= UNKNOWN_MAX:
        return tuple(unknown)
    return (*unknown[:UNKNOWN_MAX], f"and {len(unknown) - UNKNOWN_MAX} more unknown fields")


def _one_line(error: Exception) -> str:
    """The message without the middle of a long line of text."""
    text = " ".join(str(error).split())
    return text if len(text) <= 400 else f"{text[:150]} … {text[-200:]}"
