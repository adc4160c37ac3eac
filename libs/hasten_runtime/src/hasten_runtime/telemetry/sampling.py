"""The decision at the head of a trace, made before anything is built for a span.

The SDK can decide too, but only after a context, a trace id and an attribute map were made; at
one in a hundred that would be most of the cost.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from importlib.metadata import entry_points
from random import random
from typing import TYPE_CHECKING, Final, Self

from hasten_runtime.telemetry.propagation import is_sampled, parse

if TYPE_CHECKING:
    from opentelemetry.sdk.trace.sampling import Sampler

SAMPLER: Final = "OTEL_TRACES_SAMPLER"
SAMPLER_ARG: Final = "OTEL_TRACES_SAMPLER_ARG"
SAMPLERS_GROUP: Final = "opentelemetry_traces_sampler"
"""Entry points under which packages offer samplers, as the SDK finds them."""
RATE_DEFAULT: Final = 0.01
_SUFFIXES: Final = {"always_on": 1.0, "always_off": 0.0, "traceidratio": None}
_LOW_IDS: Final = 1 << 64


@dataclass(frozen=True, slots=True)
class HeadSampling:
    """Which requests are recorded.

    Attributes:
        rate: Share of requests that come without a decision, 0..1.
        parent_based: A decision that came with the request is followed.
        sampler: Of an installed package; the SDK asks it about those that rate and parent let
            through, which are then all.
    """

    rate: float = RATE_DEFAULT
    parent_based: bool = True
    sampler: "Sampler | None" = None

    @classmethod
    def from_environment(cls, environ: Mapping[str, str]) -> Self:
        """By the standard variables; one in a hundred, parents followed, when they are unset.

        Raises:
            ValueError: A sampler or rate that is none, with a sentence.
        """
        name = environ.get(SAMPLER, "").strip().lower() or "parentbased_traceidratio"
        suffix = name.removeprefix("parentbased_")
        if suffix not in _SUFFIXES:
            sampler = _installed(environ[SAMPLER].strip(), environ.get(SAMPLER_ARG, ""))
            return cls(rate=1.0, parent_based=False, sampler=sampler)
        rate = _SUFFIXES[suffix]
        if rate is None:
            rate = _rate(environ.get(SAMPLER_ARG, ""))
        return cls(rate=rate, parent_based=suffix != name)

    def samples(self, header: str) -> bool:
        """Decides on a request that came with this traceparent; "" for none."""
        if header and self.parent_based:
            return is_sampled(header)
        if header and 0.0 < self.rate < 1.0:  # Alike on every machine: by the trace's id.
            span = parse(header)
            if span is not None:
                low_bits = int(span.trace_id) % _LOW_IDS
                return low_bits < self.rate * _LOW_IDS
        return random() < self.rate  # noqa: S311  (a sample, not a secret)


def _installed(name: str, arg: str) -> "Sampler":
    for found in entry_points(group=SAMPLERS_GROUP, name=name):
        made: Sampler = found.load()(arg)
        return made
    raise ValueError(
        f"{SAMPLER} is {name!r}: expected always_on, always_off or traceidratio, with or without "
        "parentbased_ before it, or a sampler of an installed package"
    )


def _rate(text: str) -> float:
    if not text.strip():
        return RATE_DEFAULT
    try:
        rate = float(text)
    except ValueError:
        rate = -1.0
    if not 0.0 <= rate <= 1.0:
        raise ValueError(f"{SAMPLER_ARG} is {text!r}: expected a share between 0 and 1")
    return rate
