"""A model that is not taken, and why."""

from typing import Final

GIVEN_UP: Final = "the load was given up"
"""The reason when the worker stops while a model loads."""


class ModelRefused(Exception):  # noqa: N818  (an outcome with a reason, not a bug)
    """This model or version is not loaded; the message is one sentence for its owner.

    Attributes:
        passing: It came from the surroundings (a full disk, a time limit), so that the same
            files may load later.
    """

    def __init__(self, message: str, *, passing: bool = False) -> None:
        super().__init__(message)
        self.passing = passing
