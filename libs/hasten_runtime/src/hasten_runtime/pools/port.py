"""The port to whoever starts and stops the workers of a pool."""

from dataclasses import dataclass
from typing import Literal, Protocol

Stage = Literal["starting", "ready", "stopping"]


class PoolUnavailable(Exception):  # noqa: N818  (a state of the world, not a bug)
    """The pool did not answer: what was asked for may have been done or not."""


class PoolRefused(Exception):  # noqa: N818  (a state of the world, not a bug)
    """The pool has no more workers to give now; the message says why."""


class PoolFenced(Exception):  # noqa: N818  (a state of the world, not a bug)
    """Somebody with a newer epoch acts: nothing was changed."""


@dataclass(frozen=True, slots=True)
class PooledWorker:
    """One worker that the pool knows.

    Attributes:
        worker_id: Its name.
        stage: Where it is in its life. One that died and is started again is starting.
    """

    worker_id: str
    stage: Stage


class Pool(Protocol):
    """Workers that can be had. Every method but `close` may raise PoolUnavailable."""

    async def workers(self) -> list[PooledWorker]:
        """Everybody whom it knows, by name: those too that somebody else started."""
        ...

    async def start(self, worker_id: str, epoch: int) -> None:
        """Begins to start a worker of this name; nothing where there is one already.

        Raises:
            PoolRefused: It cannot be had now.
            PoolFenced: A newer epoch was seen.
        """
        ...

    async def stop(self, worker_id: str, epoch: int) -> None:
        """Begins to stop a worker, which finishes what it has accepted; nothing where there is
        none.

        Raises:
            PoolFenced: A newer epoch was seen.
        """
        ...

    async def close(self) -> None:
        """Releases connections. Workers stay."""
        ...


class Fence:
    """Knows the newest epoch that acted."""

    def __init__(self) -> None:
        self._newest = 0

    def check(self, epoch: int) -> None:
        """Somebody acts in this epoch. Raises PoolFenced."""
        if epoch < self._newest:
            raise PoolFenced(f"epoch {self._newest} has acted, {epoch} is over")
        self._newest = epoch
