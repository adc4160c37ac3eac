"""A report for tests to which its content does not matter."""

from hasten_policy.load import LoadSample, WorkerReport

LOAD = LoadSample(
    seq=1, depth=0, backlog_s=0.0, residual_s=0.0, received=0, window=8, service_s=0.0
)
REPORT = WorkerReport(incarnation="1", draining=False, lanes=1, load=LOAD, models=())
