"""Every client says the same of every row: clients/features, in all languages of clients/."""

import shlex
import subprocess
from collections.abc import Callable
from pathlib import Path

import pytest

from tests.clients.beside import called
from tests.clients.features import Feature, features
from tests.clients.languages import CLIENTS, LANGUAGES, Language
from tests.clients.matrix import Matrix, filled
from tests.clients.world import World

pytestmark = [
    pytest.mark.integration,
    pytest.mark.timeout(1800),  # The first time the clients are built.
    pytest.mark.xdist_group("clients"),
]

Needs = Callable[[Language], None]

TRIES = 5
ROWS = features()
BY_NAME = [language.name for language in LANGUAGES]


@pytest.fixture(scope="module")
def matrix(world: World) -> Matrix:
    return filled(LANGUAGES, world)


@pytest.mark.parametrize("language", LANGUAGES, ids=BY_NAME)
@pytest.mark.parametrize("feature", ROWS, ids=[row.name for row in ROWS])
def test_the_client_says_what_the_row_expects(
    needs: Needs, matrix: Matrix, language: Language, feature: Feature
) -> None:
    needs(language)
    assert language.name not in matrix.broken, matrix.broken[language.name]
    key = (language.name, feature.name)
    assert not matrix.faults[key], f"{feature.say}: {matrix.said[key]}"


@pytest.mark.parametrize("language", LANGUAGES, ids=BY_NAME)
def test_the_example_of_the_readme_is_answered(
    needs: Needs, matrix: Matrix, world: World, language: Language
) -> None:
    """The readme shows the example's file, and the command that is run here."""
    needs(language)
    assert matrix.said  # Built.
    readme = (language.folder / "README.md").read_text()
    assert f"```{language.mark}\n{(language.folder / language.example).read_text()}```" in readme
    shell = readme.partition("```sh\n")[2].partition("```")[0]
    (command,) = (line for line in shell.splitlines() if line.endswith(" localhost:8001"))
    words = shlex.split(command.replace("localhost:8001", world.addresses["good"]))

    def run() -> subprocess.CompletedProcess[str]:
        return subprocess.run(
            words, cwd=language.folder, env=language.environ(), capture_output=True, text=True,
            check=False, timeout=600,
        )  # fmt: skip

    # Its deadline of five seconds may be too short while this machine does something else.
    tries = [run()]
    while tries[-1].returncode and len(tries) < TRIES:
        tries.append(run())
    assert tries[-1].returncode == 0, tries[-1].stdout + tries[-1].stderr
    assert "0." in tries[-1].stdout


@pytest.mark.parametrize("name", ["go", "java"])
def test_every_call_is_answered_beside_a_router_that_cannot_serve(
    needs: Needs, matrix: Matrix, world: World, name: str
) -> None:
    """How late the slowest is says `python -m tests.clients.beside`."""
    (language,) = (each for each in LANGUAGES if each.name == name)
    needs(language)
    assert matrix.said  # Built.
    found = called(language, world, calls=200, deadline_ms=60_000)
    assert found.answered == found.calls, found.refused


def test_every_language_has_the_one_service_config() -> None:
    """Go's compiler reads no file outside of its module: it has a copy."""
    for copy in CLIENTS.rglob("service_config.json"):
        if not {"node_modules", "target"} & set(copy.parts):
            assert copy.read_bytes() == Path(CLIENTS / "service_config.json").read_bytes()
