"""What `hasten infer` does."""

import time
from collections import Counter
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from typing import Any, Final

import numpy as np

from hasten_cli.calls import ANSWER_S_MAX, client, command_error
from hasten_cli.durations import format_duration
from hasten_cli.failures import USAGE, CommandError
from hasten_cli.output import print_json
from hasten_cli.values import read_inputs
from hasten_cli.waterfall import waterfall
from hasten_client import Client, HastenError, Result, Unreachable
from hasten_client.datatypes import BYTES, NAME_OF, Array
from hasten_client.request import priority_level

_QUANTILES: Final = (50, 90, 99)
_ELEMENTS_SHOWN: Final = 64


@dataclass(frozen=True, slots=True)
class InferOptions:
    """What the user asked for; see `hasten infer --help`."""

    address: str
    model: str
    version: str
    inputs: tuple[str, ...]
    deadline_s: float | None
    priority: str
    tenant: str
    timing: bool
    count: int


@dataclass(slots=True)
class Outcome:
    """What came of all requests.

    Attributes:
        last: The last answer.
        latencies_s: Of each answered request.
        failed: Number of failures by reason.
        error: The last failure.
    """

    last: Result | None = None
    latencies_s: list[float] = field(default_factory=list)
    failed: Counter[str] = field(default_factory=Counter)
    error: HastenError | None = None


def infer(options: InferOptions, *, as_json: bool) -> None:
    """Sends the request and prints what came.

    Raises:
        CommandError: It was refused or failed; for several requests, all of them.
    """
    priority = priority_of(options.priority)
    with client(options.address) as mesh:
        metadata = mesh.metadata(options.model, options.version, deadline_s=ANSWER_S_MAX)
        inputs = read_inputs(options.inputs, metadata, address=options.address)
        outcome = _send(mesh, options, inputs, priority)
    if outcome.last is None and outcome.error is not None:
        raise command_error(outcome.error, options.address)
    if outcome.last is None:
        return
    if as_json:
        print_json(_as_json(outcome.last, outcome, options))
    else:
        _print(outcome.last, outcome, options)


def priority_of(text: str) -> int:
    """A priority as it is typed, as a level. Raises CommandError."""
    try:
        return priority_level(int(text) if text.isdigit() else text)
    except HastenError as error:
        raise CommandError(error.message, code=USAGE) from None


def _send(
    mesh: Client, options: InferOptions, inputs: Mapping[str, Array], priority: int
) -> Outcome:
    """All requests, one after the other; a failure does not end the others."""
    outcome = Outcome()
    for _ in range(options.count):
        begin_s = time.monotonic()
        try:
            outcome.last = mesh.infer(
                options.model,
                inputs,
                version=options.version,
                deadline_s=options.deadline_s,
                priority=priority,
                tenant=options.tenant,
                timing=options.timing,
            )
            outcome.latencies_s.append(time.monotonic() - begin_s)
        except Unreachable:
            raise
        except HastenError as error:
            outcome.failed[error.reason or error.status] += 1
            outcome.error = error
    return outcome


def print_outputs(outputs: Mapping[str, Array]) -> None:
    """For people."""
    for name, array in outputs.items():
        print(f"{name}  {_datatype(array)}  {list(array.shape)}")
        print(_indented(_text(array)))


def _print(last: Result, outcome: Outcome, options: InferOptions) -> None:
    print_outputs(last.outputs)
    if options.count > 1:
        print(_summary(outcome))
    if options.timing and last.timing is None:
        print("the server sent no timing")
    elif last.timing is not None:
        print("where the time went")
        print("\n".join(waterfall(last.timing)))


def _text(array: Array) -> str:
    shown = array
    if array.dtype == np.object_:
        shown = np.array([_decoded(item) for item in array.ravel()], dtype=np.object_)
        shown = shown.reshape(array.shape)
    elif array.dtype.kind not in "biuf":
        shown = array.astype(np.float32)
    return np.array2string(
        shown, threshold=_ELEMENTS_SHOWN, precision=6, suppress_small=True, separator=", "
    )


def _summary(outcome: Outcome) -> str:
    answered = len(outcome.latencies_s)
    quantiles = ", ".join(
        f"p{q} {format_duration(value / 1e3)}" for q, value in _latency_ms(outcome).items()
    )
    refused = ", ".join(f"{count} {reason}" for reason, count in outcome.failed.most_common())
    return f"{answered} answered: {quantiles}" + (f"; failed: {refused}" if refused else "")


def _latency_ms(outcome: Outcome) -> dict[int, float]:
    values = np.percentile(np.array(outcome.latencies_s) * 1e3, _QUANTILES)
    return {q: round(float(value), 4) for q, value in zip(_QUANTILES, values, strict=True)}


def outputs_as_json(outputs: Mapping[str, Array]) -> list[dict[str, Any]]:
    """For programs."""
    return [
        {
            "name": name,
            "datatype": _datatype(array),
            "shape": list(array.shape),
            "data": _data(array),
        }
        for name, array in outputs.items()
    ]


def _as_json(last: Result, outcome: Outcome, options: InferOptions) -> dict[str, Any]:
    said: dict[str, Any] = {
        "model": last.model_name,
        "version": last.model_version,
        "id": last.id,
        "outputs": outputs_as_json(last.outputs),
        "latency_ms": round(outcome.latencies_s[-1] * 1e3, 4),
    }
    if options.timing:
        said["timing"] = None if last.timing is None else asdict(last.timing)
    if options.count > 1:
        said["count"] = options.count
        said["answered"] = len(outcome.latencies_s)
        said["failed"] = dict(outcome.failed)
        said["latency_ms"] = {f"p{q}": value for q, value in _latency_ms(outcome).items()}
    return said


def _data(array: Array) -> Any:  # noqa: ANN401  (nested lists)
    if array.dtype == np.object_:
        flat = np.array([_decoded(item) for item in array.ravel()], dtype=np.object_)
        return flat.reshape(array.shape).tolist()
    if array.dtype.kind not in "biuf":
        array = array.astype(np.float32)
    return array.tolist()


def _decoded(item: bytes) -> str:
    return item.decode(errors="backslashreplace")


def _datatype(array: Array) -> str:
    return NAME_OF.get(array.dtype, BYTES)


def _indented(text: str) -> str:
    return "\n".join(f"  {line}" for line in text.splitlines())
