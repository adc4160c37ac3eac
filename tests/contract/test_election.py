"""What an election promises: in memory, in a real Redis and in a real Consul."""

import asyncio
import time
from collections.abc import AsyncIterator

import pytest

from hasten_runtime.election import consul
from hasten_runtime.election.port import Term
from tests.contract.election_harness import (
    LONG_S,
    ConsulHarness,
    ElectionHarness,
    MemoryHarness,
    RedisHarness,
    taken,
)
from tests.support.patience import PATIENCE_S

pytestmark = [
    pytest.mark.integration,
    pytest.mark.usefixtures("patient_redis", "patient_consul", "no_leaked_tasks"),
]

NAME = "q:0"


@pytest.fixture
def patient_consul(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(consul, "CALL_TIMEOUT_S", PATIENCE_S)


@pytest.fixture(params=["memory", "redis", "consul"])
async def harness(
    request: pytest.FixtureRequest, no_leaked_tasks: None
) -> AsyncIterator[ElectionHarness]:
    del no_leaked_tasks  # named only to be torn down after this fixture
    harness: ElectionHarness
    if request.param == "redis":
        harness = RedisHarness(request.getfixturevalue("redis_server"))
    elif request.param == "consul":
        harness = ConsulHarness(request.getfixturevalue("consul_agent"))
    else:
        harness = MemoryHarness()
    yield harness
    await harness.close()


async def test_one_has_it_and_the_others_are_told_no(harness: ElectionHarness) -> None:
    one, other = harness.election(), harness.election()
    term = await one.campaign(NAME, "a", lease_s=LONG_S)
    assert term is not None
    assert (term.owner, term.lease_s) == ("a", LONG_S)
    assert await other.campaign(NAME, "b", lease_s=LONG_S) is None
    assert await one.renew(NAME, term)


async def test_of_many_who_campaign_at_once_one_gets_it(harness: ElectionHarness) -> None:
    elections = [harness.election() for _ in range(8)]
    answers = await asyncio.gather(
        *(e.campaign(NAME, f"c-{n}", lease_s=LONG_S) for n, e in enumerate(elections))
    )
    assert len([term for term in answers if term is not None]) == 1


async def test_what_one_has_already_is_renewed_with_its_epoch(harness: ElectionHarness) -> None:
    election = harness.election()
    term = await taken(election, NAME, "a")
    assert await election.campaign(NAME, "a", lease_s=LONG_S) == term
    assert await election.renew(NAME, term)
    # Another access to the store, as after a lost connection.
    assert await harness.election().campaign(NAME, "a", lease_s=LONG_S) == term


async def test_a_term_that_is_resigned_goes_to_the_next_at_once_with_a_higher_epoch(
    harness: ElectionHarness,
) -> None:
    one, other = harness.election(), harness.election()
    first = await taken(one, NAME, "a")
    await one.resign(NAME, first)
    assert await other.holder(NAME) is None
    second = await other.campaign(NAME, "b", lease_s=LONG_S)
    assert second is not None
    assert second.epoch > first.epoch
    assert not await one.renew(NAME, first)


async def test_the_epoch_rises_with_each_term_and_with_no_renewal(
    harness: ElectionHarness,
) -> None:
    election = harness.election()
    epochs = []
    for _ in range(5):
        term = await taken(election, NAME, "a")
        assert await election.renew(NAME, term)
        holder = await election.holder(NAME)
        assert holder is not None
        assert holder.epoch == term.epoch
        epochs.append(term.epoch)
        await election.resign(NAME, term)
    assert epochs == sorted(set(epochs))


async def test_whoever_let_the_lease_end_cannot_renew_it(harness: ElectionHarness) -> None:
    election = harness.election()
    term = await taken(election, NAME, "a")
    await harness.lapse(NAME)
    assert not await election.renew(NAME, term)
    assert await election.holder(NAME) is None
    # He begins a new term, not the old one.
    assert (await taken(election, NAME, "a")).epoch > term.epoch


async def test_whoever_stood_still_is_refused_once_another_took_over(
    harness: ElectionHarness,
) -> None:
    one, other = harness.election(), harness.election()
    old = await taken(one, NAME, "a")
    await harness.lapse(NAME)
    new = await taken(other, NAME, "b")
    assert new.epoch > old.epoch
    assert not await one.renew(NAME, old)
    await one.resign(NAME, old)
    assert await one.campaign(NAME, "a", lease_s=LONG_S) is None
    assert await other.renew(NAME, new)


async def test_a_renewal_begins_no_term(harness: ElectionHarness) -> None:
    election = harness.election()
    assert not await election.renew(NAME, Term("a", 1, LONG_S))
    assert await election.holder(NAME) is None


async def test_a_candidate_that_was_started_anew_waits_for_its_old_lease(
    harness: ElectionHarness,
) -> None:
    old = await taken(harness.election(), NAME, "a/1")
    again = harness.election()
    assert await again.campaign(NAME, "a/2", lease_s=LONG_S) is None
    await harness.lapse(NAME)
    assert (await taken(again, NAME, "a/2")).epoch > old.epoch


async def test_a_lease_that_nobody_renews_ends_by_itself(harness: ElectionHarness) -> None:
    one, other = harness.election(), harness.election()
    began_s = time.monotonic()
    old = await taken(one, NAME, "a", lease_s=0.5)
    new = await taken(other, NAME, "b")
    # Not before its time, whatever the machine did meanwhile.
    assert time.monotonic() - began_s >= 0.5
    assert new.epoch > old.epoch
    assert not await one.renew(NAME, old)


async def test_a_store_restored_from_an_old_copy_goes_on_with_higher_epochs(
    harness: ElectionHarness,
) -> None:
    election = harness.election()
    first = await taken(election, NAME, "a")
    copy = await harness.copy(NAME)
    epochs = [first.epoch]
    for candidate in ("b", "a"):
        await harness.restore(NAME, copy)
        # By a process that knows nothing of what was.
        term = await taken(harness.election(), NAME, candidate)
        epochs.append(term.epoch)
        await harness.election().resign(NAME, term)
    assert epochs == sorted(set(epochs))


async def test_who_has_it_and_for_how_long_can_be_asked(harness: ElectionHarness) -> None:
    election = harness.election()
    assert await election.holder(NAME) is None
    term = await taken(election, NAME, "a")
    holder = await harness.election().holder(NAME)
    assert holder is not None
    assert (holder.owner, holder.epoch) == (term.owner, term.epoch)
    assert 0 < holder.lease_s <= LONG_S


async def test_names_have_nothing_to_do_with_each_other(harness: ElectionHarness) -> None:
    election = harness.election()
    one = await taken(election, "q:1", "a")
    other = await taken(election, "q:2", "b")
    await election.resign("q:1", one)
    assert await election.holder("q:1") is None
    assert await election.renew("q:2", other)


async def test_a_candidate_may_have_any_name(harness: ElectionHarness) -> None:
    election = harness.election()
    term = await taken(election, NAME, "ü/1 *?#%")
    assert await election.renew(NAME, term)
    holder = await election.holder(NAME)
    assert holder is not None
    assert holder.owner == "ü/1 *?#%"


async def test_resigning_twice_does_no_harm(harness: ElectionHarness) -> None:
    one, other = harness.election(), harness.election()
    term = await taken(one, NAME, "a")
    await one.resign(NAME, term)
    new = await taken(other, NAME, "b")
    await one.resign(NAME, term)
    assert await other.renew(NAME, new)


async def test_how_long_it_takes_to_change_hands(harness: ElectionHarness) -> None:
    """Prints figures for people (pytest -s); says nothing of speed."""
    one, other = harness.election(), harness.election()
    began_s = time.monotonic()
    term = await taken(one, NAME, "a", lease_s=3.0)
    took_s = time.monotonic() - began_s
    await one.resign(NAME, term)
    handed = await taken(other, NAME, "b", lease_s=3.0)
    handed_s = time.monotonic() - began_s - took_s
    await taken(one, NAME, "a")
    died_s = time.monotonic() - began_s - took_s - handed_s
    assert handed.epoch > term.epoch
    kind = type(harness).__name__
    print(f"{kind}: taken {took_s:.4f} s, handed over {handed_s:.4f} s, lapsed {died_s:.2f} s")  # noqa: T201
