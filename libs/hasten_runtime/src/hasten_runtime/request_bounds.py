"""How much one inference request may say of itself, so that reading it stays cheap.

A field costs a stranger two bytes and a service a microsecond: without bounds a request of a few
hundred kilobytes keeps the event loop busy for tens of milliseconds, and everybody with it.
"""

from dataclasses import dataclass
from typing import NoReturn

from hasten_policy.reasons import Reason, Refusal
from hasten_runtime.errors import MeshError


@dataclass(frozen=True, slots=True)
class RequestBounds:
    """Bounds of one request.

    Attributes:
        fields_max: Fields of the request and of its inputs, and dimensions, all together.
        inputs_max: Inputs.
        rank_max: Dimensions of one input.
        parameters_max: Parameters of the request.
        name_bytes_max: Longest model name, version, id, input's name or datatype, in bytes.
        prefix: Of the environment's variables that set these; "" where none does.
    """

    fields_max: int = 4096
    inputs_max: int = 512
    rank_max: int = 64
    parameters_max: int = 64
    name_bytes_max: int = 1024
    prefix: str = ""

    def check_counts(self, *, inputs: int, parameters: int) -> None:
        """Raises MeshError INVALID_REQUEST for a request with too many of one."""
        if inputs > self.inputs_max:
            self.refuse(f"a request with {inputs} inputs", "inputs")
        if parameters > self.parameters_max:
            self.refuse(f"a request with {parameters} parameters", "parameters")

    def refuse(self, what: str, bound: str, **facts: object) -> NoReturn:
        """Raises MeshError INVALID_REQUEST for what exceeds a bound.

        Args:
            what: What was sent, as "a request with 700 inputs".
            bound: The name of the bound, as "inputs".
            **facts: Further facts of the case.
        """
        name = f"{bound}_max"
        setting = f"grpc.request_{name}"
        variable = f" ({self.prefix}REQUEST_{name.upper()})" if self.prefix else ""
        limit: int = getattr(self, name)
        told = {**facts, "limit": limit, "setting": setting}
        raise MeshError(
            Refusal(
                Reason.INVALID_REQUEST,
                f"{what}: at most {limit} are taken; send less, or raise the setting "
                f"{setting}{variable}",
                metadata=tuple((key, str(value)) for key, value in told.items()),
            )
        )


DEFAULT_BOUNDS = RequestBounds()
"""Where no setting says anything else."""
