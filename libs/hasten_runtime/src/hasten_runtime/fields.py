"""Protobuf's wire types, and fields around bytes that are serialised already.

Putting a payload into a message object and serialising that would copy it three times; here it
is copied once.
"""

VARINT = 0
FIXED64 = 1
LENGTH_DELIMITED = 2
GROUP_START = 3
GROUP_END = 4
FIXED32 = 5


def key(number: int) -> bytes:
    """The key byte of a length-delimited field with a number below 16."""
    return bytes(((number << 3) | LENGTH_DELIMITED,))


def varint(value: int) -> bytes:
    """A non-negative integer as protobuf writes it."""
    if value < 0x80:
        return bytes((value,))
    if value < 0x4000:
        return bytes((value & 0x7F | 0x80, value >> 7))
    parts = bytearray()
    while value > 0x7F:
        parts.append(value & 0x7F | 0x80)
        value >>= 7
    parts.append(value)
    return bytes(parts)
