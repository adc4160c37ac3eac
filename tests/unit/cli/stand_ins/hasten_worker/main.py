"""Says that it is ready and waits for SIGTERM; HASTEN_WORKER_FAKE makes it misbehave."""

import json
import os
import signal
import socket
import subprocess
import sys
from pathlib import Path

MODE = os.environ.get("HASTEN_WORKER_FAKE", "")
NAME = os.environ["HASTEN_WORKER_ID"]


def leave(*_: object) -> None:
    diary = os.environ.get("HASTEN_WORKER_DIARY")
    if diary:
        with Path(diary).open("a") as file:
            file.write(f"{NAME}\n")
    sys.exit(0)


def say(line: str) -> None:
    sys.stdout.write(f"{line}\n")
    sys.stdout.flush()


def main() -> None:
    sys.stderr.write(f"{NAME} speaks to standard error\n")
    if MODE == "unrecorded":
        line = {"event": "recording.ended", "reason": "no room", "log": "w.hlog", "level": "error"}
        sys.stderr.write(f"{json.dumps(line)}\n")
    if MODE == "crash":
        sys.exit("there is no such model")
    signal.signal(signal.SIGTERM, signal.SIG_IGN if MODE == "stubborn" else leave)
    if MODE == "parent":
        subprocess.Popen(
            [sys.executable, "-c", f"import signal; {NAME!r}; signal.pause()"],
            stdin=subprocess.DEVNULL,
        )
    # The listener is only there to have an address of its own.
    with socket.create_server(("127.0.0.1", 0)) as listener:
        address = f"127.0.0.1:{listener.getsockname()[1]}"
        say("not a ready line")
        if MODE != "mute":
            say(json.dumps({"event": "ready", "pid": os.getpid(), "address": address}))
        while True:
            signal.pause()


if __name__ == "__main__":
    main()
