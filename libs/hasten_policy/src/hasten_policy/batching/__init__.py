"""Which requests run together, when, and how many."""

from hasten_policy.batching.batcher import Batcher, FormedBatch
from hasten_policy.batching.edf_queue import WaitingCall
from hasten_policy.batching.model_state import ModelState
from hasten_policy.batching.policy import BatchingPolicy

__all__ = ["Batcher", "BatchingPolicy", "FormedBatch", "ModelState", "WaitingCall"]
