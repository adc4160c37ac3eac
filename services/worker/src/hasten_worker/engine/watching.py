"""Looks at the repository, and what two looks in a row say."""

from hasten_worker.engine.layout import FolderState, look, model_names
from hasten_worker.engine.refusal import ModelRefused
from hasten_worker.engine.settings import StoreSettings

Look = FolderState | str
"""A folder's state, or why it could not be looked at."""


class Watch:
    """Follows the models' folders.

    A change is taken up only when two looks in a row agree, so that a model that is still
    being copied is not loaded half.

    Args:
        settings: Where the repository is.

    Attributes:
        names: Models of the last look.
    """

    def __init__(self, settings: StoreSettings) -> None:
        self.names: list[str] = []
        self._settings = settings
        self._last: dict[str, Look] = {}
        self._before: dict[str, Look] = {}
        self._taken: dict[str, Look | None] = {}

    def look(self) -> None:
        """Looks at every model's folder. Blocks.

        Raises:
            OSError: The repository cannot be read; the last look stands.
        """
        names, _ = model_names(self._settings.models_dir, self._settings.files)
        looks: dict[str, Look] = {}
        for name in names:
            try:
                looks[name] = look(self._settings.models_dir / name, self._settings.files)
            except ModelRefused as error:
                looks[name] = str(error)
        self.names = names
        self._before, self._last = self._last, looks

    def taken_up(self, name: str) -> None:
        """The store now turns to the model as the last look saw it."""
        self._taken[name] = self._last.get(name)

    def settled(self) -> set[str]:
        """Models that differ from what was taken up, and did not change since the look before."""
        return {
            name
            for name, seen in self._last.items()
            if seen != self._taken.get(name) and self._before.get(name) == seen
        }

    def gone(self) -> list[str]:
        """Models that were taken up and that two looks did not find; said once."""
        gone = [name for name in self._taken if name not in self._last and name not in self._before]
        for name in gone:
            del self._taken[name]
        return gone
