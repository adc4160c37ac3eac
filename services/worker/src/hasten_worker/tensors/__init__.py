"""Tensors between the wire and numpy: every check that a request must pass is here."""

from hasten_worker.tensors.decode import DecodedRequest, RequestDecoder
from hasten_worker.tensors.encode import ResponseEncoder, WantedOutput
from hasten_worker.tensors.regions import NoRegions, RegionRef, Regions

__all__ = [
    "DecodedRequest",
    "NoRegions",
    "RegionRef",
    "Regions",
    "RequestDecoder",
    "ResponseEncoder",
    "WantedOutput",
]
