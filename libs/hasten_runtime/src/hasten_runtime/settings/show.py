"""Effective settings as a file that could be loaded again, secrets hidden."""

import json
from pathlib import Path

from pydantic import BaseModel

from hasten_runtime.settings.faults import masked


def as_toml(settings: BaseModel) -> str:
    """TOML: single settings first, then a table for each group."""
    lines: list[str] = []
    groups: list[tuple[str, BaseModel]] = []
    _collect(settings, "", lines, groups)
    for name, group in groups:
        lines += ["", f"[{name}]"]
        _collect(group, name, lines, groups)
    return "\n".join(lines) + "\n"


def _collect(
    model: BaseModel, path: str, lines: list[str], groups: list[tuple[str, BaseModel]]
) -> None:
    for name in type(model).model_fields:
        value = getattr(model, name)
        if isinstance(value, BaseModel):
            groups.append((f"{path}.{name}" if path else name, value))
        elif value is None:
            lines.append(f"# {name} is not set")
        else:
            lines.append(f"{name} = {_literal(value)}")


def _literal(value: object) -> str:
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, int | float):
        return repr(value)
    if isinstance(value, tuple | list | frozenset):
        return "[" + ", ".join(_literal(item) for item in value) + "]"
    if isinstance(value, dict):
        pairs = (f"{json.dumps(str(key))} = {_literal(item)}" for key, item in value.items())
        return "{ " + ", ".join(pairs) + " }" if value else "{}"
    if isinstance(value, Path):
        return json.dumps(str(value))
    # JSON's strings are TOML's basic strings.
    return json.dumps(masked(value), ensure_ascii=False)
