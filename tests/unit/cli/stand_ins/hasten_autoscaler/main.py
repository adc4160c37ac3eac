"""An autoscaler that is ready and waits for SIGTERM; it writes its end into a diary."""

import json
import os
import signal
import socket
import sys
from pathlib import Path


def leave(*_: object) -> None:
    diary = os.environ.get("HASTEN_AUTOSCALER_DIARY")
    if diary:
        with Path(diary).open("a") as file:
            file.write("autoscaler\n")
    sys.exit(0)


def main() -> None:
    signal.signal(signal.SIGTERM, leave)
    # The listener is only there to have an address of its own.
    with socket.create_server(("127.0.0.1", 0)) as listener:
        facts = {
            "event": "ready",
            "pid": os.getpid(),
            "address": f"127.0.0.1:{listener.getsockname()[1]}",
        }
        sys.stdout.write(json.dumps(facts) + "\n")
        sys.stdout.flush()
        while True:
            signal.pause()


if __name__ == "__main__":
    main()
