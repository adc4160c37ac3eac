"""Where models run: in threads of the worker, or each in a process of its own."""

import contextlib
import threading
import weakref
from collections.abc import Callable, Sequence
from pathlib import Path

import onnxruntime as ort

from hasten.inference.v2.model_config_pb2 import ModelConfig
from hasten_runtime import logs
from hasten_runtime.clock import Clock
from hasten_worker.engine.isolation.host import Host, Use
from hasten_worker.engine.isolation.order import Order
from hasten_worker.engine.isolation.runner import IsolatedRunner
from hasten_worker.engine.onnx.model import OnnxModel
from hasten_worker.engine.onnx.port import ModelRunner
from hasten_worker.engine.onnx.runner import OnnxRunner
from hasten_worker.engine.onnx.session import SessionPlan
from hasten_worker.engine.settings import StoreSettings

_log = logs.logger(__name__)


class Runners:
    """Makes runners by the settings.

    Args:
        settings: Of the store.
        clock: Times the starts of processes.
        stop: Set to give up what is starting.
        open_session: Opens one in this process.
    """

    def __init__(
        self,
        settings: StoreSettings,
        clock: Clock,
        stop: threading.Event,
        open_session: Callable[[Path, SessionPlan], ort.InferenceSession],
    ) -> None:
        self._settings = settings
        self._clock = clock
        self._stop = stop
        self._open = open_session
        self._host = Host()

    @property
    def isolated(self) -> bool:
        """Each model runs in a process of its own."""
        return self._settings.isolation == "process"

    def start(self) -> None:
        """Prepares for `make`, while the files are examined."""
        if self.isolated:
            self._host.start()

    def make(
        self, name: str, path: Path, plan: SessionPlan, config: ModelConfig, folder: Path
    ) -> ModelRunner:
        """Opens a model.

        Args:
            name: Of the model.
            path: Of its file, below `folder`.
            plan: How its session is opened.
            config: Completed.
            folder: The private copy.

        Raises:
            ModelRefused: It cannot be opened.
        """
        runner: ModelRunner
        if self.isolated:
            memory_bytes_max = self._settings.process_memory_bytes_max
            runner = isolated = IsolatedRunner(
                self._host,
                Order(path, plan, config, memory_bytes_max),
                folder,
                self._clock,
                name=name,
                growth_bytes_max=self._settings.process_growth_bytes_max,
                stop=self._stop,
            )
            found = isolated.providers
        else:
            session = self._open(path, plan)
            found = session.get_providers()
            runner = OnnxRunner(session, plan, config)
        _note_missing(name, plan, found)
        return runner

    def keep(self, model: OnnxModel, kept: contextlib.ExitStack, folder: Path) -> None:
        """Sees to it that what a model needs is freed when it is closed, or when the last call that
        holds it has ended: one that was replaced is not closed.

        Args:
            model: The model.
            kept: Closes its runners and removes the folder.
            folder: Its private copy.
        """

        def aside() -> None:
            threading.Thread(target=self._free, args=(kept, folder), daemon=True).start()

        held = weakref.finalize(model, aside)
        held.atexit = False

        def at_once() -> None:
            if held.detach() is not None:
                self._free(kept, folder)

        model.free = at_once

    def use(self) -> Use:
        """What the processes use."""
        return self._host.use()

    def close(self) -> None:
        """Ends the processes; none of them is in use."""
        self._host.close()

    def _free(self, kept: contextlib.ExitStack, folder: Path) -> None:
        kept.close()
        self._host.drop(folder)


def _note_missing(name: str, plan: SessionPlan, found: Sequence[str]) -> None:
    for provider in sorted({provider for provider, _ in plan.providers} - set(found)):
        _log.warning("model.provider_missing", provider=provider, model=name)
