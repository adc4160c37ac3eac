"""Which worker holds which models when a run begins: a scenario's given, not a decision."""

from hasten_sim.scenario import Scenario


def placed(scenario: Scenario) -> list[list[int]]:
    """Indices of the models on each worker. Replicas go round the workers in turn, past those
    whose memory is full.

    Raises:
        ValueError: A model fits nowhere.
    """
    mesh = scenario.mesh
    held: list[list[int]] = [[] for _ in range(mesh.workers)]
    left_mb = [mesh.memory_mb or float("inf")] * mesh.workers
    turn = 0
    for number, model in enumerate(scenario.models):
        wanted = model.replicas or mesh.workers
        found = 0
        for step in range(mesh.workers):
            if found == wanted:
                break
            at = (turn + step) % mesh.workers
            if left_mb[at] >= model.memory_mb:
                left_mb[at] -= model.memory_mb
                held[at].append(number)
                found += 1
        if not found:
            raise ValueError(
                f"{scenario.name}: model {model.name!r} needs {model.memory_mb} MB, and "
                "no worker has that left"
            )
        turn += wanted
    return held
