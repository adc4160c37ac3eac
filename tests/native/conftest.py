"""Tests of the native transport alone; there are none where it was not built."""

import shutil
import subprocess

from tests.support.transports import NATIVE_FAULT

collect_ignore_glob = ["test_*.py"] if NATIVE_FAULT else []
cargo = shutil.which("cargo")
# rustup puts a cargo on PATH that runs nothing until a toolchain is chosen.
if (
    cargo is None
    or subprocess.run([cargo, "--version"], capture_output=True, check=False).returncode
):
    collect_ignore_glob.append("test_rust.py")
