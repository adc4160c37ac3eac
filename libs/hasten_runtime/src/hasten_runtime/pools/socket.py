"""A pool at the other end of a Unix socket: one line of JSON asks, one answers.

The socket lies in a folder of its owner alone, who is the same for both ends.
"""

import asyncio
import json
from contextlib import suppress
from pathlib import Path
from typing import Any, Final

from hasten_runtime import logs
from hasten_runtime.pools.port import (
    Pool,
    PooledWorker,
    PoolFenced,
    PoolRefused,
    PoolUnavailable,
)

CALL_S_MAX: Final = 5.0
LINE_BYTES_MAX: Final = 1024 * 1024
_STAGES: Final = ("starting", "ready", "stopping")
_FAILURES: Final[dict[str, type[Exception]]] = {
    "refused": PoolRefused,
    "fenced": PoolFenced,
    "unavailable": PoolUnavailable,
}

_log = logs.logger(__name__)


class SocketPool:
    """The `Pool` port over the socket at a path; does no IO before its first call."""

    def __init__(self, path: Path) -> None:
        self._path = path

    async def workers(self) -> list[PooledWorker]:
        """Everybody; see the port."""
        said = await self._ask({"do": "workers"})
        try:
            return [
                PooledWorker(str(name), stage)
                for name, stage in said["workers"]
                if stage in _STAGES
            ]
        except (KeyError, TypeError, ValueError) as error:
            raise PoolUnavailable("the pool's answer is none") from error

    async def start(self, worker_id: str, epoch: int) -> None:
        """Begins to start a worker; see the port."""
        await self._ask({"do": "start", "worker": worker_id, "epoch": epoch})

    async def stop(self, worker_id: str, epoch: int) -> None:
        """Begins to stop a worker; see the port."""
        await self._ask({"do": "stop", "worker": worker_id, "epoch": epoch})

    async def close(self) -> None:
        """Nothing to release: each call has a connection of its own."""

    async def _ask(self, question: dict[str, Any]) -> dict[str, Any]:
        try:
            async with asyncio.timeout(CALL_S_MAX):
                reader, writer = await asyncio.open_unix_connection(
                    str(self._path), limit=LINE_BYTES_MAX
                )
                try:
                    writer.write(json.dumps(question).encode() + b"\n")
                    await writer.drain()
                    line = await reader.readline()
                finally:
                    writer.close()
                    with suppress(OSError):
                        await writer.wait_closed()
            said = json.loads(line)
        except (OSError, TimeoutError, ValueError) as error:
            raise PoolUnavailable(f"nobody answers at {self._path}: {error}") from error
        if not isinstance(said, dict):
            raise PoolUnavailable("the pool's answer is none")
        for kind, failure in _FAILURES.items():
            if kind in said:
                raise failure(str(said[kind]))
        return said


class PoolServer:
    """Lets others use a pool over the socket at a path, from `open` to `close`."""

    def __init__(self, pool: Pool, path: Path) -> None:
        self._pool = pool
        self._path = path
        self._server: asyncio.Server | None = None

    async def open(self) -> None:
        """Begins to listen. Raises OSError."""
        self._server = await asyncio.start_unix_server(
            self._serve, str(self._path), limit=LINE_BYTES_MAX
        )

    async def close(self) -> None:
        """Listens no more."""
        if self._server is not None:
            self._server.close()
            await self._server.wait_closed()
            self._path.unlink(missing_ok=True)

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        with suppress(OSError, TimeoutError):
            async with asyncio.timeout(CALL_S_MAX):
                line = await reader.readline()
                writer.write(json.dumps(await self._answer(line)).encode() + b"\n")
                await writer.drain()
        writer.close()

    async def _answer(self, line: bytes) -> dict[str, Any]:
        try:
            question = json.loads(line)
            answer = await self._act(question)
        except (ValueError, KeyError, TypeError) as error:
            return {"unavailable": f"the question is none: {error}"}
        except tuple(_FAILURES.values()) as error:
            (kind,) = [kind for kind, failure in _FAILURES.items() if type(error) is failure]
            return {kind: str(error)}
        except Exception:  # noqa: BLE001  (a fault of ours must not look like an answer)
            _log.exception("pool.fault")
            return {"unavailable": "a fault in Hasten; the log says how"}
        return answer

    async def _act(self, question: dict[str, Any]) -> dict[str, Any]:
        if question["do"] == "workers":
            return {
                "workers": [(each.worker_id, each.stage) for each in await self._pool.workers()]
            }
        act = {"start": self._pool.start, "stop": self._pool.stop}[question["do"]]
        await act(str(question["worker"]), int(question["epoch"]))
        return {"done": True}
