"""One entry of a registry, checked where it is read.

Anybody who reaches the registry can write there, and what is read goes on into addresses, logs,
metrics and messages. An entry that none of those could carry is left out; the others count.
"""

import re
from collections.abc import Mapping
from types import MappingProxyType
from typing import Final

from hasten_runtime.discovery.port import Instance

ID_CHARS_MAX: Final = 256
ADDRESS_CHARS_MAX: Final = 512
META_ENTRIES_MAX: Final = 64
META_CHARS_MAX: Final = 1024
PORT_MAX: Final = 65535

# Neither blanks nor a path: a host name, an IPv4 address or an IPv6 address in brackets.
_HOST: Final = re.compile(r"\A(?:\[[0-9A-Za-z:.%_-]+\]|[^\s\[\]/:@]+)\Z")


def instance_of(service: str, instance_id: object, address: object, meta: object) -> Instance:
    """The entry as an instance.

    Raises:
        ValueError: It has no usable id or address, or facts that are no short texts.
    """
    if not isinstance(meta, Mapping) or len(meta) > META_ENTRIES_MAX:
        raise ValueError(f"its facts are no mapping of at most {META_ENTRIES_MAX} texts")
    facts = {
        _text(key, "a fact's name", META_CHARS_MAX): _text(
            str(value) if isinstance(value, int | float) else value, "a fact", META_CHARS_MAX
        )
        for key, value in meta.items()
    }
    return Instance(
        service,
        _named(instance_id),
        _address(address),
        MappingProxyType(facts),
    )


def _named(instance_id: object) -> str:
    name = _text(instance_id, "its id", ID_CHARS_MAX)
    if not name or not name.isprintable():
        raise ValueError("its id is empty or has signs that cannot be printed")
    return name


def _address(value: object) -> str:
    address = _text(value, "its address", ADDRESS_CHARS_MAX)
    host, _, port = address.rpartition(":")
    if not (port.isascii() and port.isdigit() and 0 < int(port) <= PORT_MAX):
        raise ValueError(f"its address {address[:64]!r} is no host:port")
    if not host.isprintable() or _HOST.match(host) is None:
        raise ValueError(f"its address {address[:64]!r} is no host:port")
    return address


def _text(value: object, what: str, chars_max: int) -> str:
    """The value, if it is a text that can be sent, logged and shown."""
    if not isinstance(value, str) or len(value) > chars_max:
        raise ValueError(f"{what} is no text of at most {chars_max} characters")
    # A lone surrogate is in no message that travels.
    value.encode()
    return value
