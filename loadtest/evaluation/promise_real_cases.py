"""What the page promise_real runs: workload files, and what is changed in them."""

from typing import Final

Case = tuple[str, str]
"""A file of loadtest/workloads, and TOML tables on top of it."""

LOADS: Final = (0.5, 1.0, 1.5, 2.0, 4.0)
"""Multiples of the capacity, at which each case is run."""
_MODEL: Final = """\
[[models]]
name = "encoder"
alpha_ms = 2
beta_ms = 0.12
element_us = 70
lengths = {{ kind = "fixed", length = 24 }}
batch_max = 32
noise = {{ cv = 0.03 }}
{more}
"""


def _changed(more: str) -> Case:
    return "encoder_24.toml", _MODEL.format(more=more)


MODELS: Final[dict[str, Case]] = {
    "encoder, 24 tokens": ("encoder_24.toml", ""),
    "MiniLM, 32 tokens": ("minilm_32.toml", ""),
    "encoder, 64 tokens": ("encoder_64.toml", ""),
    "encoder, seven lengths": ("seven_lengths.toml", ""),
}
TRIALS: Final[dict[str, Case]] = {
    "24 tokens, profile of length 1": ("wrong_profile.toml", ""),
    "24 tokens, no profile": _changed('profiled_at = "never"'),
    "24 tokens, profile 1,000 times too long": _changed("profiled_factor = 1000"),
    "24 tokens, profile 1,000 times too short": _changed("profiled_factor = 0.001"),
    "24 tokens, drift and stalls": ("drifting.toml", ""),
}
_FRESH: Final = """\
capacity_per_s = {capacity}
[mesh.host]
cores = 2
accept_us = 120
refuse_us = 80
answer_us = 110
worker_us = 60
pending_max = 112
cut_us = 15
[[models]]
name = "model"
alpha_ms = {alpha}
beta_ms = {beta}
element_us = {element}
lengths = {{ kind = "fixed", length = {length} }}
batch_max = 32
noise = {{ cv = 0.1, drift_cv = 0.15, drift_s = 0.5, stall_every_s = 1, stall_ms = 15 }}
profiled_at = "length_1"
profiled_factor = 0.5
"""
"""Everything that a real mesh of two cores meets at once, with the capacities of closed loops."""


def _fresh(file: str, **said: float) -> Case:
    return file, _FRESH.format(**said)


FRESH_24: Final = "as measured: encoder, 24 tokens"
FRESH_32: Final = "as measured: MiniLM, 32 tokens"
FRESH_64: Final = "as measured: encoder, 64 tokens"
PERCEPTRON: Final = "perceptron, two cores"
STOLEN: Final = "24 tokens, two cores, two burners each"
SHORT: Final[dict[str, Case]] = {
    "24 tokens, two cores": ("shared_cpu.toml", ""),
    STOLEN: ("stolen_cpu.toml", ""),
    "24 tokens, two cores, throttled": ("throttled_cpu.toml", ""),
    PERCEPTRON: ("perceptron.toml", ""),
    FRESH_24: _fresh("encoder_24.toml", capacity=437, alpha=2, beta=0.12, element=70, length=24),
    FRESH_32: _fresh(
        "minilm_32.toml", capacity=387, alpha=2.5, beta=0.06, element=63.75, length=32
    ),
    FRESH_64: _fresh("encoder_64.toml", capacity=215, alpha=2, beta=0.12, element=70, length=64),
}
"""Router and worker share two cores."""
WANTED: Final[dict[str, tuple[float, ...]]] = {
    PERCEPTRON: (0.49, 0.90, 0.60, 0.45, 0.30),
    FRESH_24: (0.49, 0.88, 0.82, 0.80),
    FRESH_32: (0.49, 0.81),
    FRESH_64: (0.48, 0.78, 0.75, 0.75),
}
"""Least share of the capacity in time at each load, as far as something is wanted there."""
MEASURED: Final[dict[str, tuple[str, ...]]] = {
    PERCEPTRON: (".50", ".28", "0", "0", ""),
    FRESH_24: (".51", ".39", ".36", ".35", ""),
    FRESH_32: (".50", ".04", ".03", ".30", ""),
    FRESH_64: (".03", ".02", ".04", ".05", ""),
}
"""What real meshes answered that were just started, on 25 November 2026, before these cases."""
ALL: Final = {**MODELS, **TRIALS, **SHORT}

BACK_LOAD: Final = 0.4
BACK_S: Final = 6
BACK_SECOND: Final = 4
"""The bad things are over after three seconds."""
_ARRIVALS: Final = f"[arrivals]\nload = {BACK_LOAD}\n"
_STEPS: Final = f"""\
[arrivals]
process = "step"
load = {BACK_LOAD}
steps = [{{ at_s = 1, factor = 10 }}, {{ at_s = 3, factor = 1 }}]
"""
_FAULT: Final = '[[faults]]\nkind = "{kind}"\nat_s = {at_s}\n{more}\n'


def _after(file: str, kind: str, at_s: float, more: str) -> Case:
    return file, _ARRIVALS + _FAULT.format(kind=kind, at_s=at_s, more=more)


BACK: Final[dict[str, Case]] = {
    "two seconds of ten times the load": ("encoder_24.toml", _STEPS),
    "the same, 64 tokens": ("encoder_64.toml", _STEPS),
    "the same, perceptron on two cores": ("perceptron.toml", _STEPS),
    "one run of half a second": _after("encoder_24.toml", "hiccup", 2.4, "worker = 0\nms = 500"),
    "half a second without CPU": _after("encoder_24.toml", "steal", 2.5, "for_s = 0.5"),
    "two seconds at a fifth of the speed": _after(
        "encoder_24.toml", "slow", 1, "for_s = 2\nworker = 0\nfactor = 5"
    ),
}
"""What happened before the second that is looked at."""
