"""onnxruntime must not report usage: it is told so before it is imported."""

import subprocess
import sys

import pytest

SOURCE = """
import os, sys
import {module}
assert "onnxruntime" in sys.modules, "this module was to import it"
print(os.environ.get("ORT_DISABLE_TELEMETRY"))
"""


@pytest.mark.parametrize(
    "module", ["hasten_worker.engine.loading.loader", "hasten_worker.engine.trial.examine"]
)
def test_onnxruntime_is_told_to_report_nothing(module: str) -> None:
    ended = subprocess.run(
        [sys.executable, "-c", SOURCE.format(module=module)],
        env={},
        capture_output=True,
        text=True,
        timeout=60,
        check=True,
    )
    assert ended.stdout.strip() == "1"
