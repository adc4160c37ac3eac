"""Which transport is used, and what is said where the native one is not there."""

import sys
from types import ModuleType

import pytest
from structlog.testing import capture_logs

from hasten_runtime.plane import choice


def there() -> str:
    return ""


def missing() -> str:
    return "it was not built"


@pytest.mark.parametrize(
    ("wish", "fault", "native"),
    [
        ("python", there, False),
        ("auto", there, True),
        ("native", there, True),
        ("auto", missing, False),
    ],
)
def test_the_wish_is_followed_as_far_as_it_can_be(
    wish: choice.Transport, fault: object, *, native: bool
) -> None:
    with capture_logs() as logs:
        assert choice.is_native(wish, fault) is native  # type: ignore[arg-type]  # one of the two
    assert [log["why"] for log in logs] == (["it was not built"] if fault is missing else [])


def test_without_the_module_the_fault_says_how_to_get_it(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "hasten_plane", None)
    assert "make setup builds it where cargo is" in choice.native_fault()
    with pytest.raises(ValueError, match="the native transport cannot be used"):
        choice.available("native")
    assert choice.available("auto") == "auto"


def test_a_module_of_another_version_is_not_used(monkeypatch: pytest.MonkeyPatch) -> None:
    other = ModuleType("hasten_plane")
    other.ABI = choice.ABI + 1  # type: ignore[attr-defined]  # as the real one has it
    monkeypatch.setitem(sys.modules, "hasten_plane", other)
    assert "built for another version" in choice.native_fault()
