import ml_dtypes
import numpy as np
import pytest

from hasten_worker.engine.trial.same_rows import Closeness, difference, same_bits

TYPES = (np.float16, ml_dtypes.bfloat16, np.float32, np.float64)
INF, NAN = float("inf"), float("nan")


def differ(one: object, other: object, closeness: Closeness, dtype: type = np.float32) -> bool:
    return bool(difference(np.array(one, dtype), np.array(other, dtype), closeness))


@pytest.mark.parametrize("dtype", TYPES)
@pytest.mark.parametrize("closeness", Closeness)
def test_equal_answers_are_the_same(dtype: type, closeness: Closeness) -> None:
    for numbers in ([0.0, 1.5, -3.0], [NAN, INF, -INF], []):
        assert not differ(numbers, numbers, closeness, dtype)
        assert same_bits(np.array(numbers, dtype), np.array(numbers, dtype))


@pytest.mark.parametrize("dtype", TYPES)
@pytest.mark.parametrize("closeness", Closeness)
def test_another_number_is_another_answer(dtype: type, closeness: Closeness) -> None:
    for one, other in (
        ([1.0], [1.5]),
        ([NAN], [1.0]),
        ([1.0], [NAN]),
        ([INF], [1.0]),
        ([1.0], [INF]),
        ([INF], [-INF]),
        ([1.0, 0.0], [1.0, 0.1]),
    ):
        assert differ(one, other, closeness, dtype)


def test_rounding_is_no_difference_where_kernels_differ() -> None:
    assert not differ([1.0, 100.0], [1.0005, 100.0], Closeness.BY_TYPE)
    assert differ([1.0, 100.0], [1.01, 100.0], Closeness.BY_TYPE)
    assert differ([1.0, 100.0], [1.0005, 100.0], Closeness.NEARLY_BITS)
    assert not differ([1.0, 1.0], [1.0000002, 1.0], Closeness.NEARLY_BITS)


def test_whole_numbers_flags_and_texts_are_the_same_or_not() -> None:
    for dtype in (np.int8, np.uint8, np.int64, np.bool_):
        assert not differ([0, 1, 1], [0, 1, 1], Closeness.BY_TYPE, dtype)
        assert differ([0, 1, 1], [0, 1, 0], Closeness.BY_TYPE, dtype)
    one, other = np.array([b"a", b"b"], np.object_), np.array([b"a", b"c"], np.object_)
    assert not difference(one, one.copy(), Closeness.BY_TYPE)
    assert difference(one, other, Closeness.BY_TYPE) == "1 of 2 elements differ"


def test_another_shape_is_named() -> None:
    told = difference(np.zeros((1, 3)), np.zeros((1, 2)), Closeness.BY_TYPE)
    assert told == "shape [1, 3] instead of [1, 2]"
