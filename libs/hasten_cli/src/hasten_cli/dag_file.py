"""Reads a DAG out of a file, in TOML or JSON; docs/tasks.md shows one."""

import json
import re
import tomllib
from collections.abc import Callable, Mapping, Sequence
from dataclasses import fields
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final, NoReturn

from hasten_cli.durations import parse_duration_s
from hasten_cli.failures import USAGE, CommandError
from hasten_cli.values import read_value
from hasten_client import Dag, DagStep, From, Split, When

if TYPE_CHECKING:
    from hasten_client import ModelMetadata, TensorMetadata
    from hasten_client.datatypes import Array

    Metadata = Callable[[str, str], ModelMetadata]

GIVEN: Final = "inputs"
"""In a reference, stands for the DAG instead of a step."""
_DAG_KEYS: Final = frozenset(
    {
        *("name", "tenant", "deadline", "priority", "keep", "attempts", "labels"),
        *("inputs", "outputs", "steps"),
    }
)
_STEP_KEYS: Final = frozenset(
    {"name", "model", "version", "inputs", "when", "split", "priority", "deadline"}
)
_SPLIT_KEYS: Final = frozenset(each.name for each in fields(Split))
_CONDITION: Final = re.compile(r"(every\s+)?(\S+?)\s*(==|!=|<=|>=|<|>)\s*(\S+)")


def read_dag(path: Path, given: Sequence[str], metadata: "Metadata") -> Dag:
    """The DAG of a file.

    Args:
        path: Its name ends in .toml or .json.
        given: Inputs as NAME=VALUE, that go before those of the file.
        metadata: Of a model, by name and version.

    Raises:
        CommandError: The file cannot be read; it names what is wrong.
    """
    said = _checked(_parsed(path), _DAG_KEYS, "the file")
    steps = [_checked(step, _STEP_KEYS, "a step") for step in _list(said, "steps")]
    names = [str(step.get("name", "")) for step in steps]
    reader = _Reader(names, metadata)
    wanted = {**_table(said, "inputs"), **_words(given)}
    made = [reader.step(step) for step in steps]
    outputs = {name: reader.sources(value) for name, value in _table(said, "outputs").items()}
    inputs = {name: reader.given(name, value) for name, value in wanted.items()}
    return Dag(
        steps=made,
        outputs=outputs,
        inputs=inputs,
        name=str(said.get("name", "")),
        tenant=str(said.get("tenant", "")),
        deadline_s=_duration(said, "deadline"),
        priority=said.get("priority", "normal"),
        keep_s=_duration(said, "keep"),
        attempts_max=said.get("attempts"),
        labels={name: str(value) for name, value in _table(said, "labels").items()},
    )


class _Reader:
    """Reads what refers to steps and to models."""

    def __init__(self, steps: Sequence[str], metadata: "Metadata") -> None:
        # The longest first: a step's name may have dots.
        self._steps = sorted(steps, key=len, reverse=True)
        self._metadata = metadata
        self._takers: dict[str, TensorMetadata] = {}

    def step(self, said: Mapping[str, Any]) -> DagStep:
        """A step."""
        name, model = str(said.get("name", "")), str(said.get("model", ""))
        if not (name and model):
            _refuse("a step needs a name and a model")
        version = str(said.get("version", ""))
        takes = {tensor.name: tensor for tensor in self._metadata(model, version).inputs}
        split = said.get("split")
        inputs: dict[str, Any] = {}
        for given, value in _table(said, "inputs").items():
            if given not in takes:
                _refuse(f"step {name!r}: {model} has no input {given!r}, but {', '.join(takes)}")
            inputs[given] = self._input(value, takes[given])
        return DagStep(
            name=name,
            model=model,
            inputs=inputs,
            version=version,
            when=[self._when(text) for text in _list(said, "when")],
            split=None if split is None else Split(**_checked(split, _SPLIT_KEYS, "a split")),
            priority=said.get("priority", ""),
            deadline_s=_duration(said, "deadline"),
        )

    def _input(self, value: object, takes: "TensorMetadata") -> Any:  # noqa: ANN401  (as a DagStep)
        if isinstance(value, dict):
            _checked(value, frozenset({"value"}), f"input {takes.name!r}")
            return _value(value.get("value"), takes)
        sources = self.sources(value)
        for source in sources:
            if not source.step:
                self._takers.setdefault(source.tensor, takes)
        return sources

    def sources(self, value: object) -> list[From]:
        """One reference, or several."""
        several = value if isinstance(value, list) else [value]
        return [self._source(each) for each in several]

    def _source(self, text: object) -> From:
        if isinstance(text, str):
            for step in (GIVEN, *self._steps):
                if text.startswith(f"{step}.") and len(text) > len(step) + 1:
                    return From("" if step == GIVEN else step, text[len(step) + 1 :])
        return _refuse(
            f"{text!r} is no tensor: write STEP.OUTPUT, {GIVEN}.NAME or a constant as "
            "{ value = 1.5 }"
        )

    def _when(self, text: object) -> When:
        match = _CONDITION.fullmatch(text.strip()) if isinstance(text, str) else None
        try:
            value = float(match[4]) if match else None
        except ValueError:
            value = None
        if match is None or value is None:
            _refuse(f'{text!r} is no condition: write as in "gate.score > 0.5"')
        return When(self._source(match[2]), match[3], value, every=bool(match[1]))

    def given(self, name: str, value: object) -> "Array":
        """An input of the DAG, in the type of the first input that takes it."""
        takes = self._takers.get(name)
        if takes is None:
            _refuse(f"no step takes {GIVEN}.{name}")
        return _value(value, takes)


def _value(value: object, takes: "TensorMetadata") -> "Array":
    return read_value(value if isinstance(value, str) else json.dumps(value), takes)


def _parsed(path: Path) -> dict[str, Any]:
    try:
        text = path.read_text()
        said = json.loads(text) if path.suffix == ".json" else tomllib.loads(text)
    except OSError as error:
        raise CommandError(f"cannot read {path}: {error.strerror}", code=USAGE) from None
    except ValueError as error:
        raise CommandError(f"{path} cannot be read: {error}", code=USAGE) from None
    if not isinstance(said, dict):
        _refuse(f"{path} must hold a table")
    return said


def _checked(said: object, keys: frozenset[str], what: str) -> dict[str, Any]:
    if not isinstance(said, dict):
        _refuse(f"{what} must be a table")
    for key in said:
        if key not in keys:
            _refuse(f"{what} cannot have {key!r}, but {', '.join(sorted(keys))}")
    return said


def _table(said: Mapping[str, Any], key: str) -> dict[str, Any]:
    table = said.get(key, {})
    if not isinstance(table, dict):
        _refuse(f"{key} must be a table")
    return table


def _list(said: Mapping[str, Any], key: str) -> list[Any]:
    several = said.get(key, [])
    if not isinstance(several, list):
        _refuse(f"{key} must be a list")
    return several


def _words(given: Sequence[str]) -> dict[str, str]:
    words: dict[str, str] = {}
    for word in given:
        name, equals, value = word.partition("=")
        if not equals:
            _refuse(f"--input {word!r} is not of the form NAME=VALUE")
        words[name] = value
    return words


def _duration(said: Mapping[str, Any], key: str) -> float | None:
    text = said.get(key)
    if text is None:
        return None
    try:
        return parse_duration_s(str(text))
    except ValueError as error:
        _refuse(f"{key}: {error}")


def _refuse(message: str) -> NoReturn:
    raise CommandError(message, next_step="see docs/tasks.md", code=USAGE)
