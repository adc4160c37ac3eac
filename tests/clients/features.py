"""The rows of the matrix: clients/features, read, and compared with what a client said."""

import tomllib
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

from tests.clients.languages import CLIENTS


@dataclass(frozen=True, slots=True)
class Feature:
    """One row.

    Attributes:
        name: Of its file.
        say: What it shows.
        verb: What the client does.
        to: The routers it knows: good, bare (without workers), busy or turning (its health).
        words: More of what it does.
        expect: Of what it says.
        beside: What happens meanwhile, by its name in `world`.
        after: What must come true when it is over, by its name in `world`.
    """

    name: str
    say: str
    verb: str
    to: tuple[str, ...]
    words: Mapping[str, Any]
    expect: Mapping[str, Any]
    beside: str = ""
    after: str = ""

    def row(self, addresses: Mapping[str, str]) -> str:
        """As a client reads it."""
        to = ",".join(addresses[name] for name in self.to)
        return " ".join(
            [self.verb, f"to={to}", *(f"{key}={value}" for key, value in self.words.items())]
        )


def features() -> list[Feature]:
    """All rows, by name."""
    found = []
    for path in sorted((CLIENTS / "features").glob("*.toml")):
        said = tomllib.loads(path.read_text())
        words = said.pop("words", {})
        found.append(Feature(name=path.stem, words=words, **{**said, "to": tuple(said["to"])}))
    return found


def faults(feature: Feature, said: Mapping[str, Any]) -> list[str]:
    """Where a client said something else than the row expects."""
    return [
        f"{key} is {said.get(key)!r}, expected {wanted!r}"
        for key, wanted in feature.expect.items()
        if not _fits(wanted, said.get(key))
    ]


def _fits(wanted: Any, value: Any) -> bool:
    """A table asks for less than the very value: its one or two keys say what."""
    if not isinstance(wanted, dict) or wanted == value:
        return bool(wanted == value)
    if value is None:
        return "absent" in wanted
    asks: dict[str, Callable[[Any], bool]] = {
        "absent": lambda _: False,
        "any": lambda among: value in among,
        "has": lambda key: key in value,
        "ends": lambda ends: len(ends) == len(value) and all(map(str.endswith, value, ends)),
        "last": lambda last: bool(value[-1] == last),
        "length": lambda length: len(value) == length,
        "min": lambda least: bool(value >= least),
        "max": lambda most: bool(value <= most),
    }
    return all(key in asks and asks[key](what) for key, what in wanted.items())
