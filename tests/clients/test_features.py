"""What a row expects is compared with what a client said."""

from typing import Any

import pytest

from tests.clients.features import Feature, faults


def row(**expect: Any) -> Feature:
    return Feature("row", "", "infer", ("good",), {}, expect)


@pytest.mark.parametrize(
    ("wanted", "right", "wrong"),
    [
        ("OK", "OK", "CANCELLED"),
        ([1.5, -2], [1.5, -2.0], [1.5]),
        ({"any": ["", "NO_WORKER"]}, "", "OVERLOADED"),
        ({"min": 0.1, "max": 2}, 2, 2.5),
        ({"min": 1}, 1, None),
        ({"absent": True}, None, 1.0),
        ({"last": "slow", "length": 2}, ["echo", "slow"], ["slow", "echo"]),
        ({"ends": [":4", ":5"]}, ["0.8:4", "0.1:5"], ["0.8:4"]),
        ({"has": "left_ms"}, {"left_ms": "3"}, {}),
        ({"left_ms": "3"}, {"left_ms": "3"}, {"left_ms": "4"}),
    ],
)
def test_right_and_wrong_are_told_apart(wanted: Any, right: Any, wrong: Any) -> None:
    assert not faults(row(key=wanted), {"key": right})
    assert faults(row(key=wanted), {"key": wrong}) == [f"key is {wrong!r}, expected {wanted!r}"]
