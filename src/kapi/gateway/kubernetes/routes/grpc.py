"""The rules of a gRPC API on one host: one for each method. Pure."""

from __future__ import annotations

from collections.abc import Iterator

from kapi.apis.ir import path_at
from kapi.gateway.kubernetes.routes.entries import GrpcEntry
from kapi.gateway.kubernetes.routes.places import PlacedOperations
from kapi.policies import Place
from kapi.policies.kinds.grpc import GrpcCalls
from kapi.policies.kubernetes import NotPossible
from kapi.typed import first_of


def grpc_entries(item: PlacedOperations) -> Iterator[GrpcEntry | NotPossible]:
    """Each method, or why it cannot be expressed."""
    for place in item.places:
        yield _entry(place)


def _entry(place: Place) -> GrpcEntry | NotPossible:
    operation = place.operation
    node = first_of(operation.policies, GrpcCalls)
    if node is None:
        what = "pre-flight requests of a gRPC API"
        return NotPossible(
            what, "Remove corsConfiguration, or deploy the API to kapi's gateway."
        )
    path = path_at(operation, place.base_path)
    service, _, method = path.strip("/").rpartition("/")
    if "/" in service:
        what = f"the path {path} of a gRPC method, which has more than a service and a method"
        return NotPossible(
            what, "Use a base path of one segment, such as /org.example."
        )
    backend_path = f"/{node.service(operation.target)}/{operation.verb}"
    return GrpcEntry(service, method, place, backend_path)
