"""Looks at the repository, and what two looks in a row say."""

from hasten_runtime import logs
from hasten_worker.engine.files.layout import FolderState, Listing, list_models, look
from hasten_worker.engine.refusal import ModelRefused
from hasten_worker.engine.settings import StoreSettings

Look = FolderState | str
"""A folder's state, or why it could not be looked at."""

_log = logs.logger(__name__)


class Watch:
    """Follows the models' folders.

    A change is taken up only when two looks in a row agree, so that a model that is still
    being copied is not loaded half.

    Args:
        settings: Where the repository is.

    Attributes:
        names: Models of the last look.
        unusable: What lay there at the last look and is no model, with the reason.
    """

    def __init__(self, settings: StoreSettings) -> None:
        self.names: list[str] = []
        self.unusable: dict[str, str] = {}
        self._settings = settings
        self._last: dict[str, Look] = {}
        self._before: dict[str, Look] = {}
        self._taken: dict[str, Look | None] = {}
        self._place = (0, 0)
        self._emptied = False

    def look(self) -> None:
        """Looks at every model's folder. Blocks.

        A repository in which suddenly nothing is left is not believed: the last look stands.

        Raises:
            OSError: The repository cannot be read; the last look stands.
        """
        root = self._settings.models_dir
        listing = list_models(root, self._settings.files)
        if self._vanished(listing):
            return
        looks: dict[str, Look] = {}
        for name in listing.names:
            try:
                looks[name] = look(root / name, self._settings.files, root)
            except ModelRefused as error:
                looks[name] = str(error)
        self.names = list(listing.names)
        self.unusable = listing.unusable
        self._place = listing.place
        self._before, self._last = self._last, looks

    def _vanished(self, listing: Listing) -> bool:
        """All models are gone at once, as when what is mounted there went away: an empty mount
        point stays behind. People remove models one by one; the last one may go by itself.
        """
        moved = listing.place != self._place
        emptied = bool(self.names) and not listing.names and (moved or len(self.names) > 1)
        if emptied and not self._emptied:
            _log.warning(
                "repository.emptied",
                models=len(self.names),
                help="what serves goes on serving; is the repository still mounted?",
            )
        self._emptied = emptied
        return emptied

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
