"""One attack as a process: NAME, where, as JSON, and for how many seconds. Says when it begins."""

import json
import os
import sys
import time

from loadtest.attacks import ports, requests, streams
from loadtest.attacks.where import Where

ATTACKS = {
    attack.__name__: attack for module in (requests, streams, ports) for attack in module.ATTACKS
}
NICE = 10
"""An attacker has machines of its own: here it takes only what the mesh and the honest leave."""

if __name__ == "__main__":
    os.nice(NICE)
    print(flush=True)
    ends_s = time.monotonic() + float(sys.argv[3])
    ATTACKS[sys.argv[1]](Where(**json.loads(sys.argv[2]), ends_s=ends_s))
