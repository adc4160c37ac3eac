"""Are calls answered beside a router that cannot serve, and never late?

    python -m tests.clients.beside [--calls 2000] [--deadline-ms 1000] [LANGUAGE...]

Each client gets two routers, one of them without workers, and calls one after the other by its
service config, with its retries, after a few calls that load its code. Printed as JSON: how many
calls were answered, and by how much the slowest one was over its deadline. The exit status is 1
where less than 99.9 % were answered, or a call ended more than 5 ms after its deadline.
"""

import argparse
import json
import sys
from dataclasses import asdict, dataclass
from typing import Any, Final

from tests.clients.languages import LANGUAGES, Conformance, Language, built
from tests.clients.matrix import a_world
from tests.clients.world import World

FIRST: Final = 50
"""Calls that are not counted: a JVM loads a second's worth of classes for the first one."""
ANSWERED_MIN: Final = 0.999
LATE_MS_MAX: Final = 5.0


@dataclass(frozen=True, slots=True)
class Beside:
    """What came of the calls of one language.

    Attributes:
        calls: Made.
        answered: Of them.
        late_ms: By how much the slowest was over its deadline; less than 0 when it was not.
        refused: What the refused ones said.
    """

    calls: int
    answered: int
    late_ms: float
    refused: list[dict[str, Any]]

    @property
    def good(self) -> bool:
        """It is as it should be."""
        return self.answered >= ANSWERED_MIN * self.calls and self.late_ms <= LATE_MS_MAX


def called(language: Language, world: World, *, calls: int, deadline_ms: int) -> Beside:
    """Makes the calls; the client must be built."""
    to = f"{world.addresses['bare']},{world.addresses['good']}"
    what = f"infer to={to} model=echo input=INPUT shape=1,1 values=1"
    client = Conformance(language)
    made, answered, late_ms = 0, 0, float("-inf")
    refused: list[dict[str, Any]] = []
    try:
        client.ask(f"{what} repeat={FIRST}")
        what += f" deadline_us={deadline_ms}000"
        while made < calls:
            # A refusal ends a row: another one goes on.
            said = client.ask(f"{what} repeat={calls - made}")
            answered += said["answered"]
            made += said["answered"]
            late_ms = max(late_ms, said["late_ms"])
            if said["status"] != "OK":
                made += 1
                refused.append(said)
    finally:
        client.close()
    return Beside(made, answered, late_ms, refused)


def main() -> int:
    """Entry point."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("languages", nargs="*", default=["go", "java"], metavar="LANGUAGE")
    parser.add_argument("--calls", type=int, default=2000)
    parser.add_argument("--deadline-ms", type=int, default=1000)
    chosen = parser.parse_args()
    found: dict[str, Beside] = {}
    with a_world() as world:
        for language in LANGUAGES:
            if language.name in chosen.languages:
                built(language)
                found[language.name] = called(
                    language, world, calls=chosen.calls, deadline_ms=chosen.deadline_ms
                )
    print(json.dumps({name: asdict(beside) for name, beside in found.items()}))
    return int(not all(beside.good for beside in found.values()))


if __name__ == "__main__":
    sys.exit(main())
