"""The logs of broken schedulers say why tasks ran again."""

import json
from pathlib import Path

from loadtest.task_causes import ADOPTED, causes


def test_attempts_are_counted_by_cause_whatever_processes_are_named(tmp_path: Path) -> None:
    said = [
        {"event": "shard.adopted", "tasks": 3},
        {"event": "attempt.again", "reason": "WORKER_LOST", "cause": "process 'w0/a' fell silent"},
        {"event": "attempt.again", "reason": "WORKER_LOST", "cause": "process 'w1/b' fell silent"},
        {"event": "worker.standing"},
    ]
    whole = "\n".join(map(json.dumps, said))
    (tmp_path / "scheduler-0.log").write_text(f'no JSON\n{whole}\n{{"event": "shard.ad')
    (tmp_path / "scheduler-1.log").write_text(json.dumps({"event": "shard.adopted", "tasks": 2}))
    (tmp_path / "worker-0.log").write_text(json.dumps({"event": "shard.adopted", "tasks": 9}))
    assert causes(tmp_path) == {ADOPTED: 5, "WORKER_LOST: process ... fell silent": 2}
