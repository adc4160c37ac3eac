"""The `parameters` of a configuration: numbers in text, checked."""

import math
from dataclasses import dataclass
from typing import Final

from hasten.inference.v2.model_config_pb2 import ModelConfig
from hasten_worker.engine.refusal import ModelRefused

_TRUE: Final = frozenset({"1", "true", "on", "yes"})
_FALSE: Final = frozenset({"0", "false", "off", "no"})
_DAY_S: Final = 86_400.0


@dataclass(frozen=True, slots=True)
class Parameters:
    """What a model's parameters say; the default where they say nothing.

    Attributes:
        intra_op_threads: Threads within one operator; 0 for cores / lanes.
        inter_op_threads: Threads across operators; 0 for onnxruntime's choice.
        parallel: Run independent branches of the graph at once.
        mem_arena: Keep freed memory for later runs.
        mem_pattern: Plan the memory of a run ahead.
        batch_sizes: Row counts to pad a batch up to, ascending; empty to run any count.
        run_timeout_s: A run is terminated after this; 0 for the store's default.
        default_timeout_s: Deadline of requests that bring none; 0 for none.
        warm_up: Warm up and measure with generated inputs.
        alpha_s: Synthetic: seconds of a batch, whatever its size.
        beta_s: Synthetic: further seconds per row.
        noise: Synthetic: coefficient of variation of the run time.
        seed: Synthetic: of the noise.
    """

    intra_op_threads: int = 0
    inter_op_threads: int = 0
    parallel: bool = False
    mem_arena: bool = True
    mem_pattern: bool = True
    batch_sizes: tuple[int, ...] = ()
    run_timeout_s: float = 0.0
    default_timeout_s: float = 0.0
    warm_up: bool = True
    alpha_s: float = 0.001
    beta_s: float = 0.0
    noise: float = 0.0
    seed: int = 0


def read_parameters(config: ModelConfig) -> tuple[Parameters, list[str]]:
    """The parameters and a sentence for each key that nobody reads.

    Raises:
        ModelRefused: A value is no number, or outside of its range.
    """
    texts = {key: value.string_value for key, value in config.parameters.items()}
    reader = _Reader(texts)
    parameters = Parameters(
        intra_op_threads=reader.whole("intra_op_thread_count", 0, 1024),
        inter_op_threads=reader.whole("inter_op_thread_count", 0, 1024),
        parallel=reader.whole("execution_mode", 0, 1) == 1,
        mem_arena=reader.switch("enable_mem_arena", default=True),
        mem_pattern=reader.switch("enable_mem_pattern", default=True),
        batch_sizes=reader.sizes("hasten.batch_sizes"),
        run_timeout_s=reader.number("hasten.run_timeout_ms", 0.0, _DAY_S * 1e3) / 1e3,
        default_timeout_s=reader.number("hasten.default_timeout_ms", 0.0, _DAY_S * 1e3) / 1e3,
        warm_up=reader.switch("hasten.warm_up", default=True),
        alpha_s=reader.number("alpha_ms", 1.0, 600e3) / 1e3,
        beta_s=reader.number("beta_ms", 0.0, 600e3) / 1e3,
        noise=reader.number("noise", 0.0, 10.0),
        seed=reader.whole("seed", 0, 2**63 - 1),
    )
    unread = sorted(texts.keys() - reader.read)
    return parameters, [f"parameter {key!r} is ignored: it is not known here" for key in unread]


class _Reader:
    def __init__(self, texts: dict[str, str]) -> None:
        self._texts = texts
        self.read: set[str] = set()

    def _text(self, key: str) -> str | None:
        self.read.add(key)
        return self._texts.get(key)

    def number(self, key: str, default: float, largest: float) -> float:
        text = self._text(key)
        if text is None:
            return default
        try:
            value = float(text)
        except ValueError:
            value = math.nan
        if not 0.0 <= value <= largest:
            raise ModelRefused(f"parameter {key!r} is {text!r}: expected 0 to {largest:g}")
        return value

    def whole(self, key: str, default: int, largest: int) -> int:
        text = self._text(key)
        if text is None:
            return default
        # A digit of another script is a digit to Python, and a long text a slow number.
        if not (text.isascii() and text.isdigit() and len(text) <= 20 and int(text) <= largest):
            raise ModelRefused(
                f"parameter {key!r} is {text!r}: expected a whole number from 0 to {largest}"
            )
        return int(text)

    def switch(self, key: str, *, default: bool) -> bool:
        text = self._text(key)
        if text is None:
            return default
        if text.lower() not in _TRUE | _FALSE:
            raise ModelRefused(f"parameter {key!r} is {text!r}: expected true or false")
        return text.lower() in _TRUE

    def sizes(self, key: str) -> tuple[int, ...]:
        text = self._text(key)
        if text is None or not text.strip():
            return ()
        parts = [part.strip() for part in text.split(",")]
        if not all(part.isascii() and part.isdigit() and len(part) < 8 for part in parts):
            raise ModelRefused(f"parameter {key!r} is {text!r}: expected sizes as 1,2,4,8")
        return tuple(sorted({int(part) for part in parts}))
