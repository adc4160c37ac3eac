"""The two settings of a service that records."""

from pathlib import Path
from typing import Annotated, Final

from pydantic import BeforeValidator, Field

MIB: Final = 1024 * 1024
RECORD_BYTES_MAX: Final = 256 * MIB
"""Default of RecordBytes."""

RecordFolder = Annotated[
    Path | None,
    # An empty variable, as compose files make them, is none; without this it would be ".".
    BeforeValidator(lambda value: value or None),
    Field(description="Folder for the log of the machine's events; none: no log."),
]
RecordBytes = Annotated[int, Field(ge=MIB, description="Size at which such a log ends.")]
