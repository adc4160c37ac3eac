"""One name for all that can go wrong when others' words are read."""

from typing import Final

UNREADABLE: Final = (
    ValueError,
    TypeError,
    KeyError,
    IndexError,
    AttributeError,
    OverflowError,
    # JSON that is nested deeper than the interpreter's stack.
    RecursionError,
)
"""What reading a single entry may raise, whatever is in it."""
