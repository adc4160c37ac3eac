"""Which models are batched by themselves, and whether twelve callers at once get their answers.

Ten models that keep the rows of a batch apart and ten that only look like it are served without
a configuration, by a router and a worker. For each, twelve callers with data of their own ask at
once, again and again; an answer is right when it is the one that onnxruntime gives to that caller
alone.

    python -m loadtest.row_wise [--calls 10] [--json]
"""

import argparse
import asyncio
import json
import sys
import tempfile
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from pathlib import Path

import numpy as np
import onnxruntime as ort

from hasten_client import AsyncClient
from loadtest.executed import executed_of
from loadtest.mesh import running_mesh
from loadtest.row_models import MIXING, ROW_WISE, Array, RowModel

CALLERS = 12
PATIENCE_S = 120.0
"""Of calls that are not about time."""
TOLERANCE = 1e-4


@dataclass(frozen=True, slots=True)
class Row:
    """One model's line of the table.

    Attributes:
        model: Its name.
        what: What it computes.
        row_wise: What is true: rows are answered each by itself.
        batch_max: What was decided: 0 for no batches.
        right: Answers that were the caller's own.
        calls: All answers.
        rows_a_batch: Mean over the batches run.
        reason: What the repository index says.
    """

    model: str
    what: str
    row_wise: bool
    batch_max: int
    right: int
    calls: int
    rows_a_batch: float
    reason: str

    @property
    def good(self) -> bool:
        """Decided rightly, and every answer right."""
        return self.row_wise == (self.batch_max > 0) and self.right == self.calls


def write(models: Path, chosen: Sequence[RowModel]) -> None:
    """A repository of them, without any configuration."""
    for model in chosen:
        folder = models / model.name / "1"
        folder.mkdir(parents=True)
        (folder / "model.onnx").write_bytes(model.make().SerializeToString())


async def row_of(address: str, model: RowModel, calls: int) -> Row:
    """Asks for one model as `CALLERS` callers, `calls` times each."""
    alone = ort.InferenceSession(
        model.make().SerializeToString(), providers=["CPUExecutionProvider"]
    )
    before = await executed_of(address, model.name)
    async with AsyncClient(address) as client:

        async def caller(number: int) -> int:
            rng = np.random.default_rng(number)
            right = 0
            for _ in range(calls):
                asked = model.input(rng)
                result = await client.infer(model.name, {"X": asked}, deadline_s=PATIENCE_S)
                (wanted,) = alone.run(["Y"], {"X": asked})
                right += _same(result["Y"], np.asarray(wanted))
            return right

        right = sum(await asyncio.gather(*(caller(number) for number in range(CALLERS))))
        config = await client.config(model.name, deadline_s=PATIENCE_S)
        index = await client.index(deadline_s=PATIENCE_S)
    after = await executed_of(address, model.name)
    return Row(
        model=model.name,
        what=model.what,
        row_wise=model.row_wise,
        batch_max=config.max_batch_size,
        right=right,
        calls=CALLERS * calls,
        rows_a_batch=(after.rows - before.rows) / max(1, after.batches - before.batches),
        reason=next((line.reason for line in index if line.name == model.name), ""),
    )


async def table(address: str, chosen: Sequence[RowModel], calls: int) -> list[Row]:
    """One model after the other."""
    return [await row_of(address, model, calls) for model in chosen]


def _same(one: Array, other: Array) -> bool:
    # One value a row is served as a column.
    return one.size == other.size and np.allclose(
        one.reshape(-1), other.reshape(-1), rtol=TOLERANCE, atol=TOLERANCE
    )


def _print(rows: Sequence[Row]) -> None:
    print(f"{'model':<13}{'what it computes':<29}{'row-wise':<10}{'batched':<9}{'right':<10}rows")
    for row in rows:
        truth, decided = ("yes" if row.row_wise else "no"), row.batch_max or "no"
        counted = f"{row.right}/{row.calls}"
        print(
            f"{row.model:<13}{row.what:<29}{truth:<10}{decided!s:<9}{counted:<10}"
            f"{row.rows_a_batch:.1f}"
        )
        if row.reason:
            print(f"    {row.reason}")
    good = sum(row.good for row in rows)
    print(f"{good} of {len(rows)} models decided rightly and answered rightly to every caller")


def main() -> int:
    """Entry point; 0 when every model was decided and answered rightly."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--calls", type=int, default=10, help="of each of the twelve callers")
    parser.add_argument("--json", action="store_true", help="one JSON array on stdout")
    said = parser.parse_args()
    chosen = (*ROW_WISE, *MIXING)
    with tempfile.TemporaryDirectory() as folder:
        write(Path(folder), chosen)
        with running_mesh(Path(folder)) as mesh:
            rows = asyncio.run(table(mesh.router, chosen, said.calls))
    if said.json:
        print(json.dumps([asdict(row) for row in rows]))
    else:
        _print(rows)
    return 0 if all(row.good for row in rows) else 1


if __name__ == "__main__":
    sys.exit(main())
