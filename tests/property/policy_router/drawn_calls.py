"""What a router's machine is told of calls, drawn at random."""

from math import inf

import hypothesis.strategies as st

from hasten_policy.content import Content

MODELS = ("m", "n")

arrivals: st.SearchStrategy[dict[str, object]] = st.builds(
    dict,
    model=st.sampled_from([*MODELS, "unknown"]),
    version=st.sampled_from(["", "", "1", "2"]),
    time_left_s=st.one_of(st.floats(0.0, 0.4), st.sampled_from([inf, -1.0, 2.0, float("nan")])),
    priority=st.integers(0, 3),
    tenant=st.sampled_from(["", "poor"]),
    payload_bytes=st.sampled_from([1, 300]),
    idempotent=st.booleans(),
    affinity=st.sampled_from(["", "", "k"]),
)
CONTENTS = (None, Content(1, "x"), Content(1, "y"), Content(2, "z"))
