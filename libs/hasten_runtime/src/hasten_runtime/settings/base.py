"""What settings are made of."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from types import MappingProxyType
from typing import Annotated, Any, ClassVar

from pydantic import BaseModel, BeforeValidator, ConfigDict
from pydantic.fields import FieldInfo
from pydantic_settings import (
    BaseSettings,
    NoDecode,
    PydanticBaseSettingsSource,
    SettingsConfigDict,
)


def _split(value: Any) -> Any:  # noqa: ANN401  (whatever the file, a variable or a flag brought)
    if isinstance(value, str):
        return [part.strip() for part in value.split(",") if part.strip()]
    return value


CommaSeparated = Annotated[tuple[str, ...], NoDecode, BeforeValidator(_split)]
"""A list in the file; "a,b" in a variable or a flag."""


class SettingsGroup(BaseModel):
    """Settings that belong together: a table of the file, `GROUP__NAME` in the environment,
    `--group.name` as a flag.
    """

    model_config = ConfigDict(frozen=True, extra="forbid", hide_input_in_errors=True)


class ServiceSettings(BaseSettings):
    """Base of one service's settings. Give every field a description, and a range where it
    has one; set `env_prefix` in `model_config = SettingsConfigDict(env_prefix="HASTEN_…_")`.

    The constructor reads nothing but its arguments; `load` reads file, environment and flags.
    """

    everyday: ClassVar[frozenset[str]] = frozenset()
    """Keys of the settings that operators set, for `--help`; none: all settings."""

    renamed: ClassVar[Mapping[str, str]] = MappingProxyType({})
    """Earlier names of groups, which operators may still use, and what the groups are called."""

    model_config = SettingsConfigDict(
        frozen=True,
        extra="forbid",
        env_nested_delimiter="__",
        hide_input_in_errors=True,
    )

    @classmethod
    def settings_customise_sources(
        cls,
        settings_cls: type[BaseSettings],
        init_settings: PydanticBaseSettingsSource,
        *_: PydanticBaseSettingsSource,
        **__: PydanticBaseSettingsSource,
    ) -> tuple[PydanticBaseSettingsSource, ...]:
        """Only what the constructor is given."""
        del settings_cls
        return (init_settings,)


@dataclass(frozen=True, slots=True)
class Leaf:
    """One single setting.

    Attributes:
        path: Its keys, from the outermost group inwards.
        field: Its definition.
    """

    path: tuple[str, ...]
    field: FieldInfo

    @property
    def key(self) -> str:
        """Its name in the file and in sentences: "group.name"."""
        return ".".join(self.path)

    @property
    def flag(self) -> str:
        """Its flag: "--group.some-name"."""
        return "--" + self.key.replace("_", "-")

    def variable(self, prefix: str) -> str:
        """Its environment variable."""
        return prefix + "__".join(self.path).upper()


def leaves(model: type[BaseModel], path: tuple[str, ...] = ()) -> Iterator[Leaf]:
    """All single settings, groups opened, in the order of definition."""
    for name, field in model.model_fields.items():
        group = field.annotation
        if isinstance(group, type) and issubclass(group, BaseModel):
            yield from leaves(group, (*path, name))
        else:
            yield Leaf((*path, name), field)
