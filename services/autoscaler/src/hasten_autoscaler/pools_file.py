"""The file that lists the pools of one autoscaler, read at the start.

[[pool]]
name = "own"
driver = "process"
address = "/run/hasten/own.sock"
price_per_h = 1.0
workers_max = 4
"""

import re
import tomllib
from collections.abc import Mapping
from dataclasses import dataclass, fields
from pathlib import Path
from typing import Any, Final

from hasten_policy.scaling.offers import Offer
from hasten_runtime.pools.port import Pool
from hasten_runtime.pools.socket import SocketPool

DRIVERS: Final = ("process",)
_NAME: Final = re.compile(r"[A-Za-z0-9][A-Za-z0-9-]{0,62}")
_OFFERED: Final = tuple(field.name for field in fields(Offer))
_KEYS: Final = ("name", "driver", "address", *(key for key in _OFFERED if key != "name"))


@dataclass(frozen=True, slots=True)
class PoolEntry:
    """One pool of the file.

    Attributes:
        offer: What it offers.
        driver: How it is reached: one of DRIVERS.
        address: There; of a process the supervisor's Unix socket.
    """

    offer: Offer
    driver: str
    address: str

    def open(self) -> Pool:
        """The pool; does no IO."""
        return SocketPool(Path(self.address))


def read_pools(path: Path) -> tuple[PoolEntry, ...]:
    """The pools of a file, in its order.

    Raises:
        ValueError: A sentence on the first fault.
    """
    try:
        found = tomllib.loads(path.read_text())
    except (OSError, ValueError) as error:
        raise ValueError(f"pools {path} cannot be read: {error}") from None
    tables = found.pop("pool", None)
    if found or not isinstance(tables, list) or not tables:
        raise ValueError(f"pools {path} must hold tables [[pool]], one or more, and nothing else")
    entries: list[PoolEntry] = []
    for number, table in enumerate(tables, 1):
        try:
            entries.append(_entry(table))
        except ValueError as error:
            raise ValueError(f"pools {path}, pool {number}: {error}") from None
    names = [entry.offer.name for entry in entries]
    if len(set(names)) < len(names):
        raise ValueError(f"pools {path}: two pools have one name, of {', '.join(names)}")
    return tuple(entries)


def _entry(table: Mapping[str, Any]) -> PoolEntry:
    unknown = sorted(table.keys() - set(_KEYS))
    if unknown:
        raise ValueError(f"a pool has {', '.join(_KEYS)}, but no {unknown[0]!r}")
    name, driver, address = (table.get(key, "") for key in _KEYS[:3])
    if not isinstance(name, str) or not _NAME.fullmatch(name):
        raise ValueError(f"name must be letters, digits and hyphens, up to 63, not {name!r}")
    if driver not in DRIVERS:
        raise ValueError(f"driver must be one of {', '.join(DRIVERS)}, not {driver!r}")
    if not isinstance(address, str) or not address:
        raise ValueError("address must be the path of the supervisor's socket")
    offered = {key: _number(key, table[key]) for key in _OFFERED[1:] if key in table}
    return PoolEntry(Offer(name, **offered), driver, address)


def _number(key: str, value: object) -> Any:  # noqa: ANN401  (as the field has it)
    """The value, if it is of the kind of the field."""
    kind = type(getattr(Offer("any"), key))
    if kind is float and type(value) is int:
        return float(value)
    if type(value) is not kind:
        wanted = {bool: "true or false", int: "a whole number", float: "a number"}[kind]
        raise ValueError(f"{key} must be {wanted}, not {value!r}")
    return value
