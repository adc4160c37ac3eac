"""Alternatives of one kind, by name: what settings and flags choose from."""

from typing import Generic, TypeVar

T = TypeVar("T")


class Named(Generic[T]):
    """A fixed table of names.

    Args:
        kind: What the names are of; the settings field that holds one is called so.
        table: Name to (what it stands for, one line for people).
    """

    __slots__ = ("_kind", "_table")

    def __init__(self, kind: str, table: dict[str, tuple[T, str]]) -> None:
        self._kind = kind
        self._table = table

    @property
    def names(self) -> tuple[str, ...]:
        """All names, the shipped default first."""
        return tuple(self._table)

    def only(self, *names: str) -> "Named[T]":
        """Some of them, under the same kind.

        Raises:
            ValueError: There is no such name.
        """
        return Named(self._kind, {name: self._find(name) for name in names})

    def get(self, name: str) -> T:
        """What the name stands for.

        Raises:
            ValueError: There is no such name; the sentence lists those there are.
        """
        return self._find(name)[0]

    def describe(self, name: str) -> str:
        """One line on it.

        Raises:
            ValueError: As for `get`.
        """
        return self._find(name)[1]

    def _find(self, name: str) -> tuple[T, str]:
        found = self._table.get(name)
        if found is None:
            known = ", ".join(self._table)
            raise ValueError(f"{self._kind} must be one of {known}, not {name!r}")
        return found
