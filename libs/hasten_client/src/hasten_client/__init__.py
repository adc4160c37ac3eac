"""The Python client of Hasten: asyncio and sync, numpy in and out.

with Client("localhost:8001") as client:
    result = client.infer("digits", {"image": pixels}, deadline_s=0.05)
    result["probabilities"]
"""

from hasten_client.aio import AsyncClient
from hasten_client.aio_batches import AsyncBatchClient
from hasten_client.aio_dags import AsyncDagClient
from hasten_client.aio_tasks import AsyncTaskClient
from hasten_client.batch_operations import BatchInput, NewBatch
from hasten_client.batch_views import Batch, BatchLine, Callback
from hasten_client.batches import BatchClient
from hasten_client.client import Client
from hasten_client.dag_requests import Dag, DagStep, From, Split, When, split_dag
from hasten_client.dag_views import DagPage, DagPart, DagStatus, DagStepStatus, DagSubmitted
from hasten_client.dags import DagClient
from hasten_client.errors import (
    AccessDenied,
    Cancelled,
    DeadlineExceeded,
    DeadlineInfeasible,
    FailedPrecondition,
    HastenError,
    InternalError,
    InvalidArgument,
    InvalidResponse,
    MessageTooLarge,
    ModelFailed,
    NotFound,
    Overloaded,
    QuotaExceeded,
    Unavailable,
    Unimplemented,
    Unreachable,
)
from hasten_client.request import InferRequest
from hasten_client.result import Result
from hasten_client.retry import RetryPolicy
from hasten_client.task_requests import NewTask
from hasten_client.task_views import QueueStats, Submitted, Task, TaskChange
from hasten_client.tasks import TaskClient
from hasten_client.timing import TimingBreakdown
from hasten_client.views import (
    ModelMetadata,
    ModelState,
    ServerMetadata,
    TensorMetadata,
    Worker,
    WorkerModel,
)

__all__ = [
    "AccessDenied",
    "AsyncBatchClient",
    "AsyncClient",
    "AsyncDagClient",
    "AsyncTaskClient",
    "Batch",
    "BatchClient",
    "BatchInput",
    "BatchLine",
    "Callback",
    "Cancelled",
    "Client",
    "Dag",
    "DagClient",
    "DagPage",
    "DagPart",
    "DagStatus",
    "DagStep",
    "DagStepStatus",
    "DagSubmitted",
    "DeadlineExceeded",
    "DeadlineInfeasible",
    "FailedPrecondition",
    "From",
    "HastenError",
    "InferRequest",
    "InternalError",
    "InvalidArgument",
    "InvalidResponse",
    "MessageTooLarge",
    "ModelFailed",
    "ModelMetadata",
    "ModelState",
    "NewBatch",
    "NewTask",
    "NotFound",
    "Overloaded",
    "QueueStats",
    "QuotaExceeded",
    "Result",
    "RetryPolicy",
    "ServerMetadata",
    "Split",
    "Submitted",
    "Task",
    "TaskChange",
    "TaskClient",
    "TensorMetadata",
    "TimingBreakdown",
    "Unavailable",
    "Unimplemented",
    "Unreachable",
    "When",
    "Worker",
    "WorkerModel",
    "split_dag",
]
