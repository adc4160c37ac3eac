"""A primary, its replica and three Sentinels that watch over them."""

from collections.abc import Iterator
from contextlib import ExitStack, contextmanager

from tests.support.servers import RedisServer, server_path
from tests.support.waiting import eventually_sync

SERVICE = "tasks"
DOWN_AFTER_MS = 500
SETTLED_S_MAX = 60.0


class Sentinel(RedisServer):
    """One Sentinel; it writes its own configuration on."""

    def __init__(self, watched: RedisServer) -> None:
        super().__init__()
        self._config = self.folder / "sentinel.conf"
        self._config.write_text(
            f"port {self.port}\nbind 127.0.0.1\ndir {self.folder}\n"
            f"sentinel monitor {SERVICE} 127.0.0.1 {watched.port} 2\n"
            f"sentinel down-after-milliseconds {SERVICE} {DOWN_AFTER_MS}\n"
            f"sentinel failover-timeout {SERVICE} 3000\n"
        )

    def sees(self, replicas: int, others: int) -> bool:
        """It knows so many replicas, and so many Sentinels, itself included."""
        told = self.command("INFO", "sentinel")
        return f",slaves={replicas},sentinels={others}" in told

    def _command(self) -> list[str]:
        return [str(server_path("redis-server")), str(self._config), "--sentinel"]

    def _ready(self) -> bool:
        try:
            return f"process_id:{self.pid}\r" in self.command("INFO")
        except OSError:
            return False


class Watched:
    """The servers, and the URL of who is the primary.

    Attributes:
        first: The primary at the beginning.
        second: Its replica.
        sentinels: Three.
    """

    def __init__(self, first: RedisServer, second: RedisServer, sentinels: list[Sentinel]) -> None:
        self.first = first
        self.second = second
        self.sentinels = sentinels

    @property
    def url(self) -> str:
        hosts = ",".join(sentinel.address for sentinel in self.sentinels)
        return f"redis+sentinel://{hosts}/{SERVICE}"


@contextmanager
def watched_servers() -> Iterator[Watched]:
    """All of them, until the block ends."""
    with ExitStack() as stack:
        first = _started(stack, RedisServer("--repl-diskless-sync-delay", "0"))
        replica = RedisServer("--replicaof", "127.0.0.1", str(first.port))
        second = _started(stack, replica)
        sentinels = [_started_sentinel(stack, first) for _ in range(3)]
        eventually_sync(
            lambda: (
                "master_link_status:up" in second.command("INFO", "replication")
                and all(sentinel.sees(1, 3) for sentinel in sentinels)
            ),
            SETTLED_S_MAX,
            what="the Sentinels know each other and the replica",
        )
        yield Watched(first, second, sentinels)


def _started(stack: ExitStack, server: RedisServer) -> RedisServer:
    stack.callback(server.close)
    server.start()
    return server


def _started_sentinel(stack: ExitStack, watched: RedisServer) -> Sentinel:
    sentinel = Sentinel(watched)
    stack.callback(sentinel.close)
    sentinel.start()
    return sentinel
