"""Commands of loadtest, run in this process and on meshes that are there already."""

import json
import runpy
import sys
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import Any

import pytest

from loadtest.mesh import Mesh, running_mesh


class OneMesh:
    """Stands in for `running_mesh`: whoever starts a mesh gets the first that was started.

    Args:
        stack: Ends it.
        models: Serves these; None: what is served to the first who asks.

    Attributes:
        asked: How each mesh was asked for since the last command began.
    """

    def __init__(self, stack: ExitStack, models: Path | None = None) -> None:
        self._stack = stack
        self._mesh: Mesh | None = None
        self._served: set[str] = set()
        self.asked: list[dict[str, Any]] = []
        if models is not None:
            self._start(models)

    @contextmanager
    def running(self, models: Path, **how: Any) -> Iterator[Mesh]:
        self.asked.append(how)
        mesh = self._mesh or self._start(models, **how)
        assert _names(models) <= self._served
        yield mesh

    def run(self, *words: str, capsys: pytest.CaptureFixture[str]) -> Any:
        """What `python -m` with these words prints, as JSON."""
        self.asked.clear()
        module = words[0]
        with pytest.MonkeyPatch.context() as changed:
            changed.setattr("loadtest.mesh.running_mesh", self.running)
            changed.setattr(sys, "argv", list(words))
            changed.delitem(sys.modules, module, raising=False)
            with _may_exit_well():
                runpy.run_module(module, run_name="__main__", alter_sys=True)
        return json.loads(capsys.readouterr().out)

    def _start(self, models: Path, **how: Any) -> Mesh:
        self._mesh = self._stack.enter_context(running_mesh(models, **how))
        self._served = _names(models)
        return self._mesh


@contextmanager
def _may_exit_well() -> Iterator[None]:
    try:
        yield
    except SystemExit as ended:
        if ended.code:
            raise


def _names(models: Path) -> set[str]:
    return {folder.name for folder in models.iterdir()}
