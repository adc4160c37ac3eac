"""Every language against every row."""

import contextlib
import tempfile
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from tests.clients.features import Feature, faults, features
from tests.clients.languages import Conformance, Language, ToolMissing, built
from tests.clients.world import World, running_world


@dataclass(frozen=True, slots=True)
class Matrix:
    """What came out.

    Attributes:
        missing: Language to why it was not asked.
        broken: Language to why its build failed, or how it ended.
        said: Language and row to what the client said.
        faults: Language and row to what was wrong with it.
    """

    missing: dict[str, str] = field(default_factory=dict)
    broken: dict[str, str] = field(default_factory=dict)
    said: dict[tuple[str, str], dict[str, Any]] = field(default_factory=dict)
    faults: dict[tuple[str, str], list[str]] = field(default_factory=dict)

    def table(self, languages: Sequence[Language], rows: Sequence[Feature]) -> str:
        """As people read it."""
        width = max(len(row.name) for row in rows)
        head = " ".join(f"{language.name:>7}" for language in languages)
        lines = [f"{'':{width}} {head}"]
        for row in rows:
            cells = (self._cell(language.name, row.name) for language in languages)
            lines.append(f"{row.name:{width}} " + " ".join(f"{cell:>7}" for cell in cells))
        lines += [f"{name}: {why}" for name, why in {**self.missing, **self.broken}.items()]
        lines += [
            f"{language}, {row}: {'; '.join(wrong)}"
            for (language, row), wrong in self.faults.items()
            if wrong
        ]
        return "\n".join(lines)

    def _cell(self, language: str, row: str) -> str:
        if (language, row) not in self.faults:
            return "BROKEN" if language in self.broken else "-"
        return "WRONG" if self.faults[language, row] else "ok"


def filled(languages: Sequence[Language], world: World) -> Matrix:
    """All rows, one after the other, each asked of all languages."""
    matrix = Matrix()
    with contextlib.ExitStack() as stack:
        running: dict[str, Conformance] = {}
        for language in languages:
            try:
                built(language)
            except ToolMissing as lack:
                matrix.missing[language.name] = str(lack)
                continue
            except RuntimeError as failure:
                matrix.broken[language.name] = str(failure)
                continue
            client = running[language.name] = Conformance(language)
            stack.callback(client.close)
        for row in features():
            with world.beside(row.beside):
                for name, client in tuple(running.items()):
                    try:
                        said = client.ask(row.row(world.addresses))
                    except RuntimeError as failure:
                        matrix.broken[name] = str(failure)
                        del running[name]
                        continue
                    world.after(row.after)
                    matrix.said[name, row.name] = said
                    matrix.faults[name, row.name] = faults(row, said)
    return matrix


@contextlib.contextmanager
def a_world(say: Callable[[str], None] = lambda _: None) -> Iterator[World]:
    """A world in a folder of its own."""
    with tempfile.TemporaryDirectory() as folder:
        say("starting a mesh, a router without workers, and one whose health turns")
        with running_world(Path(folder)) as world:
            yield world
