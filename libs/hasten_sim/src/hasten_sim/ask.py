"""One request on its way through the simulated mesh."""


class Ask:
    """One request.

    Attributes:
        call_id: At its router.
        at_s: When it arrived.
        deadline_s: Absolute; inf for none.
        model: Index into the scenario's models.
        priority: Class 0 to 3.
        tenant: Index into the scenario's tenants.
        rows: Rows it brings.
        payload_bytes: Its size.
        measured: It counts in the figures: it arrived after the warm-up.
        length: Of each row.
        reserved_s: Its rank among those with a reservation; 0 without.
        refused_before: Calls of its model refused for want of time since one of them was sent.
        left: Its caller has left: nobody hears what becomes of it.
    """

    __slots__ = (
        "at_s",
        "call_id",
        "deadline_s",
        "left",
        "length",
        "measured",
        "model",
        "payload_bytes",
        "priority",
        "refused_before",
        "reserved_s",
        "rows",
        "tenant",
    )

    def __init__(  # noqa: PLR0913, PLR0917  (one a field; built once a request)
        self,
        call_id: int,
        at_s: float,
        deadline_s: float,
        model: int,
        priority: int,
        tenant: int,
        rows: int,
        payload_bytes: int,
        measured: bool,  # noqa: FBT001  (as above)
        length: int = 1,
    ) -> None:
        self.call_id = call_id
        self.at_s = at_s
        self.deadline_s = deadline_s
        self.model = model
        self.priority = priority
        self.tenant = tenant
        self.rows = rows
        self.payload_bytes = payload_bytes
        self.measured = measured
        self.length = length
        self.reserved_s = 0.0
        self.refused_before = 0
        self.left = False

    @property
    def elements(self) -> int:
        """Of its input: the size of its work."""
        return self.rows * self.length
