"""Events as CloudEvents 1.0 in JSON ("structured" mode)."""

import json
from collections.abc import Mapping
from datetime import UTC, datetime
from hashlib import blake2b
from typing import Any, Final

SOURCE: Final = "/hasten"
BATCH_ENDED: Final = "dev.hasten.batch.ended"
TASK_ENDED: Final = "dev.hasten.task.ended"
_ID_BYTES: Final = 16


def event_id_of(kind: str, tenant: str, name: str) -> str:
    """The id of the event that a thing has ended: the same one whenever it is told."""
    text = f"{kind}\0{tenant}\0{name}"
    return blake2b(text.encode(), digest_size=_ID_BYTES).hexdigest()


def event_of(
    kind: str, event_id: str, subject: str, unix_s: float, data: Mapping[str, Any]
) -> bytes:
    """An event.

    Args:
        kind: Its type.
        event_id: Its id; see `event_id_of`.
        subject: What it is about.
        unix_s: When it happened.
        data: What the receiver wants to know at once.
    """
    happened = datetime.fromtimestamp(unix_s, UTC).isoformat(timespec="milliseconds")
    return json.dumps(
        {
            "specversion": "1.0",
            "id": event_id,
            "source": SOURCE,
            "type": kind,
            "subject": subject,
            "time": happened.replace("+00:00", "Z"),
            "datacontenttype": "application/json",
            "data": data,
        },
        separators=(",", ":"),
    ).encode()
