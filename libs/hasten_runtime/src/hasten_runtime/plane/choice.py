"""Which transport a service uses: the native one where it can, or the one in Python."""

from collections.abc import Callable
from typing import Final, Literal

from hasten_runtime import logs

Transport = Literal["auto", "native", "python"]
"""What may be asked for: `auto` takes the native one where it is there."""

ABI: Final = 2
"""Of the native part that this code speaks to."""

_log = logs.logger(__name__)


def native_fault() -> str:
    """Why the native transport cannot be used here; "" when it can."""
    try:
        from hasten_plane import ABI as BUILT
    except ImportError as error:
        return f"hasten_plane cannot be imported ({error}): make setup builds it where cargo is"
    if BUILT != ABI:
        return f"hasten_plane was built for another version ({BUILT}, not {ABI}): run make setup"
    return ""


def available(wish: Transport) -> Transport:
    """The wish, for a setting. Raises ValueError when it is the native one and that is not here."""
    if wish == "native" and (why_not := native_fault()):
        raise ValueError(f"the native transport cannot be used: {why_not}")
    return wish


def is_native(wish: Transport, fault: Callable[[], str] = native_fault) -> bool:
    """The native transport is to be used; if it is left out for want of it, the log says so.

    Args:
        wish: The setting.
        fault: Says why the native one cannot be used.
    """
    if wish == "python":
        return False
    why_not = fault()
    if why_not:
        _log.info("transport.python", why=why_not)
    return not why_not
