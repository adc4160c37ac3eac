"""A DAG of three real models, told from the command line, whose owner is killed in the middle."""

from pathlib import Path

import pytest

from loadtest import dag_stories

pytestmark = [pytest.mark.integration, pytest.mark.apart]


def test_the_story_of_three_real_models(tmp_path: Path) -> None:
    told = dag_stories.recommend(tmp_path)
    assert told.faults == ()
    assert told.traces == 1
    assert told.runs_max == 1, "no step that had ended ran again"
