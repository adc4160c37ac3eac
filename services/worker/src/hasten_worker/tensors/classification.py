"""The classification extension: the highest scores of an output as text."""

import numpy as np

from hasten_worker.model import Array


def top_classes(scores: Array, count: int, labels: tuple[str, ...], *, batches: bool) -> Array:
    """The `count` highest scores of each row as BYTES elements "score:index[:label]".

    Args:
        scores: Numbers; with `batches` one row per request row, everything behind the first
            dimension flattened.
        count: Classes wanted, >= 1; fewer come back when there are fewer.
        labels: Class names by index; may be shorter than the row.
        batches: The first dimension is the batch.

    Returns:
        Object array of shape [rows, n], or [n] without batches; equal scores in index order.
    """
    rows = scores.reshape(scores.shape[0], -1) if batches else scores.reshape(1, -1)
    count = min(count, rows.shape[1])
    named = np.empty((rows.shape[0], count), dtype=np.object_)
    whole = np.issubdtype(rows.dtype, np.integer) or rows.dtype == np.bool_
    for row_index, row in enumerate(rows):
        # float64 holds every smaller type; negating it cannot overflow as an integer could.
        order = np.argsort(-row.astype(np.float64), kind="stable")[:count]
        for rank, index in enumerate(order):
            score = f"{int(row[index])}" if whole else f"{float(row[index]):f}"
            label = f":{labels[index]}" if index < len(labels) else ""
            named[row_index, rank] = f"{score}:{index}{label}".encode()
    return named if batches else named[0]
