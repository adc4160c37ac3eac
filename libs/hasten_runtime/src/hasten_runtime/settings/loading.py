"""Reading settings from file, environment and command line."""

import argparse
import json
import os
import sys
import tomllib
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any, TypeVar

from pydantic import ValidationError
from pydantic.fields import FieldInfo
from pydantic_settings import EnvSettingsSource
from pydantic_settings.sources import NoDecode

from hasten_runtime.settings import renamed
from hasten_runtime.settings.base import Leaf, ServiceSettings, leaves
from hasten_runtime.settings.faults import (
    Source,
    masked,
    sentences,
    suggestion,
    unknown_variables,
)
from hasten_runtime.settings.show import as_toml
from hasten_runtime.standard_streams import OutputError

EXIT_UNWRITTEN = 1
EXIT_FAULT = 2
OWN_FLAGS = ("--help", "--help-all", "--config", "--check-config")
"""Flags that are no settings."""

S = TypeVar("S", bound=ServiceSettings)


class SettingsFault(Exception):  # noqa: N818  (the operator's mistake, not a bug)
    """The settings are not acceptable.

    Attributes:
        faults: A sentence for each.
    """

    def __init__(self, faults: Sequence[str]) -> None:
        super().__init__("\n".join(faults))
        self.faults = tuple(faults)


def load(cls: type[S], argv: Sequence[str] | None = None) -> S:
    """The settings of this start, for a service's `main`.

    Ends the process where there is nothing to run: after `--help`, `--help-all` and
    `--check-config` with code 0 (1 when there is no room for what is to be printed), on faults
    with code 2 and a line on standard error for each.

    Args:
        cls: What to read.
        argv: Arguments after the program's name; those of the process when None.
    """
    arguments = sys.argv[1:] if argv is None else list(argv)
    try:
        settings, check = _read(cls, arguments)
        if check:
            sys.stdout.write(as_toml(settings))
            sys.stdout.flush()
            raise SystemExit(0)
    except SettingsFault as fault:
        raise _end(EXIT_FAULT, fault.faults) from None
    except OutputError as error:
        if error.reader_left:
            raise SystemExit(0) from None
        raise _end(EXIT_UNWRITTEN, [str(error)]) from None
    return settings


def _end(code: int, sentences: Iterable[str]) -> SystemExit:
    for sentence in sentences:
        sys.stderr.write(f"{Path(sys.argv[0]).name}: {sentence}\n")
    return SystemExit(code)


def read(cls: type[S], argv: Sequence[str] = ()) -> S:
    """As `load`, for code that does not want its process ended.

    Raises:
        SettingsFault: With all faults at once.
    """
    return _read(cls, argv)[0]


def _read(cls: type[S], argv: Sequence[str]) -> tuple[S, bool]:
    prefix = str(cls.model_config.get("env_prefix", ""))
    environ = renamed.variables(os.environ, prefix, cls.renamed)
    parsed, stray = _parser(cls, prefix).parse_known_args(renamed.flags(argv, cls.renamed))
    flags_known = [*OWN_FLAGS, *(leaf.flag for leaf in leaves(cls))]
    faults = [
        f"{flag} is no flag{suggestion(flag, flags_known, lead='--')}"
        for flag in (word.partition("=")[0] for word in stray)
        if flag.startswith("-") or not stray[0].startswith("-")
    ]
    faults += unknown_variables(cls, prefix, environ)
    given = vars(parsed)
    flags = Source("flag", _nested((leaf, given[leaf.key]) for leaf in leaves(cls)))
    variables = Source("variable", _Environment(cls, environ)())
    sources = (flags, variables, _file(given["config"], cls.renamed))
    merged: dict[str, Any] = {}
    for source in reversed(sources):
        _merge(merged, source.values)
    try:
        settings = cls(**merged)
    except ValidationError as error:
        faults += sentences(error, cls, prefix, sources)
    if faults:
        raise SettingsFault(faults)
    return settings, given["check_config"]


class _Environment(EnvSettingsSource):
    """An environment; text that is no JSON is left for validation to complain of."""

    def __init__(self, cls: type[ServiceSettings], environ: Mapping[str, str]) -> None:
        super().__init__(cls)
        self.env_vars = {name.lower(): value for name, value in environ.items()}

    def decode_complex_value(self, field_name: str, field: FieldInfo, value: Any) -> Any:  # noqa: ANN401  (as overridden)
        """The value of a list or table."""
        try:
            return super().decode_complex_value(field_name, field, value)
        except ValueError:
            return value


def _parser(
    cls: type[ServiceSettings], prefix: str, *, everything: bool = False
) -> argparse.ArgumentParser:
    """The flags of all settings; its help shows those that operators set, or everything."""
    found = list(leaves(cls))
    shown = {
        leaf.key for leaf in found if everything or not cls.everyday or leaf.key in cls.everyday
    }
    epilog = "Flags win over the environment, and the environment wins over the file."
    if len(shown) < len(found):
        epilog += f" These are {len(shown)} of {len(found)} settings; --help-all shows all of them."
    parser = argparse.ArgumentParser(
        usage="%(prog)s [--config FILE] [--check-config] [--SETTING VALUE ...]",
        description=(cls.__doc__ or "").partition("\n\n")[0],
        allow_abbrev=False,
        add_help=False,
        epilog=epilog,
    )
    parser.add_argument("-h", "--help", action="help", help="Show the everyday settings and exit.")
    parser.add_argument(
        "--help-all", action=_HelpAll, nargs=0, help="Show all settings and exit.", const=cls
    )
    parser.add_argument("--config", metavar="FILE", help="Read the settings from this TOML file.")
    parser.add_argument(
        "--check-config",
        action="store_true",
        help="Check the settings, print those in effect (secrets hidden), and exit.",
    )
    for leaf in found:
        default = "required" if leaf.field.is_required() else f"default {_default(leaf)}"
        text = f"{leaf.field.description or leaf.key} [{default}; {leaf.variable(prefix)}]"
        parser.add_argument(
            leaf.flag,
            dest=leaf.key,
            metavar=leaf.path[-1].upper(),
            help=text.replace("%", "%%") if leaf.key in shown else argparse.SUPPRESS,
        )
    return parser


class _HelpAll(argparse.Action):
    """Shows the help of all settings; its const is their class."""

    def __call__(
        self,
        parser: argparse.ArgumentParser,
        namespace: argparse.Namespace,
        values: object,
        option_string: str | None = None,
    ) -> None:
        """Prints and exits."""
        del namespace, values, option_string
        cls: type[ServiceSettings] = self.const
        _parser(cls, str(cls.model_config.get("env_prefix", "")), everything=True).print_help()
        parser.exit()


def _default(leaf: Leaf) -> str:
    value = leaf.field.get_default(call_default_factory=False)
    if value is None:
        return "none"
    if isinstance(value, tuple):
        return ",".join(map(str, value)) or "empty"
    return masked(value) or "empty"


def _nested(given: Iterable[tuple[Leaf, str | None]]) -> dict[str, Any]:
    values: dict[str, Any] = {}
    for leaf, text in given:
        if text is None:
            continue
        place = values
        for part in leaf.path[:-1]:
            place = place.setdefault(part, {})
        place[leaf.path[-1]] = _decoded(leaf, text)
    return values


def _decoded(leaf: Leaf, text: str) -> object:
    """Lists and tables come as JSON, unless their type takes text apart itself."""
    if text[:1] not in {"[", "{"} or any(mark is NoDecode for mark in leaf.field.metadata):
        return text
    try:
        return json.loads(text)
    except json.JSONDecodeError:
        return text  # Validation will say what it expected.


def _file(name: str | None, names: renamed.Names) -> Source:
    if name is None:
        return Source("file", {})
    try:
        with Path(name).open("rb") as file:
            return Source("file", renamed.tables(tomllib.load(file), names), name)
    except OSError as error:
        raise SettingsFault([f"cannot read {name}: {error.strerror}"]) from error
    except (tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
        raise SettingsFault([f"{name} is not TOML: {error}"]) from error


def _merge(into: dict[str, Any], values: Any) -> None:  # noqa: ANN401  (a parsed file)
    for key, value in values.items():
        present = into.get(key)
        if isinstance(value, dict) and isinstance(present, dict):
            _merge(present, value)
        else:
            into[key] = dict(value) if isinstance(value, dict) else value
