"""Every call about DAGs, as a value that either client can carry out."""

from typing import Final

from hasten.scheduler.v1 import dag_service_pb2 as pb
from hasten_client import dag_views as views
from hasten_client.dag_requests import Dag, dag_message
from hasten_client.operations import Operation

_DAGS: Final = pb.DESCRIPTOR.services_by_name["DagService"]
DAGS: Final = {each.name: f"/{_DAGS.full_name}/{each.name}" for each in _DAGS.methods}
"""Paths by method."""


def submit(
    dag: Dag,
) -> Operation[pb.SubmitDagRequest, pb.SubmitDagResponse, views.DagSubmitted]:
    """Accepts one DAG."""
    request = pb.SubmitDagRequest(dag=dag_message(dag))
    return Operation(DAGS["SubmitDag"], request, pb.SubmitDagResponse, views.submitted)


def get(name: str, tenant: str) -> Operation[pb.GetDagRequest, pb.GetDagResponse, views.DagStatus]:
    """A DAG as it is now."""
    request = pb.GetDagRequest(name=pb.DagName(name=name, tenant=tenant))
    return Operation(
        DAGS["GetDag"], request, pb.GetDagResponse, lambda wire: views.status(wire.dag)
    )


def wait(
    name: str, tenant: str
) -> Operation[pb.WaitDagRequest, pb.WaitDagResponse, views.DagStatus]:
    """A DAG when it has ended."""
    request = pb.WaitDagRequest(name=pb.DagName(name=name, tenant=tenant))
    return Operation(
        DAGS["WaitDag"], request, pb.WaitDagResponse, lambda wire: views.status(wire.dag)
    )


def page(
    tenant: str | None, page_size: int, page_token: str
) -> Operation[pb.ListDagsRequest, pb.ListDagsResponse, views.DagPage]:
    """A page of DAGs."""
    request = pb.ListDagsRequest(tenant=tenant, page_size=page_size, page_token=page_token)
    return Operation(DAGS["ListDags"], request, pb.ListDagsResponse, views.page)


def cancel(name: str, tenant: str) -> Operation[pb.CancelDagRequest, pb.CancelDagResponse, str]:
    """Cancels a DAG; its state before."""
    request = pb.CancelDagRequest(name=pb.DagName(name=name, tenant=tenant))
    return Operation(
        DAGS["CancelDag"],
        request,
        pb.CancelDagResponse,
        lambda wire: views.dag_state(wire.before),
    )
