"""Settings that are the parameters of a policy, field by field, with defaults from a bundle."""

import inspect
import re
from collections.abc import Collection, Mapping
from dataclasses import MISSING, Field, asdict, is_dataclass
from typing import Annotated, Any, ClassVar, Self, cast

from pydantic import AfterValidator, BaseModel, create_model, model_validator
from pydantic import Field as Setting

from hasten_policy.groups import changed, classes, named, parameters
from hasten_policy.machines import choices
from hasten_policy.named import Named
from hasten_policy.registry import BUNDLES
from hasten_runtime.settings.base import SettingsGroup


def _bundle(name: str) -> str:
    BUNDLES.get(name)
    return name


BundleName = Annotated[str, AfterValidator(_bundle)]
"""Name of a bundle of policies."""


class PolicyGroup(SettingsGroup):
    """The parameters of one policy. Made by `policy_group`."""

    policy_class: ClassVar[type[Any]]
    """The dataclass that it mirrors."""

    def build(self, **left_out: object) -> Any:  # noqa: ANN401  (what it mirrors is chosen at run time)
        """The policy, `left_out` being the fields that are no settings of this group."""
        values = {
            name: value.build() if isinstance(value, PolicyGroup) else value for name, value in self
        }
        return changed(self.policy_class(), {**values, **left_out})

    @model_validator(mode="after")
    def _check(self) -> Self:
        self.build()
        return self


def policy_group(
    name: str, policy: type[Any], path: str, *, leave_out: Collection[str] = ()
) -> type[PolicyGroup]:
    """A group of settings with the parameters of a policy; groups in it that have a name nest.

    Args:
        name: Of the class.
        policy: A dataclass whose docstring describes its attributes.
        path: Of the policy among the fields of `machines.choices`: the kind of machine.
        leave_out: Fields that are set elsewhere; they need defaults.
    """
    described = _described(policy)
    tables = choices()
    values: dict[str, Any] = {}
    for _, field in parameters(policy).values():
        if field.name in leave_out:
            continue
        place = f"{path}.{field.name}"
        text = described.get(field.name, field.name)
        if is_dataclass(field.type):
            inner = policy_group(f"{name}_{field.name}", cast("type[Any]", field.type), place)
            values[field.name] = (inner, Setting(default_factory=inner, description=text))
            continue
        kind: Any = field.type
        if place in tables:
            kind = Annotated[str, AfterValidator(_one_of(tables[place]))]
            text = f"{text.partition(':')[0]}: one of {', '.join(tables[place].names)}."
        values[field.name] = (kind, Setting(default=_default(field), description=text))
    made = create_model(name, __base__=PolicyGroup, __doc__=policy.__doc__, **values)
    made.policy_class = policy
    return made


def with_bundle(data: object, kind: str, group: type[PolicyGroup]) -> object:
    """The values of a service's settings, what they leave open in `policy` filled in from the
    bundle that they name. For a validator that runs before all others.
    """
    if not isinstance(data, Mapping):
        return data
    name = data.get("bundle", BUNDLES.names[0])
    if not isinstance(name, str) or name not in BUNDLES.names:
        return data  # The field's own validation says so.
    given = data.get("policy", {})
    if isinstance(given, BaseModel):
        given = given.model_dump(exclude_unset=True)
    if not isinstance(given, Mapping):
        return data
    policy = {
        key: asdict(value) if is_dataclass(value) and not isinstance(value, type) else value
        for key, value in named(BUNDLES.get(name).of(kind)).items()
    }
    known = {key: value for key, value in policy.items() if key in group.model_fields}
    return {**data, "policy": _over(known, given)}


def _over(below: Mapping[str, Any], above: Mapping[str, Any]) -> dict[str, Any]:
    merged = {**below, **above}
    for key, value in above.items():
        present = below.get(key)
        if isinstance(value, Mapping) and isinstance(present, Mapping):
            merged[key] = _over(present, value)
    return merged


def _one_of(table: Named[Any]) -> Any:  # noqa: ANN401  (a validator)
    def check(name: str) -> str:
        table.get(name)
        return name

    return check


def _default(field: Field[Any]) -> object:
    return field.default if field.default is not MISSING else None


def _described(policy: type[Any]) -> dict[str, str]:
    """Parameter to description, from the attributes sections of the docstrings."""
    found: dict[str, str] = {}
    for each in classes(policy):
        lines = (inspect.getdoc(each) or "").partition("Attributes:\n")[2]
        entries = re.split(r"^    (?=\w+: )", lines, flags=re.MULTILINE)
        pairs = (entry.partition(": ") for entry in entries if entry.strip())
        found.update({name: " ".join(text.split()) for name, _, text in pairs})
    return found
