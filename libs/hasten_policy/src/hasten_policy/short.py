"""Texts of others, made short enough to be repeated to them."""

from typing import Final

SHORT_BYTES: Final = 100
"""Of a name that is echoed: enough to know it by."""
ELLIPSIS: Final = "…"
_ELLIPSIS_BYTES: Final = len(ELLIPSIS.encode())


def short(text: str, bytes_max: int = SHORT_BYTES) -> str:
    """The text itself, or its beginning and an ellipsis.

    Args:
        text: Of any length, from anywhere.
        bytes_max: Most bytes of the result in UTF-8; at least those of the ellipsis.

    Returns:
        Text that has a form in UTF-8: what has none, as parts of odd file names, becomes "?".
    """
    if len(text) <= bytes_max and text.isascii():
        return text
    # Never more than a few times bytes_max is looked at, however long the text is.
    coded = text[: bytes_max + 1].encode("utf-8", "replace")
    if len(coded) <= bytes_max:
        return coded.decode()
    return coded[: bytes_max - _ELLIPSIS_BYTES].decode("utf-8", "ignore") + ELLIPSIS
