"""A checkpoint of the autoscaler fits into the store."""

from hasten.autoscaler.v1.stored_state_pb2 import StoredState
from hasten_runtime.load_store import CHECKPOINT_BYTES_MAX


def fitting(state: StoredState) -> bytes:
    """The checkpoint, serialised; of one that is too large the oldest decisions are left out, and
    then the oldest demand: the number, the bounds and what was learnt are what counts.
    """
    while True:
        value = state.SerializeToString()
        if len(value) <= CHECKPOINT_BYTES_MAX or not (state.decisions or state.demand):
            return value
        if state.decisions:
            del state.decisions[: max(1, len(state.decisions) // 2)]
        else:
            del state.demand[: max(1, len(state.demand) // 2)]
