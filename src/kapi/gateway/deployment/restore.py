"""The resources of the deployed APIs at the start of the process. For `deployer.py`."""

from __future__ import annotations

from kapi.gateway.deployment.change import all_resources, rendered_of, resources_of, scopes_in
from kapi.gateway.deployment.deployed_apis import DeployedApis
from kapi.gateway.envoy.resources.context import RenderContext
from kapi.gateway.envoy.resources.resource import Resource
from kapi.store import Store


def restored(
    store: Store, apis: DeployedApis, context: RenderContext, fingerprint: str
) -> tuple[Resource, ...]:
    """The clusters and scopes of all APIs, as the store keeps them.

    When a scope with this fingerprint is missing, all APIs are compiled and rendered again, and the
    store keeps the result.
    """
    resources = resources_of(store.rendered(fingerprint))
    if scopes_in(resources).keys() >= set(apis.all_segments()):
        return resources
    resources = all_resources(
        {segment: apis.irs(segment) for segment in apis.all_segments()}, context
    )
    store.replace_rendered(rendered_of(resources, fingerprint), fingerprint)
    return resources
