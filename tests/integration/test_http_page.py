"""What docs/http.md shows is run, on the example models."""

import json
import re
import shlex
import urllib.request
from collections.abc import Iterator
from typing import Any

import pytest

from loadtest.mesh import Mesh
from tests.support.services import patient_mesh
from tests.support.sources import ROOT

pytestmark = pytest.mark.integration

PAGE = (ROOT / "docs" / "http.md").read_text()


@pytest.fixture(scope="module")
def mesh() -> Iterator[Mesh]:
    with patient_mesh(ROOT / "examples" / "models") as running:
        yield running


def shown(language: str, mesh: Mesh) -> str:
    (block,) = re.findall(rf"```{language}\n(.*?)```", PAGE, re.DOTALL)
    # A busy machine may need more than two seconds.
    text: str = block.replace("localhost:8000", mesh.http).replace("2000", "60000")
    return text


def curled(command: str) -> Any:
    """What a command of curl would print; the tests need no curl."""
    program, address, *options = shlex.split(command)
    assert program == "curl"
    request = urllib.request.Request(f"http://{address}")
    for name, value in zip(options[::2], options[1::2], strict=True):
        if name == "-H":
            request.add_header(*value.split(": "))
        else:
            assert name == "-d"
            request.data = value.encode()
    with urllib.request.urlopen(request, timeout=90) as answer:  # noqa: S310  (as above)
        return json.load(answer)


def test_the_commands_are_answered(mesh: Mesh) -> None:
    commands = shown("sh", mesh).replace("\\\n", " ").splitlines()
    ready, metadata, answer = map(curled, commands)
    assert ready == {"ready": True}
    assert metadata["name"] == answer["model_name"] == "tickets"
    assert len(answer["outputs"][1]["data"]) == 5


def test_the_python_is_answered(mesh: Mesh, capsys: pytest.CaptureFixture[str]) -> None:
    known: dict[str, object] = {}
    exec(shown("python", mesh).replace("2_000_000", "60_000_000"), known)  # noqa: S102
    assert capsys.readouterr().out.startswith("[[")
