"""Parameters in groups: a machine reads them by idea, an operator names them without the group.

So `RouterPolicy.fleet.eject_s_max` is set as `router.eject_s_max`. A parameter has one name
everywhere, and no two groups of a machine share one.
"""

from collections.abc import Mapping
from dataclasses import Field, fields, replace
from types import MappingProxyType
from typing import Any, Final, TypeVar

P = TypeVar("P")

_UNNAMED: Final = "unnamed_group"
UNNAMED: Final = MappingProxyType({_UNNAMED: True})
"""Metadata of a policy's field that holds a group; its default factory is the group's class."""


def parameters(policy: type[Any]) -> dict[str, tuple[str, Field[Any]]]:
    """The parameters of a policy: name to (its group's field or "", its own field), in order."""
    found: dict[str, tuple[str, Field[Any]]] = {}
    for each in fields(policy):
        if _UNNAMED in each.metadata:
            inner = fields(_class_of(each))
            found.update({parameter.name: (each.name, parameter) for parameter in inner})
        else:
            found[each.name] = ("", each)
    return found


def classes(policy: type[Any]) -> tuple[type[Any], ...]:
    """The class of a policy and those of its groups, whose docstrings describe the parameters."""
    return (policy, *(_class_of(each) for each in fields(policy) if _UNNAMED in each.metadata))


def named(policy: Any) -> dict[str, Any]:  # noqa: ANN401  (any policy)
    """The parameters of a policy by name, in order."""
    return {
        name: getattr(getattr(policy, owner) if owner else policy, name)
        for name, (owner, _) in parameters(policy.__class__).items()
    }


def changed(policy: P, values: Mapping[str, Any]) -> P:
    """A copy of a policy with other values for the parameters named.

    Raises:
        TypeError: The policy has no parameter of such a name.
        ValueError: A value is out of range.
    """
    known = parameters(type(policy))
    own: dict[str, Any] = {}
    inner: dict[str, dict[str, Any]] = {}
    for name, value in values.items():
        if name not in known:
            raise TypeError(f"{type(policy).__name__} has no parameter {name!r}")
        owner = known[name][0]
        if owner:
            inner.setdefault(owner, {})[name] = value
        else:
            own[name] = value
    for owner, those in inner.items():
        own[owner] = replace(getattr(policy, owner), **those)
    copied: Any = policy
    made: P = replace(copied, **own)
    return made


def refuse_negative(policy: Any) -> None:  # noqa: ANN401  (any policy)
    """Refuses a group with a number below 0, or none at all, naming the field.

    Raises:
        ValueError: There is one.
    """
    for each in fields(policy):
        value = getattr(policy, each.name)
        if isinstance(value, int | float) and not value >= 0:
            raise ValueError(f"{each.name} must not be negative, is {value}")


def _class_of(held: Field[Any]) -> type[Any]:
    made: Any = held.default_factory
    found: type[Any] = made
    return found
