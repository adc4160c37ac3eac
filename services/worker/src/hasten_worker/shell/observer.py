"""Who counts and traces what the shell does."""

from typing import Protocol

from hasten_policy.reasons import Refusal
from hasten_worker.shell.batch import Batch
from hasten_worker.shell.call import Call


class Observer(Protocol):
    """Told on the event loop: must be cheap. Of batches and answers it is told afterwards, when
    the answers are on their way, but of those that are traced also at once.
    """

    def call_taken(self, call: Call) -> None:
        """A call is about to be given to the machine."""
        ...

    def batch_started(self, batch: Batch) -> None:
        """A batch is about to be given to a lane."""
        ...

    def sampled_batch_ended(self, batch: Batch) -> None:
        """A lane has just ended a batch that has a span."""
        ...

    def sampled_call_answered(self, call: Call) -> None:
        """The answer of a call that has a span is about to be on its way."""
        ...

    def batch_ended(self, batch: Batch) -> None:
        """A lane has run a batch, well or not; one that was not begun is not told of."""
        ...

    def call_answered(self, call: Call) -> None:
        """A call's answer was handed out."""
        ...

    def call_refused(self, call: Call, refusal: Refusal) -> None:
        """A call ended without an answer."""
        ...

    def request_refused(self, model: str, refusal: Refusal) -> None:
        """A request was refused before it became a call; model is "" for one that is not here."""
        ...

    def process_ended(self, model: str) -> None:
        """A process that ran the model ended, and nobody had asked it to."""
        ...
