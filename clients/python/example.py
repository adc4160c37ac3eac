"""Classifies a sentence within five seconds."""

import sys

from hasten_client import Client, HastenError

with Client(sys.argv[1]) as client:
    try:
        result = client.infer("tickets", {"text": [["the parcel is late"]]}, deadline_s=5.0)
        print(result["probabilities"])
    except HastenError as refusal:
        sys.exit(f"not answered: {refusal.status} {refusal.reason}; {refusal.retry_after_s}")
