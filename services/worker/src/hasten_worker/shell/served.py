"""A model version as the worker serves it: the model and what is made once for it."""

from hasten_worker.model import Model
from hasten_worker.shell.statistics import Statistics
from hasten_worker.tensors import RequestDecoder, ResponseEncoder


class Served:
    """One loaded model version.

    Attributes:
        model: The model.
        key: "name/version".
        decoder: Reads its requests.
        encoder: Writes its responses.
        statistics: What was counted for it, over reloads too.
        generation: Changes when the version is loaded anew with other inputs or outputs; calls
            of two generations do not share a batch.
    """

    __slots__ = ("decoder", "encoder", "generation", "key", "model", "statistics")

    def __init__(self, model: Model, statistics: Statistics) -> None:
        self.model = model
        self.key = model.spec.key
        self.decoder = RequestDecoder(model)
        self.encoder = ResponseEncoder(model)
        self.statistics = statistics
        self.generation = 0

    def takes_the_calls_of(self, other: "Served") -> bool:
        """Calls decoded for the other can run here as they are."""
        return (
            self.model.inputs == other.model.inputs
            and self.model.outputs == other.model.outputs
            and self.model.batches == other.model.batches
        )
