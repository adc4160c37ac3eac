"""What is compressed on the serving thread must gain by it."""

from random import Random

import pytest

from hasten_runtime import compressing


@pytest.mark.parametrize(
    ("size", "worth"),
    [
        (0, False),
        (compressing.BYTES_MIN - 1, False),
        (compressing.BYTES_MIN, True),
        (compressing.BYTES_MAX, True),
        (compressing.BYTES_MAX + 1, False),
    ],
)
def test_an_answer_that_shrinks_is_compressed_if_neither_small_nor_large(
    size: int, worth: bool
) -> None:
    assert compressing.pays(bytes(size)) == worth


def test_bytes_that_do_not_shrink_are_sent_as_they_are() -> None:
    assert not compressing.pays(Random(1).randbytes(100_000))
