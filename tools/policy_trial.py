"""Runs a tiny simulation under every policy, to see that the policies run.

Prints the file that the router's machine was loaded from, then a line of figures for each policy.
"""

from pathlib import Path
from typing import Final

from hasten_policy.registry import KINDS, names, resolve
from hasten_policy.router import machine
from hasten_sim.simulate import simulate
from hasten_sim.workload import load

WORKLOAD: Final = Path(__file__).resolve().parents[1] / "loadtest" / "workloads" / "small.toml"
DURATION_S: Final = 0.2
LOAD: Final = 1.5


def main() -> None:
    """Entry point."""
    print(machine.__file__)
    scenario = load(WORKLOAD).scenario(load=LOAD, duration_s=DURATION_S)
    for kind in KINDS:
        for name in names(kind):
            policies = resolve(name if kind == "bundle" else f"hasten,{kind}={name}")
            print(simulate(scenario, policies, seed=1))


if __name__ == "__main__":
    main()
