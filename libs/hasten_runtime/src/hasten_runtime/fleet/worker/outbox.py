"""Replies on their way up one link."""


class Outbox:
    """Encoded replies in the order in which they became ready.

    Args:
        coalesce_bytes_max: Replies share a message up to this size.
    """

    __slots__ = ("_coalesce_bytes_max", "_replies", "size_bytes")

    def __init__(self, coalesce_bytes_max: int) -> None:
        self._coalesce_bytes_max = coalesce_bytes_max
        self._replies: list[bytes] = []
        self.size_bytes = 0
        """Of all that waits."""

    def __len__(self) -> int:
        return len(self._replies)

    def put(self, reply: bytes) -> None:
        """Adds a reply."""
        self._replies.append(reply)
        self.size_bytes += len(reply)

    def take(self) -> list[bytes]:
        """The replies of the next message: all, or as many as may share one, at least one."""
        replies = self._replies
        if self.size_bytes <= self._coalesce_bytes_max:
            self._replies = []
            self.size_bytes = 0
            return replies
        count, size = 1, len(replies[0])
        while count < len(replies) and size + len(replies[count]) <= self._coalesce_bytes_max:
            size += len(replies[count])
            count += 1
        self._replies = replies[count:]
        self.size_bytes -= size
        return replies[:count]
