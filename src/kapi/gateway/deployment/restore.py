"""The resources of the deployed APIs at the start of the process. For `deployer.py`."""

from __future__ import annotations

from collections.abc import Iterable

from kapi.gateway.deployment.change import (
    Key,
    all_resources,
    rendered_of,
    resources_of,
    scopes_in,
)
from kapi.gateway.deployment.deployed_apis import DeployedApis
from kapi.gateway.envoy.resources.context import RenderContext
from kapi.gateway.envoy.resources.names import SCOPE, names_in
from kapi.gateway.envoy.resources.resource import Resource
from kapi.store import Store


def restored(
    store: Store,
    apis: DeployedApis,
    context: RenderContext,
    fingerprint: str,
    change: int,
) -> tuple[Resource, ...]:
    """The clusters and scopes of all APIs, as the store keeps them.

    What is missing with this fingerprint is compiled and rendered, and the store keeps it, unless
    `change` is no longer the newest: another node with other settings may have deployed meanwhile.
    """
    kept = resources_of(store.rendered(fingerprint))
    scopes = scopes_in(kept)
    beside = {item.name: item for item in kept if item.type_url != SCOPE}
    used: dict[Key, Resource] = {}
    missing = []
    for segment in apis.all_segments():
        scope = scopes.get(segment)
        if scope is not None and (names := _named(scope)) <= beside.keys():
            used |= _by_key((scope, *map(beside.__getitem__, sorted(names))))
        else:
            missing.append(segment)
    if not missing:
        return tuple(used.values())
    made = all_resources({segment: apis.irs(segment) for segment in missing}, context)
    store.add_rendered(rendered_of(made, fingerprint), fingerprint, change)
    return tuple((used | _by_key(made)).values())


def _by_key(resources: Iterable[Resource]) -> dict[Key, Resource]:
    return {(item.type_url, item.name): item for item in resources}


def _named(scope: Resource) -> frozenset[str]:
    """The clusters and credentials that a scope names."""
    names = names_in(scope.body)
    return names.backends | names.credentials
