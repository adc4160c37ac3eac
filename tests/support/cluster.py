"""A Redis Cluster of three primaries."""

from collections.abc import Iterator
from contextlib import ExitStack, contextmanager

from redis.crc import key_slot

from tests.support.ports import free_port, release_port
from tests.support.servers import RedisServer
from tests.support.waiting import eventually_sync

SLOTS = 16384
SETTLED_S_MAX = 60.0


class Node(RedisServer):
    """One of its servers."""

    def __init__(self) -> None:
        self.bus_port = free_port()
        options = ["--cluster-enabled", "yes", "--cluster-node-timeout", "1000"]
        options += ["--cluster-require-full-coverage", "no"]
        super().__init__(*options, "--cluster-port", str(self.bus_port))

    @property
    def node_id(self) -> str:
        return self.command("CLUSTER", "MYID").strip()

    def close(self) -> None:
        super().close()
        release_port(self.bus_port)


class Cluster:
    """The servers.

    Attributes:
        nodes: Each has a third of the slots, in order.
    """

    def __init__(self, nodes: list[Node]) -> None:
        self.nodes = nodes

    @property
    def url(self) -> str:
        return f"redis+cluster://{','.join(node.address for node in self.nodes)}"

    def node_of(self, key: str) -> Node:
        """Who had the key's slot at the beginning."""
        return self.nodes[min(2, key_slot(key.encode()) * 3 // SLOTS)]

    def move(self, key: str, to: Node) -> None:
        """Gives the slot of a key, in which nothing lies, to another node."""
        node_id = to.node_id
        for node in (to, *self.nodes):
            node.command("CLUSTER", "SETSLOT", str(key_slot(key.encode())), "NODE", node_id)


@contextmanager
def redis_cluster() -> Iterator[Cluster]:
    """A Cluster, until the block ends."""
    with ExitStack() as stack:
        nodes = []
        for number in range(3):
            node = Node()
            stack.callback(node.close)
            node.start()
            first, last = (-(-SLOTS * at // 3) for at in (number, number + 1))
            node.command("CLUSTER", "ADDSLOTSRANGE", str(first), str(last - 1))
            node.command("CLUSTER", "SET-CONFIG-EPOCH", str(number + 1))
            nodes.append(node)
        for node in nodes[1:]:
            words = ("127.0.0.1", str(nodes[0].port), str(nodes[0].bus_port))
            node.command("CLUSTER", "MEET", *words)
        eventually_sync(
            lambda: all(_whole(node) for node in nodes),
            SETTLED_S_MAX,
            what="all nodes of the Cluster know each other",
        )
        yield Cluster(nodes)


def _whole(node: Node) -> bool:
    told = node.command("CLUSTER", "INFO")
    return "cluster_slots_ok:16384" in told and "cluster_known_nodes:3" in told
