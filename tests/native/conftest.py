"""Tests of the native transport alone; there are none where it was not built."""

import shutil

from tests.support.transports import NATIVE_FAULT

collect_ignore_glob = ["test_*.py"] if NATIVE_FAULT else []
if shutil.which("cargo") is None:
    collect_ignore_glob.append("test_rust.py")
