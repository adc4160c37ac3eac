"""Real Redis and Consul servers for tests: own free ports, own folders, always ended."""

import functools
import http.client
import importlib.util
import json
import shutil
import socket
import uuid
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest

from tests.support.ports import free_port, release_port
from tests.support.processes import ChildProcess, make_folder, remove_folder
from tests.support.waiting import eventually_sync

START_TIMEOUT_S = 60.0
START_TRIES = 3
ANSWER_S_MAX = 60.0
"""Of a server that is busy; one that is not there says so at once."""


@functools.cache
def _fetch_servers() -> ModuleType:
    path = Path(__file__).parents[2] / "tools" / "fetch_servers.py"
    spec = importlib.util.spec_from_file_location("fetch_servers", path)
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


@functools.cache
def server_path(name: str) -> Path:
    """Path of "redis-server", "redis-7.0" or "consul".

    A missing server fails the test with one sentence.
    """
    module = _fetch_servers()
    find = {
        "redis-server": module.redis_server,
        "redis-7.0": module.debian_redis,
        "consul": module.consul,
    }
    try:
        return Path(find[name]())
    except module.ServerMissing as sentence:
        pytest.fail(str(sentence), pytrace=False)


class _Server:
    """What Redis and Consul have in common: start, wait until it is ours and ready, end."""

    def __init__(self) -> None:
        self.folder = make_folder()
        self.child: ChildProcess | None = None

    @property
    def pid(self) -> int:
        assert self.child is not None, "the server is not running"
        return self.child.pid

    def start(self) -> None:
        """Starts it on its port; returns when it answers."""
        for attempt in range(1, START_TRIES + 1):
            self.child = ChildProcess(self._command(), log_path=self.folder / "log")
            eventually_sync(
                lambda: self._ready() or self._exited(), START_TIMEOUT_S, what="the server is ready"
            )
            if not self._exited():
                return
            assert attempt < START_TRIES, f"the server does not start:\n{self.child.log_tail}"

    def stop(self) -> None:
        """Ends it in good order (SIGTERM). Idempotent."""
        if self.child is not None:
            self.child.stop()
            self.child = None

    def kill(self) -> None:
        """kill -9."""
        assert self.child is not None, "the server is not running"
        self.child.kill()
        self.child = None

    def pause(self) -> None:
        """SIGSTOP: connections stay open, nothing answers."""
        assert self.child is not None, "the server is not running"
        self.child.pause()

    def resume(self) -> None:
        """SIGCONT."""
        assert self.child is not None, "the server is not running"
        self.child.resume()

    def restart(self) -> None:
        """Ends it if it runs, and starts it on the same port with what it kept on disk."""
        self.stop()
        self.start()

    def close(self) -> None:
        """Ends it at once and removes its folder. Idempotent."""
        if self.child is not None:
            self.child.kill()
            self.child = None
        remove_folder(self.folder)

    def _exited(self) -> bool:
        return self.child is None or self.child.exit_status is not None

    def _command(self) -> list[str]:
        raise NotImplementedError

    def _ready(self) -> bool:
        raise NotImplementedError


class RedisServer(_Server):
    """A redis-server with an append-only file; `options` are further directives, `program` is one
    that `server_path` knows.
    """

    def __init__(self, *options: str, program: str = "redis-server") -> None:
        super().__init__()
        self.port = free_port()
        self._program = program
        self._options = options

    @property
    def address(self) -> str:
        return f"127.0.0.1:{self.port}"

    @property
    def url(self) -> str:
        return f"redis://{self.address}/0"

    def restart_empty(self) -> None:
        """As `restart`, but it has forgotten everything."""
        self.stop()
        for kept in self.folder.iterdir():
            if kept.name != "log":
                shutil.rmtree(kept) if kept.is_dir() else kept.unlink()
        self.start()

    def command(self, *words: str, timeout_s: float = ANSWER_S_MAX) -> str:
        """Sends one command, e.g. command("FLUSHALL"); returns the raw reply."""
        with socket.create_connection(("127.0.0.1", self.port), timeout_s) as connection:
            parts = [f"${len(word.encode())}\r\n{word}\r\n" for word in words]
            connection.sendall(f"*{len(words)}\r\n{''.join(parts)}".encode())
            return _read_reply(connection)

    def close(self) -> None:
        super().close()
        release_port(self.port)

    def _command(self) -> list[str]:
        directives = ["--port", str(self.port), "--bind", "127.0.0.1", "--dir", str(self.folder)]
        directives += ["--save", "", "--appendonly", "yes", "--daemonize", "no"]
        return [str(server_path(self._program)), *directives, *self._options]

    def _ready(self) -> bool:
        try:
            # The process id tells our server from a stranger's on the same port.
            info = self.command("INFO")
        except OSError:
            return False
        return f"process_id:{self.pid}\r" in info and "loading:0\r" in info


def _read_reply(connection: socket.socket) -> str:
    with connection.makefile("rb") as reader:
        head = reader.readline()
        if head.startswith(b"$") and head != b"$-1\r\n":
            return reader.read(int(head[1:]) + 2).decode()
        return head.decode()


class ConsulAgent(_Server):
    """A single Consul agent in dev mode: server and agent in one, nothing kept on disk.

    A restart therefore forgets all registrations, as a replaced agent does.
    """

    def __init__(self) -> None:
        super().__init__()
        self.port = free_port()
        self._ports = {name: free_port() for name in ("server", "serf-lan")}
        self._node = f"test-{uuid.uuid4().hex[:12]}"

    @property
    def address(self) -> str:
        return f"127.0.0.1:{self.port}"

    def get(self, path: str) -> Any:
        """GET on the HTTP API; returns the parsed JSON. Raises OSError."""
        return json.loads(self._request("GET", path))

    def put(self, path: str, body: object = None) -> None:
        """PUT on the HTTP API. Raises OSError."""
        self._request("PUT", path, body)

    def close(self) -> None:
        super().close()
        for port in (self.port, *self._ports.values()):
            release_port(port)

    def _command(self) -> list[str]:
        config = self.folder / "agent.json"
        config.write_text(
            json.dumps(
                {
                    "ports": {
                        "http": self.port,
                        "server": self._ports["server"],
                        "serf_lan": self._ports["serf-lan"],
                        "serf_wan": -1,
                        "dns": -1,
                        "grpc": -1,
                    },
                    # Tests must not phone home.
                    "disable_update_check": True,
                    # One address makes hundreds of blocking queries in a test.
                    "limits": {"http_max_conns_per_client": 1000},
                }
            )
        )
        return [
            str(server_path("consul")),
            "agent",
            "-dev",
            f"-node={self._node}",
            "-bind=127.0.0.1",
            "-client=127.0.0.1",
            "-log-level=warn",
            f"-config-file={config}",
        ]

    def _ready(self) -> bool:
        try:
            # Its node name tells our agent from a stranger's; once the catalog has the node,
            # a leader was elected and has taken the agent in.
            return any(node["Node"] == self._node for node in self.get("/v1/catalog/nodes"))
        except (OSError, ValueError):
            return False

    def _request(self, method: str, path: str, body: object = None) -> str:
        connection = http.client.HTTPConnection("127.0.0.1", self.port, timeout=ANSWER_S_MAX)
        try:
            connection.request(method, path, None if body is None else json.dumps(body))
            response = connection.getresponse()
            text = response.read().decode()
            if response.status != http.HTTPStatus.OK:
                raise ConnectionError(f"{response.status} {text}")
        except http.client.HTTPException as error:
            raise ConnectionError(str(error)) from error
        finally:
            connection.close()
        return text
