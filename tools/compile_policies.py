"""Compiles the policies with mypyc into a folder of their own, for long simulations.

The same sources, the same figures bit for bit, about half the time:

    make compiled
    PYTHONPATH=.run/compiled .venv/bin/python -m loadtest.scale

The services do not use it. Needs a C compiler.
"""

import shutil
import subprocess
import sys
from pathlib import Path
from typing import Final

ROOT: Final = Path(__file__).resolve().parents[1]
SOURCE: Final = ROOT / "libs" / "hasten_policy" / "src" / "hasten_policy"
TARGET: Final = ROOT / ".run" / "compiled"
PARTS: Final = (
    "prediction",
    "batching",
    "ordering",
    "machines",
    "routing",
    "admission",
    "load.py",
)
"""Where the time goes."""
LEFT_OUT: Final = frozenset(
    {
        "balancers.py",
        "codel.py",
        "dagor.py",
        "gate.py",
        "gates.py",
        "gradient.py",
        "registry.py",
        "router_policy.py",
        "worker_policy.py",
    }
)
"""Baselines and parameters: mypyc stumbles over their lambdas, and little runs there."""


def main() -> int:
    """Entry point."""
    if shutil.which("cc") is None:
        print("no C compiler: install gcc or clang, and run this again", file=sys.stderr)
        return 1
    shutil.rmtree(TARGET, ignore_errors=True)
    shutil.copytree(
        SOURCE, TARGET / SOURCE.name, ignore=shutil.ignore_patterns("__pycache__", "*.so")
    )
    files = sorted(
        str(path.relative_to(TARGET))
        for part in PARTS
        for path in _files(TARGET / SOURCE.name / part)
        if path.name not in LEFT_OUT
    )
    done = subprocess.run(
        [sys.executable, "-m", "mypyc", *files],
        cwd=TARGET,
        capture_output=True,
        text=True,
        check=False,
    )
    if done.returncode:
        print(done.stdout[-2000:], done.stderr[-2000:], sep="\n", file=sys.stderr)
        print("mypyc could not compile the policies", file=sys.stderr)
        return 1
    print(f"compiled {len(files)} modules: put PYTHONPATH={TARGET.relative_to(ROOT)} before python")
    return 0


def _files(path: Path) -> list[Path]:
    return [path] if path.suffix == ".py" else list(path.glob("*.py"))


if __name__ == "__main__":
    sys.exit(main())
