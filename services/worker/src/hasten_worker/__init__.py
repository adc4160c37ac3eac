"""The worker: a shell around hasten_policy's WorkerMachine."""
