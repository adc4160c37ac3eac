"""What travels to and from Consul, checked where it arrives."""

from typing import Any, Final

from consul.base import Response

from hasten_runtime import logs
from hasten_runtime.discovery.port import Instance
from hasten_runtime.discovery.reading import instance_of
from hasten_runtime.discovery.registry import RegistryTrouble
from hasten_runtime.unreadable import UNREADABLE

_log = logs.logger(__name__)

LAST_CONTACT_MAX_S: Final = 10.0
"""A server that has not heard of its leader for longer is not believed."""
REASON_CHARS: Final = 300
"""Of why an entry is left out, so much is logged."""


def believable_index(response: Response) -> int:
    """The reply's index. Raises RegistryTrouble for a reply that may be false."""
    if response.code != 200:
        raise RegistryTrouble(f"Consul: {response.code} {response.body[:200]}")
    headers = response.headers
    if headers.get("X-Consul-KnownLeader", "true").lower() != "true":
        raise RegistryTrouble("Consul has no leader")
    last_contact_s = int(headers.get("X-Consul-LastContact", "0")) / 1000.0
    if last_contact_s > LAST_CONTACT_MAX_S:
        raise RegistryTrouble(f"Consul's answer is {last_contact_s:g} s old")
    return max(0, int(headers.get("X-Consul-Index", "0")))


def instances(service: str, id_prefix: str, entries: Any) -> list[Instance]:  # noqa: ANN401  (parsed JSON)
    """One instance per id: after a move to another machine the newer registration counts.

    A single bad entry is left out. Raises RegistryTrouble for what is no list of entries.
    """
    if not isinstance(entries, list):
        raise RegistryTrouble("Consul did not answer with a list")
    newest: dict[str, tuple[int, Instance]] = {}
    for entry in entries:
        try:
            registered = entry["Service"]
            instance_id = registered["ID"].removeprefix(id_prefix)
            host = registered["Address"] or entry["Node"]["Address"]
            host = f"[{host}]" if ":" in host else host
            meta = registered.get("Meta") or {}
            instance = instance_of(service, instance_id, f"{host}:{registered['Port']}", meta)
            modified = int(registered.get("ModifyIndex", 0))
        except UNREADABLE as error:
            _log.warning("discovery.bad_entry", watched=service, reason=ascii(error)[:REASON_CHARS])
            continue
        if instance_id not in newest or newest[instance_id][0] < modified:
            newest[instance_id] = (modified, instance)
    return [instance for _, instance in newest.values()]
