"""The seconds that a batch must end before a deadline."""


class Margin:
    """What lies between the end of a run and the caller, as measured; shared by all that plan.

    Attributes:
        seconds: Before a deadline by which a batch must have ended.
    """

    __slots__ = ("seconds",)

    def __init__(self, seconds: float = 0.0) -> None:
        self.seconds = seconds
