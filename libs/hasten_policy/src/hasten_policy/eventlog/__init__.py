"""What a machine was told and what it answered, as text that gives the same values again."""

from hasten_policy.eventlog.codec import Decoder, Json, Outcome, encode, encode_line, parse, shown
from hasten_policy.eventlog.header import FORMAT, Header, decode_header, encode_header, policy_of
from hasten_policy.eventlog.kinds import Raised, fields_of, types_of
from hasten_policy.eventlog.migration import Migration, migration

__all__ = [
    "FORMAT",
    "Decoder",
    "Header",
    "Json",
    "Migration",
    "Outcome",
    "Raised",
    "decode_header",
    "encode",
    "encode_header",
    "encode_line",
    "fields_of",
    "migration",
    "parse",
    "policy_of",
    "shown",
    "types_of",
]
