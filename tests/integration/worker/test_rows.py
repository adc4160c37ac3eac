"""Twelve callers at once, each with data of its own, at a real worker process."""

import asyncio
from pathlib import Path

import pytest

from loadtest.row_models import MIXING, ROW_WISE
from loadtest.row_wise import CALLERS, table, write
from tests.integration.worker.conftest import Start

pytestmark = [pytest.mark.integration, pytest.mark.xdist_group("worker")]

CALLS = 4


def test_every_caller_gets_the_answer_to_its_own_data(start: Start, tmp_path: Path) -> None:
    chosen = (*ROW_WISE, *MIXING)
    models = tmp_path / "models"
    write(models, chosen)
    worker = start(models, {"kind": "memory"})
    rows = asyncio.run(table(worker.address, chosen, CALLS))
    assert [row.model for row in rows if not row.good] == []
    assert all(row.calls == CALLERS * CALLS for row in rows)
    for row in rows:
        assert (row.reason == "") == row.row_wise
        assert row.row_wise or row.rows_a_batch == 1
