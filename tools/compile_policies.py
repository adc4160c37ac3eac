"""Compiles the policies with mypyc into a folder of their own, for long simulations.

The same sources, the same figures bit for bit, about half the time:

    make compiled
    PYTHONPATH=.run/compiled .venv/bin/python -m loadtest.scale

The services do not use it. Needs a C compiler. What was compiled is tried before it is said to be
done: every policy runs a tiny simulation, compiled and as plain Python, with the same figures.
"""

import os
import shutil
import subprocess
import sys
from pathlib import Path
from typing import Final

ROOT: Final = Path(__file__).resolve().parents[1]
PACKAGE: Final = "hasten_policy"
SOURCE: Final = ROOT / "libs" / PACKAGE / "src"
TARGET: Final = ROOT / ".run" / "compiled"
TRIAL: Final = ROOT / "tools" / "policy_trial.py"
PARTS: Final = (
    "admission",
    "batching",
    "fleet",
    "load.py",
    "ordering",
    "prediction",
    "router",
    "timers.py",
    "worker",
)
"""Where the time goes: rooms of `hasten_policy`, and modules beside them."""
SHOWN: Final = 2000
"""Most characters of the compiler's output that are printed."""


class CompileError(Exception):
    """The policies could not be compiled; a sentence on why."""


def modules_of(folder: Path) -> list[Path]:
    """The files to compile, relative to the folder that holds the package.

    Raises:
        CompileError: A part does not exist there, or nothing is in it.
    """
    found: list[Path] = []
    for part in PARTS:
        path = folder / PACKAGE / part
        files = [path] if path.is_file() else sorted(path.glob("*.py"))
        if not files:
            raise CompileError(f"{PACKAGE} has no {part}: PARTS in {Path(__file__).name} is stale")
        found += [file.relative_to(folder) for file in files]
    return found


def judge(compiled: list[str], plain: list[str]) -> None:
    """Takes what the trial printed with the compiled policies, and as plain Python.

    Raises:
        CompileError: Not what was compiled has run, or the figures differ.
    """
    loaded = Path(compiled[0])
    if not loaded.is_relative_to(TARGET) or loaded.suffix == ".py":
        raise CompileError(f"the trial did not run what was compiled, but {loaded}")
    for ours, theirs in zip(compiled[1:], plain[1:], strict=True):
        if ours != theirs:
            raise CompileError(f"figures differ\ncompiled:     {ours}\nplain Python: {theirs}")


def main() -> int:
    """Entry point."""
    try:
        count = _compile()
        judge(_trial(TARGET), _trial(SOURCE))
    except CompileError as error:
        print(error, file=sys.stderr)
        return 1
    print(f"compiled {count} modules: put PYTHONPATH={TARGET.relative_to(ROOT)} before python")
    return 0


def _compile() -> int:
    """Compiles a copy of the package; how many modules."""
    if shutil.which("cc") is None:
        raise CompileError("no C compiler: install gcc or clang, and run this again")
    modules = modules_of(SOURCE)
    shutil.rmtree(TARGET, ignore_errors=True)
    shutil.copytree(
        SOURCE / PACKAGE, TARGET / PACKAGE, ignore=shutil.ignore_patterns("__pycache__", "*.so")
    )
    command = [sys.executable, "-m", "mypyc", *map(str, modules)]
    done = subprocess.run(command, cwd=TARGET, capture_output=True, text=True, check=False)
    if done.returncode:
        said = f"{done.stdout[-SHOWN:]}\n{done.stderr[-SHOWN:]}"
        raise CompileError(f"{said}\nmypyc could not compile the policies")
    return len(modules)


def _trial(folder: Path) -> list[str]:
    """What the trial prints with the policies of a folder."""
    environment = {**os.environ, "PYTHONPATH": str(folder)}
    done = subprocess.run(
        [sys.executable, str(TRIAL)], env=environment, capture_output=True, text=True, check=False
    )
    if done.returncode:
        raise CompileError(f"{done.stderr[-SHOWN:]}\nthe policies of {folder} do not run")
    return done.stdout.splitlines()


if __name__ == "__main__":
    sys.exit(main())
