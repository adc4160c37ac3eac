"""What the worker needs of a model store, whatever its models are."""

from collections.abc import Callable, Sequence
from typing import Protocol

from hasten_worker.engine.isolation.host import Use
from hasten_worker.engine.settings import StoreSettings
from hasten_worker.engine.store.entries import Gap
from hasten_worker.inference.repository import Control
from hasten_worker.shell.shell import Shell


class Store(Control, Protocol):
    """The model store."""

    async def start(self) -> None:
        """Loads what is to be loaded at start."""
        ...

    async def stop(self) -> None:
        """Lets all models go."""
        ...

    def release(self, model_key: str) -> None:
        """No call of a closed model version is left."""
        ...

    def gaps(self) -> Sequence[Gap]:
        """What should serve and does not."""
        ...

    def use(self) -> Use:
        """What the processes that run models use."""
        ...

    @property
    def warm_up_s(self) -> float:
        """Seconds for which models were warmed up and measured, of all loads."""
        ...

    @property
    def serves(self) -> bool:
        """Some model serves."""
        ...


MakeStore = Callable[[StoreSettings, Shell], Store]
