"""Where tasks lie, and who should own that, for all names."""

from collections import Counter

from hypothesis import given
from hypothesis import strategies as st

from hasten_policy.scheduler.shards import shard_of
from hasten_policy.scheduler.spread import spread

names = st.text(max_size=20)
counts = st.integers(1, 64)
members = st.sets(st.text(min_size=1, max_size=12), min_size=1, max_size=12)


@given(names, names, names, counts)
def test_every_task_lies_in_one_shard_that_there_is(
    tenant: str, request_id: str, key: str, count: int
) -> None:
    shard = shard_of(tenant, request_id, key, count)
    assert 0 <= shard < count
    assert shard == shard_of(tenant, request_id, key, count)


@given(names, names, names, names.filter(bool), counts)
def test_tasks_of_one_concurrency_key_lie_together(
    tenant: str, one: str, other: str, key: str, count: int
) -> None:
    assert shard_of(tenant, one, key, count) == shard_of(tenant, other, key, count)


def test_a_shard_is_the_same_in_every_version() -> None:
    # Tasks that are stored stay where they are: these numbers never change.
    tasks = [("", "r-1", ""), ("acme", "r-1", ""), ("acme", "r-2", ""), ("acme", "r-2", "camera 7")]
    assert [shard_of(*task, 16) for task in tasks] == [12, 15, 7, 14]


def test_names_that_run_together_are_told_apart() -> None:
    pairs = [("ab", "c"), ("a", "bc"), ("", "abc"), ("abc", ""), ("1:a", "bc")]
    assert len({shard_of(tenant, name, "", 2**64) for tenant, name in pairs}) == len(pairs)
    assert shard_of("a", "b", "", 2**64) != shard_of("a", "", "b", 2**64)


def test_shards_get_even_shares_of_the_tasks() -> None:
    shares = Counter(shard_of("acme", f"r-{number}", "", 16) for number in range(16_000))
    # A thousand each; the standard deviation is 31.
    assert set(shares) == set(range(16))
    assert 850 < min(shares.values()) <= max(shares.values()) < 1150


@given(counts, members)
def test_every_shard_has_one_owner_who_lives_whatever_their_order(
    shards: int, live: set[str]
) -> None:
    owners = spread(shards, live)
    assert len(owners) == shards
    assert set(owners) <= live
    assert owners == spread(shards, sorted(live))
    assert owners == spread(shards, sorted(live, reverse=True))


@given(counts, members, st.data())
def test_who_leaves_moves_his_shards_only(shards: int, live: set[str], data: st.DataObject) -> None:
    left = data.draw(st.sampled_from(sorted(live)))
    before = spread(shards, live)
    after = spread(shards, live - {left})
    if live == {left}:
        assert after == []
    else:
        assert all(b == a for b, a in zip(before, after, strict=True) if b != left)


@given(counts, members, st.text(min_size=1, max_size=12))
def test_who_comes_takes_shards_and_moves_none_between_the_others(
    shards: int, live: set[str], came: str
) -> None:
    before = spread(shards, live - {came} or {"first"})
    after = spread(shards, (live - {came} or {"first"}) | {came})
    assert all(a in {b, came} for b, a in zip(before, after, strict=True))


def test_shares_are_those_of_chance() -> None:
    live = {f"scheduler-{number}" for number in range(4)}
    shares = Counter(spread(4000, live))
    # A thousand each; the standard deviation is 27.
    assert 880 < min(shares.values()) <= max(shares.values()) < 1120
