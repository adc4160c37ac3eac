"""What tells one request's inputs from all others, without keeping them."""

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Content:
    """The inputs of a request.

    Attributes:
        size_bytes: Of the inputs.
        digest: Of them, in text.
    """

    size_bytes: int
    digest: str


@dataclass(slots=True)
class Asked:
    """A call and what it asked.

    Attributes:
        call_id: The call.
        content: Of its request; None where that does not tell what the model gets.
    """

    call_id: int
    content: Content | None
