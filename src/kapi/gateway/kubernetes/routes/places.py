"""Where the operations of an API are served: host and base path, the longest base path first."""

from __future__ import annotations

from collections.abc import Iterable, Iterator

from kapi.apis.ir import Api, Operation, endpoints_on, is_at_host
from kapi.dataclass import dataclass
from kapi.gateway.envoy.resources.context import api_host
from kapi.gateway.kubernetes.context import ExportContext
from kapi.policies import Place


@dataclass(frozen=True, slots=True)
class PlacedOperations:
    """The operations of an API on one host below one base path."""

    host: str
    base_path: str
    places: tuple[Place, ...]


def placed_operations(api: Api, context: ExportContext) -> Iterator[PlacedOperations]:
    """Of both hosts. Operations at a host are below the first base path only."""
    for sandbox in (False, True):
        host = api_host(
            context.settings.gateway, api.organization, api.environment, sandbox=sandbox
        )
        for base_path in sorted(api.base_paths, key=lambda path: (-len(path), path)):
            places = tuple(
                _place(api, operation, host, base_path, context, sandbox=sandbox)
                for operation in _operations(api, base_path)
                if endpoints_on(operation, sandbox=sandbox)
            )
            if places:
                yield PlacedOperations(host, base_path.rstrip("/"), places)


def _operations(api: Api, base_path: str) -> Iterable[Operation]:
    if base_path == api.base_path:
        return api.operations
    return (item for item in api.operations if not is_at_host(item))


def _place(
    api: Api,
    operation: Operation,
    host: str,
    base_path: str,
    context: ExportContext,
    *,
    sandbox: bool,
) -> Place:
    settings = context.settings
    return Place(
        api,
        operation,
        endpoints_on(operation, sandbox=sandbox),
        host,
        base_path.rstrip("/"),
        sandbox,
        context.secrets,
        settings.gateway,
        subscriptions=settings.subscriptions,
    )
