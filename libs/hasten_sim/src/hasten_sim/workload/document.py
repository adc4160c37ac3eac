"""The page on workload files, made from the tables that read them.

python -m hasten_sim.workload.document                 print it
python -m hasten_sim.workload.document --check FILE    exit 1 if FILE is not what would be printed
"""

import argparse
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any, Final

from hasten_sim.workload.base import COUNT_MAX, LARGEST
from hasten_sim.workload.checks import WORKERS_MAX
from hasten_sim.workload.file_table import FileTable
from hasten_sim.workload.workload import REQUESTS_MAX

EXAMPLE: Final = """\
name = "checkout"
description = "The shop on a busy evening"
duration_s = 60
warmup_s = 5
policies = ["hasten", "fixed_limit", "hasten,balancer=p2c"]

[sweep]
load = [0.5, 1, 2]

[mesh]
routers = 2
workers = 4
speeds = [1, 1, 2, 2]       # two old machines, two new ones
weights_known = true

[mesh.network]
latency_ms = 0.3
jitter_ms = 0.1

[arrivals]
process = "mmpp"            # mostly calm, bursts of about two seconds
load = 0.6
states = [
    { factor = 0.8, mean_s = 18 },
    { factor = 2.8, mean_s = 2 },
]

[[models]]
name = "risk"
alpha_ms = 4
beta_ms = 0.5
batch_max = 32
share = 3

[[models]]
name = "text"               # text0 to text7
count = 8
zipf = 0.9
share = 1
points = [[1, 12], [8, 30], [32, 95]]
batch_max = 32
noise = { cv = 0.1, tail_share = 0.001, tail_factor = 5 }

[deadlines]
kind = "mixed"
choices = [{ ms = 80, share = 8 }, { ms = 500, share = 2 }]

[[tenants]]
name = "shop"
share = 4

[[tenants]]
name = "reports"
rate_factor = 5             # asks for five times its share
priorities = [0, 0, 1, 1]

[payload]
kind = "lognormal"
mean_bytes = 4000
cv = 1

[rows]
kind = "mixed"
choices = [{ rows = 1, share = 9 }, { rows = 4, share = 1 }]

[[faults]]
kind = "crash"
at_s = 30
for_s = 5
worker = "random"

[[tasks]]
model = "text0"
tenant = "archive"          # bulk in the slack that requests leave
backlog = 500
"""

_HEAD: Final = f"""\
# Workload files

<!-- Made by `python -m hasten_sim.workload.document`; do not edit. -->

A workload file says what is offered to which mesh: arrivals, models, deadlines, tenants, faults.
The simulator runs it, and the load generator offers it to a mesh on this machine: the same requests
at the same times, from the same seed.

    python -m loadtest.workload loadtest/workloads/local.toml --compare

The files that come with Hasten are in `loadtest/workloads/`. The unit of a value is in its key. A
file with faults is refused, and every fault is listed with its key, what was found and what is
expected. No number is above {LARGEST:,.0f}, no count above {COUNT_MAX:,}; a run has at most
{REQUESTS_MAX:,} requests and {WORKERS_MAX:,} workers. One complete example:

```toml
{EXAMPLE}```

## Against a real mesh

`python -m loadtest.workload FILE` starts a local mesh of models that sleep, offers the requests
open-loop with their deadlines, classes and tenants, and prints what came of them. What such a mesh
cannot do (tasks, faults, unequal speeds, weights, replicas, bounds of memory, a machine of its own,
measured points, cost by length, drift, stalls, wrong profiles, sizes that differ, callers that
stay) is refused, by key.
`--sweep 0.5,1.1` runs several loads, each on a fresh mesh.

With `--compare` the simulator is given the same requests, eight times with other draws of the
network, after three figures were measured on the idle mesh: what it adds to a call at best, how
much that varies, and what a lane adds to a batch. A row during which the sender itself was late is
marked: then the machine was busy with something else, and the row is about that.

## One file on top of another

`extends = "other.toml"` takes another file, looked for beside this one, as the ground. Tables are
merged key by key; all else, lists of tables too, is replaced. A table with another `process` or
`kind` than the one below replaces it whole. Of `load`, `rate_per_s` and `speed_up` the upper file's
replaces the lower's.

## Load

`load` is a multiple of the capacity: the requests a second that all lanes do if every batch is
full, with the models in their shares. With many models batches are not full, so that less than a
load of 1 may be all that can be done. Shares of all kinds are relative: they need not add up to 1.

Where a file says nothing, requests have no deadline, come from one tenant in class 1 (normal),
bring one row and are 1024 bytes long.

All processes but `trace` draw gaps in operational time: the rate says how fast that passes, so a CV
means the same while the rate changes.

## Traces

A CSV with the header `at_s` or `at_s,model`: seconds from the start, ascending, and a name from
`[[models]]`. Without the second column, models are drawn by their shares. Tenants share the trace's
arrivals; their `rate_factor` only moves the shares.
"""


def page() -> str:
    """The whole page."""
    schema: dict[str, Any] = FileTable.model_json_schema()
    definitions: dict[str, Any] = schema["$defs"]
    parts = [_HEAD, "\n## Keys\n\n### The top level\n"]
    parts += _rows(schema)
    for key, entry in schema["properties"].items():
        for table in _tables(entry, definitions):
            parts += _section(key, table, definitions, many=entry.get("type") == "array")
    return "".join(parts)


def _section(
    key: str, table: dict[str, Any], definitions: dict[str, Any], *, many: bool
) -> Iterator[str]:
    tag = _tag(table)
    heading = f"[[{key}]]" if many else f"[{key}]"
    yield f"\n### `{heading}`{', ' + tag if tag else ''}\n\n{table['description']}\n"
    yield from _rows(table)
    for name, entry in _properties(table):
        for inner in _tables(entry, definitions):
            one = "Each of" if entry.get("type") == "array" else "In"
            tag = _tag(inner)
            yield f"\n{one} `{name}`{', ' + tag if tag else ''}: {inner['description']}\n"
            yield from _rows(inner)


def _tag(table: dict[str, Any]) -> str:
    """The key and value that say which of several tables it is; nothing of others."""
    said = [
        f'`{name} = "{entry["const"]}"`' for name, entry in _properties(table) if "const" in entry
    ]
    return next(iter(said), "")


def _rows(table: dict[str, Any]) -> Iterator[str]:
    required = set(table.get("required", ()))
    rows = [
        f"| `{name}` | {_kind(entry)} | {_default(entry, required=name in required)} "
        f"| {entry.get('description', '')} |\n"
        for name, entry in _properties(table)
        if "const" not in entry and ("description" in entry or not _refers(entry))
    ]
    if rows:
        yield "\n| key | value | default | meaning |\n|---|---|---|---|\n"
        yield from rows


def _properties(table: dict[str, Any]) -> list[tuple[str, dict[str, Any]]]:
    return list(table["properties"].items())


def _tables(entry: dict[str, Any], definitions: dict[str, Any]) -> Iterator[dict[str, Any]]:
    """The tables that a key holds: one, one of several, or a list of them."""
    if "$ref" in entry:
        yield definitions[entry["$ref"].rpartition("/")[2]]
    for place in [*entry.get("anyOf", ()), *entry.get("oneOf", ()), entry.get("items")]:
        if place:
            yield from _tables(place, definitions)


def _refers(entry: dict[str, Any]) -> bool:
    return "$ref" in entry or "oneOf" in entry or any(map(_refers, entry.get("anyOf", ())))


def _kind(entry: dict[str, Any]) -> str:
    """What values a key takes, in a few words."""
    if _refers(entry):
        return "table"
    if "anyOf" in entry:
        kinds = [_kind(inner) for inner in entry["anyOf"] if inner.get("type") != "null"]
        return " or ".join(kinds)
    if "enum" in entry or "const" in entry:
        return ", ".join(f'`"{value}"`' for value in entry.get("enum", [entry.get("const")]))
    if "prefixItems" in entry:
        return "[" + ", ".join(_kind(inner) for inner in entry["prefixItems"]) + "]"
    if entry.get("type") == "array":
        return "list of tables" if "$ref" in entry["items"] else f"list: {_kind(entry['items'])}"
    names = {"number": "number", "integer": "whole number", "string": "text", "boolean": "switch"}
    return names[entry["type"]] + _bounds(entry)


def _bounds(entry: dict[str, Any]) -> str:
    if "exclusiveMinimum" in entry:
        return f" > {entry['exclusiveMinimum']:g}"
    if entry.get("maximum") not in {None, LARGEST, COUNT_MAX}:
        return f" from {entry['minimum']:g} to {entry['maximum']:g}"
    return f" ≥ {entry['minimum']:g}" if "minimum" in entry else ""


def _default(entry: dict[str, Any], *, required: bool) -> str:
    if required:
        return "required"
    default = entry.get("default")
    if default is None or default in ([], ""):
        return ""
    if isinstance(default, bool):
        return f"`{str(default).lower()}`"
    return f"`{default:g}`" if isinstance(default, float) else f"`{default}`"


def main(argv: list[str] | None = None) -> int:
    """Prints or checks; returns the exit code."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("--check", metavar="FILE", type=Path, help="compare instead of printing")
    check: Path | None = parser.parse_args(argv).check
    if check is None:
        sys.stdout.write(page())
        return 0
    present = check.read_text("utf-8") if check.is_file() else ""
    if present == page():
        return 0
    sys.stderr.write(f"{check} is stale: run python -m hasten_sim.workload.document > {check}\n")
    return 1


if __name__ == "__main__":
    sys.exit(main())
