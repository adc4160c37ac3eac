"""Real workers and schedulers that a test starts and kills."""

from contextlib import ExitStack
from pathlib import Path

from loadtest.repository import write_synthetic
from tests.support.servers import RedisServer
from tests.support.services import Service, running_service, scheduler_environ, worker_environ


class Mesh:
    """Redis, workers and schedulers that a test starts and kills."""

    def __init__(self, folder: Path, running: ExitStack, redis: RedisServer) -> None:
        self.redis = redis
        self._folder = folder
        self._running = running
        self._models = folder / "models"
        write_synthetic(self._models, "nap", alpha_ms=100, beta_ms=0, batch_max=1)
        write_synthetic(self._models, "echo", alpha_ms=1, beta_ms=0, batch_max=8)

    def worker(self, name: str) -> Service:
        environ = worker_environ(name, self._models, {"kind": "redis", "address": self.redis.url})
        return self._start("hasten_worker.main", name, environ)

    def scheduler(self, name: str, **settings: str) -> Service:
        environ = scheduler_environ(name, self.redis.url, **settings)
        return self._start("hasten_scheduler.main", name, environ)

    def _start(self, module: str, name: str, environ: dict[str, str]) -> Service:
        log_path = self._folder / f"{name}.log"
        return self._running.enter_context(running_service(module, environ, log_path=log_path))
