"""What the worker tells of itself, to routers and to whoever asks."""

import os
from typing import Final

from hasten.common.v1.load_pb2 import ModelGap, WorkerState
from hasten_runtime import wire
from hasten_worker.core import Core
from hasten_worker.engine.store.entries import Gap
from hasten_worker.presence import Presence

GAPS_MAX: Final = 32
"""Of what should serve and does not, so much is told to routers, four times a second."""
REASON_CHARS_MAX: Final = 300


class StateTeller:
    """Puts the worker's state into a message.

    Args:
        core: Of the worker.
        address: Where routers reach it.
        presence: Knows whether discovery takes it.
    """

    def __init__(self, core: Core, address: str, presence: Presence) -> None:
        self._core = core
        self._address = address
        self._presence = presence

    def state(self, link_id: int = 0) -> WorkerState:
        """The state now, as this link should hear it; 0 for none."""
        core = self._core
        signs = core.vitals.signs
        gaps = core.store.gaps()
        return wire.report_to_wire(
            core.worker_id,
            self._address,
            core.shell.report(link_id),
            cpu_cores=signs.cpu_cores,
            memory_bytes=signs.memory_bytes,
            gpu_memory_bytes=signs.gpu_memory_bytes,
            pid=os.getpid(),
            gaps=[_gap_to_wire(gap) for gap in gaps[:GAPS_MAX]],
            gaps_more=max(0, len(gaps) - GAPS_MAX),
            unannounced=self._presence.unannounced,
        )


def _gap_to_wire(gap: Gap) -> ModelGap:
    return ModelGap(name=gap.name, version=gap.version, reason=gap.reason[:REASON_CHARS_MAX])
