"""Who is there: one port; adapters for Consul, Redis, memory and fixed lists."""

from typing import assert_never

from hasten_runtime.discovery.memory import Board, MemoryRegistry, StaticRegistry
from hasten_runtime.discovery.mesh import RegistryDiscovery
from hasten_runtime.discovery.options import DiscoveryOptions
from hasten_runtime.discovery.port import Discovery, Instance, Registration, View
from hasten_runtime.discovery.registry import Registry

__all__ = [
    "Discovery",
    "DiscoveryOptions",
    "Instance",
    "Registration",
    "View",
    "open_discovery",
]


def open_discovery(settings: DiscoveryOptions) -> Discovery:
    """The discovery that the settings name; does no IO before its first use.

    A registry that is down is no error here or later. Raises ValueError for a bad address.
    """
    return RegistryDiscovery(
        _registry(settings), renew_s=settings.renew_s, settle_s=settings.settle_s
    )


def _registry(settings: DiscoveryOptions) -> Registry:
    # The clients are imported only where they are used: each costs a tenth of a second.
    match settings.kind:
        case "consul":
            from hasten_runtime.discovery.consul import ConsulRegistry

            return ConsulRegistry(
                settings.address,
                token=settings.token,
                namespace=settings.namespace,
                ttl_s=settings.ttl_s,
                health=settings.health,
            )
        case "redis":
            from hasten_runtime.discovery.redis_leases import RedisRegistry

            url = settings.address if "://" in settings.address else f"redis://{settings.address}"
            return RedisRegistry(url, namespace=settings.namespace, ttl_s=settings.ttl_s)
        case "memory":
            return MemoryRegistry(Board(), ttl_s=settings.ttl_s)
        case "static":
            return StaticRegistry(settings.static)
        case _:
            assert_never(settings.kind)
