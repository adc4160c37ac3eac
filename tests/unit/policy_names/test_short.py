"""What others sent is repeated in part only."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from hasten_policy.short import ELLIPSIS, short


@given(st.text(max_size=300), st.integers(3, 120))
def test_a_short_text_is_within_its_bound_and_a_beginning_of_the_long_one(
    text: str, bytes_max: int
) -> None:
    found = short(text, bytes_max)
    coded = text.encode("utf-8", "replace")
    assert len(found.encode()) <= bytes_max
    if len(coded) <= bytes_max:
        assert found == coded.decode()
    else:
        assert found.endswith(ELLIPSIS)
        assert coded.startswith(found.removesuffix(ELLIPSIS).encode())


@pytest.mark.parametrize(
    ("text", "found"),
    [
        ("", ""),
        ("name", "name"),
        ("x" * 100, "x" * 100),
        ("x" * 101, "x" * 97 + ELLIPSIS),
        ("\ud800", "?"),
    ],
)
def test_what_fits_is_left_alone(text: str, found: str) -> None:
    assert short(text) == found
