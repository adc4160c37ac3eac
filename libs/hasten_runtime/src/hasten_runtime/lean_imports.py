"""Keeps libraries from importing what they can do without and we do not use."""

import sys
from collections.abc import Iterator
from contextlib import contextmanager


@contextmanager
def absent(*modules: str) -> Iterator[None]:
    """Inside the block, imports act as if these modules were not installed.

    For a library that imports an optional dependency merely because it is there: Rich and the
    OpenTelemetry SDK are a sixth of what the start of a service costs. A module that is imported
    already is left as it is, and after the block all can be imported again.

    For use while modules are imported, before other threads import theirs.
    """
    hidden = [name for name in modules if name not in sys.modules]
    # What the language defines for "not found" without looking for it.
    sys.modules.update(dict.fromkeys(hidden))  # type: ignore[arg-type]  # None is missing there
    try:
        yield
    finally:
        for name in hidden:
            sys.modules.pop(name, None)
