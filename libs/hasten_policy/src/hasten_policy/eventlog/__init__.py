"""What a machine was told and what it answered, as text that gives the same values again."""

from hasten_policy.eventlog.asked import (
    CheckpointRestored,
    LoadAsked,
    Raised,
    ReportAsked,
)
from hasten_policy.eventlog.codec import Decoder, Json, Outcome, encode, encode_line, parse, shown
from hasten_policy.eventlog.header import FORMAT, Header, decode_header, encode_header, policy_of
from hasten_policy.eventlog.kinds import KINDS, Kind

__all__ = [
    "FORMAT",
    "KINDS",
    "CheckpointRestored",
    "Decoder",
    "Header",
    "Json",
    "Kind",
    "LoadAsked",
    "Outcome",
    "Raised",
    "ReportAsked",
    "decode_header",
    "encode",
    "encode_header",
    "encode_line",
    "parse",
    "policy_of",
    "shown",
]
