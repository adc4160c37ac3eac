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
    Field(
        description="The service records its machine's events in this folder. Unset records none."
    ),
]
RecordBytes = Annotated[int, Field(ge=MIB, description="A log of events ends at so many bytes.")]
