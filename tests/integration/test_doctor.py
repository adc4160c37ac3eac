"""`hasten doctor` as a process, beside a real Redis."""

import json
import subprocess
import sys
from pathlib import Path

from tests.support.ports import free_port
from tests.support.servers import RedisServer


def test_doctor_finds_what_a_real_redis_would_lose(
    own_redis_server: RedisServer, tmp_path: Path
) -> None:
    own_redis_server.command("CONFIG", "SET", "maxmemory-policy", "allkeys-lru")
    own_redis_server.command("CONFIG", "SET", "maxmemory", "100mb")
    nobody = f"127.0.0.1:{free_port()}"
    words = ["--redis", own_redis_server.url, "--address", nobody, "--consul", nobody, "--json"]
    ended = subprocess.run(
        [sys.executable, "-m", "hasten_cli.main", "doctor", *words],
        cwd=tmp_path,
        capture_output=True,
        text=True,
        check=False,
    )
    assert ended.returncode == 1, ended.stderr
    said = json.loads(ended.stdout)
    found = {one["check"]: one for one in said["findings"]}
    assert found["redis"]["status"] == "ok"
    assert found["redis persistence"]["status"] == "ok"
    assert found["redis eviction"]["status"] == "fail"
    assert found["redis eviction"]["next_step"] == "set `maxmemory-policy noeviction`"
    assert found["clock"]["status"] == "ok"
    assert found["router"]["status"] == "fail"
    assert found["consul"]["status"] == "fail"
    assert "the check itself failed" not in ended.stdout
    assert not list(tmp_path.iterdir())
