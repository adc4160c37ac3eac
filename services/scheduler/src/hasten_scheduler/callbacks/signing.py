"""Signs what is told, as Standard Webhooks 1.0 says (standardwebhooks.com)."""

import base64
import binascii
import hashlib
import hmac
from typing import Final

PREFIX: Final = "whsec_"
SECRET_BYTES_MIN: Final = 24
SECRET_BYTES_MAX: Final = 64


def secret_of(text: str) -> bytes:
    """A secret of the settings, whsec_ and base 64. Raises ValueError."""
    if not text.startswith(PREFIX):
        raise ValueError(f"the secret must begin with {PREFIX}")
    try:
        secret = base64.b64decode(text.removeprefix(PREFIX), validate=True)
    except binascii.Error as error:
        raise ValueError(f"what follows {PREFIX} is not base 64: {error}") from None
    if not SECRET_BYTES_MIN <= len(secret) <= SECRET_BYTES_MAX:
        raise ValueError(
            f"the secret must have {SECRET_BYTES_MIN} to {SECRET_BYTES_MAX} bytes, "
            f"not {len(secret)}"
        )
    return secret


def signed_headers(secret: bytes, event_id: str, unix_s: int, body: bytes) -> dict[str, str]:
    """The headers by which a receiver knows who sent the body, and when."""
    content = b".".join((event_id.encode(), str(unix_s).encode(), body))
    signature = base64.b64encode(hmac.new(secret, content, hashlib.sha256).digest()).decode()
    return {
        "webhook-id": event_id,
        "webhook-timestamp": str(unix_s),
        "webhook-signature": f"v1,{signature}",
    }
