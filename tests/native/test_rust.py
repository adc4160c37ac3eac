"""The tests that are written in Rust."""

import subprocess
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]


def test_the_tests_in_rust_pass() -> None:
    done = subprocess.run(
        [ROOT / "tools" / "plane.sh", "test"], capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stdout + done.stderr
