"""Several callers that ask one model at the same moment."""

from collections.abc import Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from threading import Barrier, BrokenBarrierError
from typing import Any

import numpy as np

from hasten_client import Client, HastenError

Array = np.ndarray[Any, Any]
Answer = Mapping[str, Array] | str
"""Outputs by name, or why there are none."""


def answers_at_once(
    address: str, model: str, asked: Sequence[Mapping[str, Array]], deadline_s: float
) -> list[Answer]:
    """Asks with all inputs at once, each by a caller of its own; the answers in their order."""
    together = Barrier(len(asked))

    def ask(inputs: Mapping[str, Array]) -> Answer:
        with Client(address) as client:
            with suppress(HastenError):
                client.live(deadline_s=deadline_s)  # Opens the connection, whatever is said.
            try:
                together.wait(deadline_s)
                return client.infer(model, inputs, deadline_s=deadline_s).outputs
            except (HastenError, BrokenBarrierError) as error:
                return str(error) or "another caller did not get through"

    with ThreadPoolExecutor(len(asked)) as pool:
        return list(pool.map(ask, asked))
