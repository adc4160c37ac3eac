from collections.abc import Callable

from hypothesis import given
from hypothesis import strategies as st

from hasten_worker.engine.facts import Sizes
from hasten_worker.engine.trial.budget import Budget
from hasten_worker.engine.trial.size_search import search, widen

LONG = 1000.0


def found(names: str, fits: Callable[..., bool], *hints: int) -> Sizes | None:
    """The first sizes that fit, given by name."""
    sizes, _ = search(names.split(), lambda sizes: fits(**sizes), hints, Budget(LONG))
    return sizes


def test_one_is_tried_first() -> None:
    assert found("", lambda **_: True) == {}
    assert found("", lambda **_: False) is None
    assert found("n", lambda **_: True) == {"n": 1}
    assert found("a b c", lambda **_: True) == {"a": 1, "b": 1, "c": 1}


def test_sizes_that_fit_a_rule_are_found() -> None:
    assert found("h w", lambda h, w: h % 32 == 0 and w % 32 == 0) == {"h": 64, "w": 64}
    assert found("h w", lambda h, w: h >= 5 and w >= 5) == {"h": 16, "w": 16}
    assert found("n", lambda n: n in (512, 256)) == {"n": 256}
    assert found(
        "batch length state", lambda batch, length, state: length == 512 and state == batch
    ) == {
        "batch": 1,
        "length": 512,
        "state": 1,
    }
    assert found("c h w", lambda c, h, w: c == 3 and h == w and h % 32 == 0) == {
        "c": 3,
        "h": 64,
        "w": 64,
    }
    assert found("c h w", lambda c, h, w: c == 22 and h >= 7 and w >= 7, 22) == {
        "c": 22,
        "h": 22,
        "w": 22,
    }
    assert found("n frames bands", lambda bands, **_: bands == 37, 37) == {
        "n": 1,
        "frames": 1,
        "bands": 37,
    }
    assert found(
        "ids mask types", lambda ids, mask, types: ids == mask == types > 100
    ) == dict.fromkeys(("ids", "mask", "types"), 128)
    assert found("a b c", lambda a, b, c: a == 80 and b == 3 and c == 224) == {
        "a": 80,
        "b": 3,
        "c": 224,
    }


def test_a_search_ends() -> None:
    tried: list[Sizes] = []
    sizes, count = search("abcdefgh", lambda sizes: tried.append(sizes) or False, (), Budget(LONG))
    assert sizes is None
    assert count == len(tried) == len({tuple(sizes.values()) for sizes in tried})
    assert count < 10_000
    _, count = search("ab", lambda _: False, (), Budget(0.0))
    assert count == 1, "at least the first is tried"


def test_sizes_are_widened_to_those_that_are_measured() -> None:
    any_size, others = widen({"n": 1}, lambda _: True, Budget(LONG))
    assert any_size == [{"n": 1}, {"n": 16}, {"n": 64}, {"n": 256}]
    assert {"n": 3} in others
    assert widen({}, lambda _: True, Budget(LONG)) == ([{}], [])
    assert widen({"n": 5}, lambda _: False, Budget(LONG)) == ([{"n": 5}], [])
    channels, _ = widen(
        {"c": 3, "h": 64, "w": 64},
        lambda sizes: sizes["c"] == 3 and sizes["h"] % 32 == sizes["w"] % 32 == 0,
        Budget(LONG),
    )
    assert channels == [{"c": 3, "h": 64, "w": 64}, {"c": 3, "h": 256, "w": 256}]
    tied, _ = widen({"a": 2, "b": 2}, lambda sizes: sizes["a"] == sizes["b"], Budget(LONG))
    assert tied == [{"a": size, "b": size} for size in (2, 1, 16, 64, 256)]


@given(st.lists(st.integers(1, 300), min_size=1, max_size=4), st.integers(0, 2**32))
def test_only_sizes_that_ran_are_returned(base: list[int], seed: int) -> None:
    sizes = {f"d{place}": size for place, size in enumerate(base)}
    ran = [sizes]

    def attempt(chosen: Sizes) -> bool:
        if hash((seed, tuple(chosen.values()))) % 3:
            return False
        ran.append(dict(chosen))
        return True

    measured, others = widen(sizes, attempt, Budget(LONG))
    assert measured[0] == sizes
    assert all(chosen in ran for chosen in (*measured, *others))
    assert len({tuple(chosen.values()) for chosen in measured}) == len(measured)
