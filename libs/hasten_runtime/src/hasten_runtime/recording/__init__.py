"""Recording a machine's event log: off by default, bounded, never in a call's way."""

from hasten_runtime.recording.machines import Recorded, recorded
from hasten_runtime.recording.open import open_recorder
from hasten_runtime.recording.recorder import Recorder

__all__ = ["Recorded", "Recorder", "open_recorder", "recorded"]
