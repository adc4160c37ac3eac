"""Which workers to keep out for a while: failing, or far slower than the rest.

The rules are those of the proxies people trust: consecutive failures, success rate against the
mean of the pool, ejection times that grow, and never more than a share of the pool (gRFC A50).
"""

from statistics import fmean, median, pstdev

from hasten_policy.fleet.policy import FleetPolicy
from hasten_policy.fleet.workers import ModelEntry, WorkerRecord


def ejectable(workers: list[WorkerRecord], policy: FleetPolicy) -> int:
    """How many more of these reported workers may be ejected. The last open one never is."""
    share = policy.eject_share_small if len(workers) < 6 else policy.eject_share
    most = max(1, int(len(workers) * share))
    out = sum(worker.ejected_until_s > 0 for worker in workers)
    still_open = sum(worker.open for worker in workers)
    return max(0, min(most - out, still_open - 1))


def eject_s(worker: WorkerRecord, policy: FleetPolicy) -> float:
    """Length of the worker's next ejection."""
    return min(policy.eject_s_max, policy.eject_base_s * (worker.ejections + 1))


def failing(worker: WorkerRecord, policy: FleetPolicy) -> bool:
    """Too many infrastructure failures in a row."""
    return worker.failures_in_a_row >= policy.eject_failures


def unsuccessful(workers: list[WorkerRecord], policy: FleetPolicy) -> list[WorkerRecord]:
    """Workers whose success rate in the window lies far below the pool's."""
    rates = {
        worker.worker_id: worker.window_ok / (worker.window_ok + worker.window_failed)
        for worker in workers
        if worker.window_ok + worker.window_failed >= policy.eject_calls_min
    }
    if len(rates) < policy.eject_hosts_min:
        return []
    floor = fmean(rates.values()) - policy.eject_deviations * pstdev(rates.values())
    return [worker for worker in workers if rates.get(worker.worker_id, 1.0) < floor]


def slow(workers: list[WorkerRecord], policy: FleetPolicy) -> list[WorkerRecord]:
    """Workers that were slower than the pool's median for several windows in a row.

    Compares each model with the same model elsewhere, and counts a window only for workers that
    answered enough in it. Updates `slow_windows`.
    """
    peers: dict[tuple[str, str], list[ModelEntry]] = {}
    for worker in workers:
        for entry in worker.entries:
            if entry.window_calls > 0:
                peers.setdefault((entry.name, entry.version), []).append(entry)
    found: list[WorkerRecord] = []
    for worker in workers:
        ratios = [
            entry.cost_s / max(median(peer.cost_s for peer in rest), 1e-9)
            for entry in worker.entries
            if entry.window_calls > 0
            if (rest := [p for p in peers[entry.name, entry.version] if p.worker is not worker])
        ]
        if ratios and median(ratios) > policy.eject_slow_factor:
            worker.slow_windows += 1
            if worker.slow_windows >= policy.eject_slow_windows:
                found.append(worker)
        else:
            worker.slow_windows = 0
    return found


def new_window(workers: list[WorkerRecord]) -> None:
    """Forgets the counts of the window that ends."""
    for worker in workers:
        worker.window_ok = 0
        worker.window_failed = 0
        for entry in worker.entries:
            entry.window_calls = 0
