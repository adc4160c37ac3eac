"""Replies that wait for their message."""

from hypothesis import given
from hypothesis import strategies as st

from hasten_runtime.fleet.worker.outbox import Outbox


@given(sizes=st.lists(st.integers(0, 50), max_size=40), limit=st.integers(1, 100))
def test_every_reply_leaves_once_in_order_in_messages_of_bounded_size(
    sizes: list[int], limit: int
) -> None:
    outbox = Outbox(limit)
    replies = [bytes([index]) * size for index, size in enumerate(sizes)]
    for reply in replies:
        outbox.put(reply)
    assert outbox.size_bytes == sum(sizes)
    taken: list[bytes] = []
    while outbox:
        message = outbox.take()
        assert message
        assert len(message) == 1 or sum(map(len, message)) <= limit
        taken += message
    assert taken == replies
    assert outbox.size_bytes == 0
    assert outbox.take() == []
