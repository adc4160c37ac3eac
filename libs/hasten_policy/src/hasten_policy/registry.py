"""All policies by name: what a flag, a setting or a workload file may ask for."""

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import is_dataclass
from difflib import get_close_matches
from typing import Any, Final

from hasten_policy.admission.gates import GATES
from hasten_policy.autoscaler.policy import AutoscalerPolicy
from hasten_policy.batching.rules import RULES
from hasten_policy.bundles import BUNDLES, PolicySet
from hasten_policy.fleet.balancers import BALANCERS
from hasten_policy.groups import changed, named
from hasten_policy.machines import MACHINES, choices
from hasten_policy.named import Named
from hasten_policy.ordering.orders import ORDERS
from hasten_policy.scaling.rules.table import SCALING_RULES

__all__ = ["BUNDLES", "KINDS", "PolicySet", "describe", "names", "resolve", "scaling"]

_TABLES: Final[Mapping[str, Named[Any]]] = {
    "bundle": BUNDLES,
    "balancer": BALANCERS,
    "admission": GATES,
    "order": ORDERS,
    "batching": RULES,
}
KINDS: Final = tuple(_TABLES)
"""What there is to choose from."""

_PLACES: Final = {
    "balancer": ("router.balancer", "scheduler.balancer"),
    "admission": ("router.admission",),
    "order": ("router.order", "scheduler.order", "worker.batching.order"),
    "batching": ("worker.batching.rule",),
}
"""The parameters that a kind sets."""


def names(kind: str) -> tuple[str, ...]:
    """All names of a kind, the shipped default first.

    Raises:
        ValueError: There is no such kind.
    """
    return _table(kind).names


def describe(kind: str, name: str) -> str:
    """One line on a policy.

    Raises:
        ValueError: There is no such kind or name.
    """
    return _table(kind).describe(name)


def resolve(text: str) -> PolicySet:
    """The policies that a text asks for; they bear the text as their name.

    Args:
        text: `bundle[,kind=name][,MACHINE.FIELD=value]`, where MACHINE is router, scheduler or
            worker and a worker's FIELD may be `batching.FIELD` or `prediction.FIELD`; the values of
            a tuple are joined by colons. An order is set at each machine that knows it.

    Raises:
        ValueError: A sentence on the first fault.
    """
    first, *parts = (part.strip() for part in text.split(","))
    found = BUNDLES.get(first)
    policies = {kind: found.of(kind) for kind in MACHINES}
    owners = [owner for kind, policy in policies.items() for owner in _owners(policy, kind)]
    changes: dict[str, dict[str, str]] = {owner: {} for owner in owners}
    for part in parts:
        key, equals, value = (side.strip() for side in part.partition("="))
        if not equals:
            raise ValueError(f"expected NAME=VALUE after the bundle, not {part!r}")
        for path in _paths(key, value):
            owner, _, name = path.rpartition(".")
            if owner not in changes:
                raise ValueError(_nothing(key, owners))
            changes[owner][name] = value
    made = {kind: _changed(policy, kind, changes) for kind, policy in policies.items()}
    return PolicySet(",".join((first, *parts)), **made)


def scaling(text: str) -> AutoscalerPolicy:
    """The parameters of an autoscaler that a text asks for.

    Args:
        text: `rule[,FIELD=value]...`, where FIELD is a parameter of the rule or, if it has none
            of that name, of the autoscaler.

    Raises:
        ValueError: A sentence on the first fault.
    """
    rule, *parts = (part.strip() for part in text.split(","))
    own = named(SCALING_RULES.get(rule).policy())
    of_machine = named(AutoscalerPolicy()).keys() - own.keys()
    changes: dict[str, dict[str, str]] = {"autoscaler": {"rule": rule}, f"autoscaler.{rule}": {}}
    for part in parts:
        key, equals, value = (side.strip() for side in part.partition("="))
        if not equals:
            raise ValueError(f"expected FIELD=VALUE after the rule, not {part!r}")
        changes["autoscaler" if key in of_machine else f"autoscaler.{rule}"][key] = value
    made: AutoscalerPolicy = _changed(AutoscalerPolicy(), "autoscaler", changes)
    return made


def _owners(policy: Any, path: str) -> Iterator[str]:  # noqa: ANN401  (any policy)
    """The paths of a policy and of its named groups."""
    yield path
    for name, value in named(policy).items():
        if is_dataclass(value):
            yield from _owners(value, f"{path}.{name}")


def _table(kind: str) -> Named[Any]:
    found = _TABLES.get(kind)
    if found is None:
        raise ValueError(f"kind must be one of {', '.join(KINDS)}, not {kind!r}")
    return found


def _paths(key: str, value: str) -> tuple[str, ...]:
    """The fields that a key sets."""
    paths = _PLACES.get(key)
    if paths is None:
        return (key,)
    _TABLES[key].get(value)
    known = choices()
    return tuple(path for path in paths if path not in known or value in known[path].names)


def _nothing(key: str, owners: Iterable[str]) -> str:
    fields = ", ".join(f"{owner}.FIELD" for owner in owners)
    return f"a policy has {', '.join(_PLACES)} and {fields}, but no {key!r}"


def _changed(policy: Any, owner: str, changes: dict[str, dict[str, str]]) -> Any:  # noqa: ANN401  (any policy)
    """A copy of a policy with its changes, each text read as what the field holds."""
    known = named(policy)
    tables = choices()
    inner = {name: f"{owner}.{name}" for name in known if f"{owner}.{name}" in changes}
    values: dict[str, object] = {
        name: _changed(known[name], path, changes) for name, path in inner.items()
    }
    for name, text in changes[owner].items():
        if name not in known:
            close = get_close_matches(name, known, n=1)
            hint = f"did you mean {close[0]}?" if close else f"it has {', '.join(known)}"
            raise ValueError(f"{owner} has no field {name!r}; {hint}")
        path = f"{owner}.{name}"
        if path in tables:
            tables[path].get(text)
        values[name] = _read(path, text, known[name])
    return changed(policy, values)


def _read(path: str, text: str, present: object) -> object:
    """The text as a value of the type of the present one."""
    if isinstance(present, bool):
        if text not in {"true", "false"}:
            raise ValueError(f"{path} must be true or false, not {text!r}")
        return text == "true"
    if isinstance(present, str):
        return text
    try:
        if isinstance(present, int):
            return int(text)
        if isinstance(present, float):
            return float(text)
        if isinstance(present, tuple):
            return tuple(float(part) for part in text.split(":"))
    except ValueError:
        wanted = "a whole number" if isinstance(present, int) else "numbers, joined by colons"
        wanted = "a number" if isinstance(present, float) else wanted
        raise ValueError(f"{path} must be {wanted}, not {text!r}") from None
    raise ValueError(f"{path} cannot be set in a text; set the fields in it")
