"""Every name of a span, attribute, span event and metric that Hasten emits.

Names are a promise to dashboards and alerts: they are added, not changed. Those that are not
ours follow OpenTelemetry's semantic conventions. A test keeps this list equal to what the code
uses.
"""

from typing import Final

# --- spans. RPC spans are named by their method: "inference.GRPCInferenceService/ModelInfer" ---

SPAN_ROUTER_ATTEMPT: Final = "hasten.router.attempt"
"""Router: from sending a call to a worker until its answer; a child of the client's RPC."""
SPAN_SCHEDULER_ATTEMPT: Final = "hasten.scheduler.attempt"
"""Scheduler: from sending a task to a worker until its answer; a child of the RPC that submitted
the task, however long ago that was."""
SPAN_WORKER_CALL: Final = "hasten.worker.call"
"""Worker: from receiving a call over a router's stream until its answer."""
SPAN_WORKER_BATCH: Final = "hasten.worker.batch"
"""Worker: one batch on a lane; a trace of its own, linked with its members both ways."""

# --- span events ---

EVENT_ADMITTED: Final = "hasten.admitted"
EVENT_BATCHED: Final = "hasten.batched"
EVENT_NOT_BEGUN: Final = "hasten.not_begun"

# --- attributes: semantic conventions ---

ATTR_RPC_SYSTEM: Final = "rpc.system.name"
ATTR_RPC_METHOD: Final = "rpc.method"
ATTR_RPC_STATUS: Final = "rpc.response.status_code"
ATTR_ERROR_TYPE: Final = "error.type"
ATTR_SERVER_ADDRESS: Final = "server.address"
ATTR_SERVER_PORT: Final = "server.port"
ATTR_SERVICE_NAME: Final = "service.name"
ATTR_SERVICE_INSTANCE: Final = "service.instance.id"
ATTR_SERVICE_VERSION: Final = "service.version"

# --- attributes: ours ---

ATTR_MODEL: Final = "hasten.model"
ATTR_VERSION: Final = "hasten.version"
ATTR_WORKER: Final = "hasten.worker"
ATTR_ATTEMPT: Final = "hasten.attempt"
ATTR_TASK: Final = "hasten.task"
ATTR_REASON: Final = "hasten.reason"
ATTR_ROWS: Final = "hasten.rows"
ATTR_PADDED_ROWS: Final = "hasten.padded_rows"
ATTR_TIME_LEFT_S: Final = "hasten.time_left_s"

# --- metrics, both services ---

METRIC_BUILD_INFO: Final = "hasten_build_info"
METRIC_REQUESTS: Final = "hasten_requests_total"
METRIC_REFUSALS: Final = "hasten_refusals_total"
METRIC_REQUEST_SECONDS: Final = "hasten_request_duration_seconds"
METRIC_ADMISSION_SLACK: Final = "hasten_admission_slack_seconds"
METRIC_LATENESS: Final = "hasten_completion_lateness_seconds"
METRIC_LOOP_LAG: Final = "hasten_loop_lag_seconds"
METRIC_STOLEN: Final = "hasten_host_stolen_ratio"

# --- metrics, router ---

METRIC_ROUTER_HELD: Final = "hasten_router_held_calls"
METRIC_ROUTER_IN_FLIGHT: Final = "hasten_router_in_flight_calls"
METRIC_ROUTER_ATTEMPTS: Final = "hasten_router_attempts_total"
METRIC_ROUTER_HOLD_SECONDS: Final = "hasten_router_hold_seconds"
METRIC_ROUTER_STANDING: Final = "hasten_router_worker_standing"
METRIC_ROUTER_DISCOVERY_AGE: Final = "hasten_router_discovery_age_seconds"

# --- metrics, worker ---

METRIC_WORKER_WAITING: Final = "hasten_worker_waiting_calls"
METRIC_WORKER_RUNNING: Final = "hasten_worker_running_batches"
METRIC_WORKER_QUEUE_SECONDS: Final = "hasten_worker_queue_seconds"
METRIC_WORKER_BATCH_ROWS: Final = "hasten_worker_batch_rows"
METRIC_WORKER_BATCH_SECONDS: Final = "hasten_worker_batch_seconds"
METRIC_WORKER_PREDICTION_RATIO: Final = "hasten_worker_batch_prediction_ratio"
METRIC_WORKER_WASTED: Final = "hasten_worker_wasted_seconds_total"
METRIC_WORKER_LATE_STARTS: Final = "hasten_worker_late_starts_total"
METRIC_WORKER_MODELS: Final = "hasten_worker_models_ready"
METRIC_WORKER_PROCESSES: Final = "hasten_worker_model_processes"
METRIC_WORKER_PROCESSES_MEMORY: Final = "hasten_worker_model_processes_memory_bytes"
METRIC_WORKER_PROCESSES_CPU: Final = "hasten_worker_model_processes_cpu_seconds"
METRIC_WORKER_PROCESSES_ENDED: Final = "hasten_worker_model_processes_ended_total"

# --- metrics, scheduler ---

METRIC_SCHEDULER_ACCEPTED: Final = "hasten_scheduler_accepted_total"
METRIC_SCHEDULER_ATTEMPTS: Final = "hasten_scheduler_attempts_total"
METRIC_SCHEDULER_START_SECONDS: Final = "hasten_scheduler_start_seconds"
METRIC_SCHEDULER_JOBS: Final = "hasten_scheduler_jobs"
METRIC_SCHEDULER_JOBS_ENDED: Final = "hasten_scheduler_jobs_ended_total"
METRIC_SCHEDULER_TURNS: Final = "hasten_scheduler_schedule_turns_total"
METRIC_SCHEDULER_RUNS_DUE: Final = "hasten_scheduler_schedule_runs_due"
METRIC_SCHEDULER_RUNNING: Final = "hasten_scheduler_running_attempts"
METRIC_SCHEDULER_SHARDS: Final = "hasten_scheduler_owned_shards"
METRIC_SCHEDULER_WAITERS: Final = "hasten_scheduler_waiting_callers"
METRIC_SCHEDULER_AWAY: Final = "hasten_scheduler_stores_away"

# --- metrics, autoscaler ---

METRIC_DESIRED_REPLICAS: Final = "hasten_desired_replicas"
METRIC_AUTOSCALER_WORKERS: Final = "hasten_autoscaler_workers"
METRIC_AUTOSCALER_LOAD: Final = "hasten_autoscaler_load_workers"
METRIC_AUTOSCALER_CHANGES: Final = "hasten_autoscaler_changes_total"
METRIC_AUTOSCALER_STARTS: Final = "hasten_autoscaler_starts_total"
METRIC_AUTOSCALER_JUDGED: Final = "hasten_autoscaler_judged_total"
METRIC_AUTOSCALER_JUDGED_WORKERS: Final = "hasten_autoscaler_judged_workers_total"
METRIC_AUTOSCALER_FORECAST_ERROR: Final = "hasten_autoscaler_forecast_error_workers"
METRIC_AUTOSCALER_LEADS: Final = "hasten_autoscaler_leads"
