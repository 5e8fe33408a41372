"""What a deployment changes in Envoy and in the store. Pure; for `deployer.py` and `restore.py`."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from kapi.apis.ir import Api
from kapi.gateway.envoy.resources.context import RenderContext
from kapi.gateway.envoy.resources.names import CLUSTER, NOTHING, SCOPE, Names, names_in
from kapi.gateway.envoy.resources.render import render_backends, render_scope
from kapi.gateway.envoy.resources.resource import Resource, resource
from kapi.gateway.envoy.stream.encode import encode
from kapi.store import Rendered

_TYPE_URLS = {"scope": SCOPE, "cluster": CLUSTER}
_KINDS = {type_url: kind for kind, type_url in _TYPE_URLS.items()}

Key = tuple[str, str]
"""Type and name of a resource."""
ApisBySegment = Mapping[str, Sequence[Api]]
"""First path segment → the APIs that answer below it."""


@dataclass(frozen=True, slots=True)
class Change:
    """The difference between the current state and the state after a deployment."""

    changed: tuple[Resource, ...]
    """Resources that Envoy must hold afterwards."""
    removed: tuple[Key, ...]
    """Resources that Envoy must not hold afterwards."""
    names: Mapping[str, Names]
    """For each touched segment, the backends and secrets that its scope names afterwards."""
    rendered: tuple[Rendered, ...]
    """What the store keeps beside the sources."""
    dropped: tuple[Key, ...]
    """Kind and name of what the store no longer keeps."""

    @property
    def keys(self) -> tuple[Key, ...]:
        """Type and name of every resource that is touched."""
        return (*((item.type_url, item.name) for item in self.changed), *self.removed)

    @property
    def scopes(self) -> tuple[bytes, ...]:
        """The encoded scopes that are published."""
        found = []
        for item in self.changed:
            if item.type_url == SCOPE:
                found.append(item.body)
        return tuple(found)


def change_of(
    apis: ApisBySegment,
    names_before: Mapping[str, Names],
    context: RenderContext,
    fingerprint: str,
) -> Change:
    """The change that makes these APIs, and no others, answer below these segments.

    `names_before` contains the names of the current scopes, of these segments and of all others.
    """
    scopes = _encoded_scopes(apis, context)
    names = {segment: _names(scopes.get(segment)) for segment in sorted(apis)}
    clusters = _clusters(apis, _backends(names.values()), context)
    unused = _unused_backends(names_before, names)
    # A scope without an API contains system routes only. These are rendered at each start.
    without_api = []
    for segment in names:
        if not apis[segment]:
            without_api.append(segment)
    with_api = []
    for segment, scope in scopes.items():
        if apis[segment]:
            with_api.append(scope)
    gone = []
    for segment in names:
        if segment not in scopes:
            gone.append(segment)
    return Change(
        changed=(*clusters, *scopes.values()),
        removed=(*_keys(SCOPE, gone), *_keys(CLUSTER, unused)),
        names=names,
        rendered=rendered_of((*clusters, *with_api), fingerprint),
        dropped=(*_keys("scope", without_api), *_keys("cluster", unused)),
    )


def _keys(kind: str, names: Iterable[str]) -> list[Key]:
    return [(kind, name) for name in names]


def all_resources(apis: ApisBySegment, context: RenderContext) -> tuple[Resource, ...]:
    """The clusters and scopes of all APIs."""
    occupied = {}
    for segment, here in apis.items():
        if here:
            occupied[segment] = here
    clusters = render_backends(_distinct(occupied), context)
    return (*_encoded_clusters(clusters), *_encoded_scopes(occupied, context).values())


def rendered_of(resources: Iterable[Resource], fingerprint: str) -> tuple[Rendered, ...]:
    """Clusters and scopes in the form that the store keeps."""
    return tuple(
        Rendered(_KINDS[item.type_url], item.name, fingerprint, item.body) for item in resources
    )


def resources_of(rendered: Iterable[Rendered]) -> tuple[Resource, ...]:
    """Clusters and scopes from the form that the store keeps."""
    return tuple(resource(_TYPE_URLS[item.kind], item.name, item.body) for item in rendered)


def scopes_in(resources: Iterable[Resource]) -> dict[str, Resource]:
    """The scopes among resources, by name."""
    found = {}
    for item in resources:
        if item.type_url == SCOPE:
            found[item.name] = item
    return found


def _encoded_scopes(apis: ApisBySegment, context: RenderContext) -> dict[str, Resource]:
    encoded: dict[str, Resource] = {}
    for segment in sorted(apis):
        scope = render_scope(segment, apis[segment], context)
        if scope is not None:
            encoded[segment] = encode(SCOPE, scope)
    return encoded


def _clusters(
    apis: ApisBySegment, used: frozenset[str], context: RenderContext
) -> tuple[Resource, ...]:
    clusters = _encoded_clusters(render_backends(_distinct(apis), context))
    found = []
    for cluster in clusters:
        if cluster.name in used:
            found.append(cluster)
    return tuple(found)


def _encoded_clusters(clusters: Iterable[dict[str, Any]]) -> tuple[Resource, ...]:
    return tuple(encode(CLUSTER, cluster) for cluster in clusters)


def _distinct(apis: ApisBySegment) -> Iterable[Api]:
    """Each API once: one that answers below several segments is in each of them."""
    return {api.id: api for segment in sorted(apis) for api in apis[segment]}.values()


def _names(scope: Resource | None) -> Names:
    if scope is None:
        return NOTHING
    return names_in(scope.body)


def _backends(names: Iterable[Names]) -> frozenset[str]:
    return frozenset().union(*(item.backends for item in names))


def _unused_backends(before: Mapping[str, Names], changed: Mapping[str, Names]) -> tuple[str, ...]:
    """Backends that a touched segment named before and that no segment names afterwards."""
    named_before = _backends(before.get(segment, NOTHING) for segment in changed)
    named_after = _backends({**before, **changed}.values())
    return tuple(sorted(named_before - named_after))
