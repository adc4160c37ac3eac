"""One world for all tests of the clients."""

import os
from collections.abc import Callable, Iterator

import pytest

from tests.clients.languages import Language, missing
from tests.clients.world import World, running_world


@pytest.fixture(scope="session")
def world(tmp_path_factory: pytest.TempPathFactory) -> Iterator[World]:
    """The servers that the clients call."""
    with running_world(tmp_path_factory.mktemp("world")) as running:
        yield running


@pytest.fixture(scope="session")
def needs() -> Callable[[Language], None]:
    """Ends a test whose language this machine cannot build: as a failure in CI, which has every
    toolchain, and elsewhere as a skip. Both name the package.
    """

    def check(language: Language) -> None:
        lack = missing(language)
        if lack and os.environ.get("CI"):
            pytest.fail(f"{lack}: install it, as CI asks every client", pytrace=False)
        elif lack:
            pytest.skip(lack)

    return check
