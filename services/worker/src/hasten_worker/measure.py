"""Measures the models of a repository as a worker does when it loads them, and serves nobody.

`python -m hasten_worker.measure --models-dir DIR`, with the worker's settings. Standard output
carries one line of JSON a model, for `hasten simulate`.
"""

import asyncio
import json
import sys
from collections.abc import Sequence
from typing import Any

from hasten_runtime import logs, process
from hasten_runtime.settings import load
from hasten_worker.engine.refusal import ModelRefused
from hasten_worker.engine.store.model_store import ModelStore
from hasten_worker.model import Model
from hasten_worker.settings import WorkerSettings

_log = logs.logger(__name__)


class _Teller:
    """Writes each model as it is ready."""

    def opened(self, model: Model) -> None:
        """Measured."""
        spec = model.spec
        _write(
            event="measured",
            model=spec.name,
            version=spec.version,
            batch_max=spec.batch_max,
            batch_sizes=list(spec.batch_sizes),
            profile=[list(run) for run in spec.profile],
        )

    def closed(self, model_key: str) -> None:
        """At the end; nobody runs it."""

    def paused(self, model: Model, away_s: float) -> None:
        """Nobody runs it."""

    def resumed(self, model_key: str) -> None:
        """Nobody waits for it."""


def main(argv: Sequence[str] | None = None) -> int:
    """Measures, and returns the exit code: 1 when the repository cannot be read."""
    settings = load(WorkerSettings, argv)
    logs.configure("measure", level="warning", fmt=settings.telemetry.log_format)

    async def run(stop: asyncio.Event) -> int:
        store = ModelStore(settings.store(), _Teller())
        measuring = asyncio.create_task(store.start())
        stopping = asyncio.create_task(stop.wait())
        try:
            await asyncio.wait({measuring, stopping}, return_when=asyncio.FIRST_COMPLETED)
            if not measuring.done():
                return 1
            measuring.result()
            for entry in store.index():
                if entry.state != "READY":
                    _write(event="refused", model=entry.name, reason=entry.reason)
            _write(event="done", lanes=settings.lane_count())
        except ModelRefused as error:
            _log.critical("measure.cannot_read", reason=str(error))
            return 1
        finally:
            stopping.cancel()
            await store.stop()
            await asyncio.wait({measuring, stopping})
        return 0

    return process.run(run)


def _write(**facts: Any) -> None:  # noqa: ANN401  (whatever JSON can say)
    sys.stdout.write(json.dumps(facts, separators=(",", ":")) + "\n")
    sys.stdout.flush()


if __name__ == "__main__":
    sys.exit(main())
