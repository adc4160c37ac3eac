"""The compose files as data, with their variables filled in as compose does it."""

import re
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from ruamel.yaml import YAML

ROOT = Path(__file__).resolve().parents[2]
BASE = ROOT / "docker-compose.yml"
LAYERS = (ROOT / "docker-compose.gpu.yml",)

VARIABLE = re.compile(r"\$\{(?P<name>[A-Z_]+):-(?P<default>[^}]*)\}")
_UNIT_S = {"ms": 0.001, "s": 1.0, "m": 60.0, "h": 3600.0}


def raw(path: Path) -> dict[str, Any]:
    """The file's content, variables as they are written."""
    content: dict[str, Any] = YAML(typ="safe").load(path)
    return content


def services(path: Path, variables: Mapping[str, str] | None = None) -> dict[str, dict[str, Any]]:
    """The file's services by name."""
    filled: dict[str, dict[str, Any]] = _filled(raw(path)["services"], variables or {})
    return filled


def variables_of(path: Path) -> dict[str, str]:
    """Variables that the file uses, outside comments, with their defaults."""
    code = "\n".join(line.partition(" #")[0] for line in _lines(path) if not line.startswith("#"))
    return {found["name"]: found["default"] for found in VARIABLE.finditer(code)}


def documented(path: Path) -> dict[str, str]:
    """Variables that the comment at the file's head explains, with the defaults it gives."""
    head = "\n".join(line for line in _lines(path) if line.startswith("#"))
    return dict(re.findall(r"^#   (HASTEN_[A-Z_]+)\s+(\S+)  +\S", head, flags=re.MULTILINE))


def seconds(duration: str) -> float:
    """A compose duration as 1m30s."""
    parts = re.findall(r"(\d+)(ms|s|m|h)", duration)
    assert parts, f"{duration!r} is no duration"
    return sum(float(number) * _UNIT_S[unit] for number, unit in parts)


def _lines(path: Path) -> list[str]:
    return path.read_text().splitlines()


def _filled(value: Any, variables: Mapping[str, str]) -> Any:
    if isinstance(value, str):
        return VARIABLE.sub(lambda found: variables.get(found["name"]) or found["default"], value)
    if isinstance(value, list):
        return [_filled(each, variables) for each in value]
    if isinstance(value, dict):
        return {key: _filled(each, variables) for key, each in value.items()}
    return value
