"""How `hasten up` speaks: a live table on a terminal, plain lines elsewhere, or JSON."""

import json
import sys
from collections.abc import Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Protocol

from hasten_cli.local.plan import SEVERAL, kinds
from hasten_cli.local.supervisor import Service
from hasten_cli.local.table import rows, table
from hasten_cli.output import can_redraw, console, print_json
from hasten_runtime.standard_streams import OutputError

if TYPE_CHECKING:
    from rich.live import Live

    from hasten_client import Worker


@dataclass(frozen=True, slots=True)
class Summary:
    """A mesh that is ready.

    Attributes:
        address: The router's, as clients reach it.
        http: The router's for clients that speak HTTP.
        metrics: Of the router's metrics.
        services: All services.
        redis_url: With its password.
        run_dir: Folder of logs and data.
        took: How long the start took and where the time went.
        example: A command to try; "" when no model is ready.
        no_model: What to do then.
    """

    address: str
    http: str
    metrics: str
    services: Sequence[Service]
    redis_url: str
    run_dir: str
    took: str
    example: str
    no_model: str

    def as_json(self) -> dict[str, Any]:
        """For programs."""
        by_kind: dict[str, list[Service]] = {kind: [] for kind in kinds()}
        for service in self.services:
            by_kind[service.spec.kind].append(service)
        many = [(kind, by_kind.pop(kind)) for kind in SEVERAL]
        return {
            "address": self.address,
            "http": self.http,
            "metrics": self.metrics,
            **{f"{kind}s": [_facts(service) for service in services] for kind, services in many},
            **{kind: _facts(service) for kind, (service,) in by_kind.items()},
            "redis": {**_facts(*by_kind["redis"]), "url": self.redis_url},
            "run_dir": self.run_dir,
            "ready_after_s": {
                service.spec.name: round(service.ready_after_s, 3) for service in self.services
            },
        }

    def lines(self) -> list[str]:
        """For people."""
        lines = [
            f"Hasten is up on {self.address} (gRPC) and http://{self.http}/v2 (HTTP)",
            f"metrics: http://{self.metrics}/metrics",
            self.took,
            f"logs: {self.run_dir}/logs",
        ]
        lines.append(f"try:  {self.example}" if self.example else self.no_model)
        return [*lines, "Ctrl-C stops it and leaves nothing behind"]


def _facts(service: Service) -> dict[str, Any]:
    """A service for programs."""
    return {
        "id": service.spec.name,
        "address": service.address,
        "metrics": str(service.facts.get("metrics_address", "")),
        "pid": service.pid,
    }


class Voice(Protocol):
    """Speaks to whoever started the mesh."""

    live: bool
    """Wants to be shown the services again and again."""

    def say(self, sentence: str) -> None:
        """Something happened."""
        ...

    def ready(self, summary: Summary) -> None:
        """The mesh is ready; said once."""
        ...

    def show(self, services: Sequence[Service], workers: Mapping[str, "Worker"]) -> None:
        """The services as they are now."""
        ...

    def close(self) -> None:
        """Nothing more will be said."""
        ...


class JsonVoice:
    """One line of JSON when ready, on standard output; news, a line each, on standard error."""

    live = False

    def say(self, sentence: str) -> None:
        """On standard error."""
        _complain(json.dumps({"said": sentence}))

    def ready(self, summary: Summary) -> None:
        """The one line."""
        try:
            print_json(summary.as_json())
        except OSError as error:
            if said := _lost(error):
                self.say(said)

    def show(self, services: Sequence[Service], workers: Mapping[str, "Worker"]) -> None:
        """Programs ask the router instead."""

    def close(self) -> None:
        """Nothing to put back."""


class PlainVoice:
    """A line for each thing that happens."""

    live = False

    def __init__(self) -> None:
        self._told = False

    def say(self, sentence: str) -> None:
        """On standard output."""
        try:
            print(sentence, flush=True)
        except OSError as error:
            if not self._told and (said := _lost(error)):
                _complain(f"error: {said}")
            self._told = True

    def ready(self, summary: Summary) -> None:
        """The services, then how to go on."""
        for row in rows(summary.services, {}):
            self.say(f"{row.service} on {row.address}, pid {row.pid}")
        for line in summary.lines():
            self.say(line)

    def show(self, services: Sequence[Service], workers: Mapping[str, "Worker"]) -> None:
        """Repeating itself would help nobody in a log."""

    def close(self) -> None:
        """Nothing to put back."""


class TerminalVoice:
    """A table that is kept up to date, with the news above it."""

    live = True

    def __init__(self) -> None:
        self._console = console()
        self._live: Live | None = None
        self._below: list[str] = []

    def say(self, sentence: str) -> None:
        """Above the table."""
        with suppress(OSError):  # A terminal that is gone; the mesh goes on.
            self._console.print(sentence, markup=False)

    def ready(self, summary: Summary) -> None:
        """Below the table from now on."""
        self._below = summary.lines()

    def show(self, services: Sequence[Service], workers: Mapping[str, "Worker"]) -> None:
        """Draws the table again."""
        with suppress(OSError):  # As above.
            self._draw(services, workers)

    def close(self) -> None:
        """Gives the cursor back."""
        if self._live is not None:
            with suppress(OSError):  # As above.
                self._live.stop()
            self._live = None

    def _draw(self, services: Sequence[Service], workers: Mapping[str, "Worker"]) -> None:
        from rich.console import Group
        from rich.live import Live
        from rich.text import Text

        shown = Group(
            table(rows(services, workers)),
            *(
                Text(line, style="bold green" if line.startswith("try:") else "")
                for line in self._below
            ),
        )
        if self._live is None:
            # Drawn on demand: a drawing thread would be alive when children are forked.
            # Gone when closed, for what it shows would no longer be true.
            self._live = Live(shown, console=self._console, auto_refresh=False, transient=True)
            self._live.start()
        self._live.update(shown, refresh=True)


def voice(*, as_json: bool) -> Voice:
    """The one that fits where standard output goes."""
    if as_json:
        return JsonVoice()
    return TerminalVoice() if can_redraw(console()) else PlainVoice()


def _lost(error: OSError) -> str:
    """What to say of a sentence that could not be written: whoever listened may have left, or
    the disk that keeps it be full; the mesh goes on. "" when nobody wants to hear it.
    """
    if isinstance(error, OutputError) and error.reader_left:
        return ""
    return f"{error}; the mesh goes on"


def _complain(sentence: str) -> None:
    with suppress(OSError):  # There is no other place to say it.
        print(sentence, file=sys.stderr, flush=True)
