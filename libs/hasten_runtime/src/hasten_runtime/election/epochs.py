"""The newest epochs that a process has heard of."""


class KnownEpochs:
    """One by name of what is owned; a campaign asks for an epoch above.

    The store keeps the epoch, but may be restored from an older copy while its clock stands behind.
    """

    def __init__(self) -> None:
        self._newest: dict[str, int] = {}

    def newest(self, name: str) -> int:
        """0 when none is known."""
        return self._newest.get(name, 0)

    def note(self, name: str, epoch: int) -> None:
        """Somebody has, or had, a term with this epoch."""
        self._newest[name] = max(epoch, self.newest(name))
