"""What the worker tells of itself, to routers and to whoever asks."""

import os
import time
from dataclasses import asdict
from typing import Final

import psutil

from hasten.common.v1.load_pb2 import ColdStart, ModelGap, ModelMemory, NodeState, WorkerState
from hasten_runtime import wire
from hasten_worker.core import Core
from hasten_worker.engine.store.entries import Gap
from hasten_worker.presence import Presence

GAPS_MAX: Final = 32
"""Of what should serve and does not, so much is told to routers, four times a second."""
REASON_CHARS_MAX: Final = 300
START_S_MAX: Final = 86_400.0
"""A process that began longer ago says that somebody has set the clock."""


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
        self._loading_s = 0.0
        self._process_s = 0.0
        self._cold_start: ColdStart | None = None

    def loading(self) -> None:
        """The worker begins to load the models of its start."""
        self._loading_s = self._core.around.clock.now_s()
        # The one time that is known of the process's begin is a time of day.
        age_s = time.time() - psutil.Process().create_time()
        self._process_s = min(max(0.0, age_s), START_S_MAX)

    def loaded(self) -> None:
        """These models are loaded, or were given up."""
        load_s = self._core.around.clock.now_s() - self._loading_s
        warm_up_s = min(load_s, self._core.store.warm_up_s)
        self._cold_start = ColdStart(
            process_s=self._process_s, load_s=load_s - warm_up_s, warm_up_s=warm_up_s
        )

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
            node=NodeState(**asdict(signs.node)),
            cold_start=self._cold_start,
            memory=[
                ModelMemory(
                    name=served.model.spec.name,
                    version=served.model.spec.version,
                    bytes=served.model.memory_bytes,
                )
                for served in core.shell.models.all()
            ],
        )


def _gap_to_wire(gap: Gap) -> ModelGap:
    return ModelGap(name=gap.name, version=gap.version, reason=gap.reason[:REASON_CHARS_MAX])
