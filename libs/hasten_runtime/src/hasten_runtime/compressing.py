"""Whether an answer is worth compressing.

gRPC compresses on the thread that serves, so what compression costs is paid by all other calls.
"""

import zlib
from typing import Final

BYTES_MIN: Final = 1024
"""A smaller answer travels in one packet anyway."""
BYTES_MAX: Final = 256 * 1024
"""A larger one would hold the serving thread for longer than ten milliseconds."""
SAMPLE_BYTES: Final = 4096
"""From the middle of the answer: numbers that do not shrink are found by the price of this."""
GZIP_BITS: Final = 31
"""Has zlib write the header of gzip."""
RATIO_MAX: Final = 0.8
"""What a sample must shrink to."""


def pays(answer: bytes) -> bool:
    """Its size is one that gains by compression, and a sample of its bytes shrinks."""
    size = len(answer)
    if not BYTES_MIN <= size <= BYTES_MAX:
        return False
    begin = max(0, (size - SAMPLE_BYTES) // 2)
    sample = answer[begin : begin + SAMPLE_BYTES]
    return len(zlib.compress(sample, 1)) <= RATIO_MAX * len(sample)


def packed(answer: bytes) -> bytes:
    """In gzip, at the level that costs least."""
    packer = zlib.compressobj(1, zlib.DEFLATED, GZIP_BITS)
    return packer.compress(answer) + packer.flush()
