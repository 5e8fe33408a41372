"""What a deployment changes in Envoy and in the store. Pure; for `deployer.py` and `restore.py`."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Any

from kapi.apis.ir import Api
from kapi.dataclass import dataclass
from kapi.gateway.envoy.resources.context import RenderContext
from kapi.gateway.envoy.resources.names import (
    CLUSTER,
    NOTHING,
    SCOPE,
    SECRET,
    Names,
    names_in,
)
from kapi.gateway.envoy.resources.render import (
    render_backends,
    render_credentials,
    render_scope,
)
from kapi.gateway.envoy.resources.resource import Resource, resource
from kapi.gateway.envoy.stream.kept import encoded
from kapi.store import Rendered

_TYPE_URLS = {"scope": SCOPE, "cluster": CLUSTER, "secret": SECRET}
_KINDS = {type_url: kind for kind, type_url in _TYPE_URLS.items()}

Key = tuple[str, str]
"""Type and name of a resource."""
ApisBySegment = Mapping[str, Sequence[Api]]
"""First path segment → the APIs that answer below it."""


@dataclass(frozen=True, slots=True)
class Change:
    """The difference between the current state and the state after a deployment."""

    apis: ApisBySegment
    """The APIs of each touched segment afterwards."""
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
    beside = _beside(apis, names.values(), context)
    clusters = _unused(names_before, names, _backends)
    secrets = _unused(names_before, names, _credentials)
    # A scope without an API contains system routes only. These are rendered at each start.
    without_api = [segment for segment in names if not apis[segment]]
    with_api = [scope for segment, scope in scopes.items() if apis[segment]]
    gone = names.keys() - scopes.keys()
    return Change(
        apis=apis,
        changed=(*beside, *scopes.values()),
        removed=(
            *_keys(SCOPE, sorted(gone)),
            *_keys(CLUSTER, clusters),
            *_keys(SECRET, secrets),
        ),
        names=names,
        rendered=rendered_of((*beside, *with_api), fingerprint),
        dropped=(
            *_keys("scope", without_api),
            *_keys("cluster", clusters),
            *_keys("secret", secrets),
        ),
    )


def _keys(kind: str, names: Iterable[str]) -> list[Key]:
    return [(kind, name) for name in names]


def all_resources(apis: ApisBySegment, context: RenderContext) -> tuple[Resource, ...]:
    """The clusters and scopes of all APIs."""
    occupied = {}
    for segment, here in apis.items():
        if here:
            occupied[segment] = here
    there = tuple(_distinct(occupied))
    return (
        *_encoded(CLUSTER, render_backends(there, context)),
        *_encoded(SECRET, render_credentials(there, context)),
        *_encoded_scopes(occupied, context).values(),
    )


def rendered_of(
    resources: Iterable[Resource], fingerprint: str
) -> tuple[Rendered, ...]:
    """Clusters and scopes in the form that the store keeps."""
    return tuple(
        Rendered(_KINDS[item.type_url], item.name, fingerprint, item.body)
        for item in resources
    )


def resources_of(rendered: Iterable[Rendered]) -> tuple[Resource, ...]:
    """Clusters and scopes from the form that the store keeps."""
    return tuple(
        resource(_TYPE_URLS[item.kind], item.name, item.body) for item in rendered
    )


def scopes_in(resources: Iterable[Resource]) -> dict[str, Resource]:
    """The scopes among resources, by name."""
    found = {}
    for item in resources:
        if item.type_url == SCOPE:
            found[item.name] = item
    return found


def _encoded_scopes(apis: ApisBySegment, context: RenderContext) -> dict[str, Resource]:
    found: dict[str, Resource] = {}
    for segment in sorted(apis):
        scope = render_scope(segment, apis[segment], context)
        if scope is not None:
            found[segment] = encoded(SCOPE, scope)
    return found


def _beside(
    apis: ApisBySegment, names: Iterable[Names], context: RenderContext
) -> tuple[Resource, ...]:
    """The clusters and credentials that scopes with these names use."""
    names = tuple(names)
    backends, credentials = _backends(names), _credentials(names)
    there = tuple(_distinct(apis))
    made = [*_encoded(CLUSTER, render_backends(there, context))]
    if credentials:
        made += _encoded(SECRET, render_credentials(there, context))
    used = backends | credentials
    return tuple(item for item in made if item.name in used)


def _encoded(
    type_url: str, resources: Iterable[dict[str, Any]]
) -> tuple[Resource, ...]:
    return tuple(encoded(type_url, item) for item in resources)


def _distinct(apis: ApisBySegment) -> Iterable[Api]:
    """Each API once: one that answers below several segments is in each of them."""
    return {api.id: api for segment in sorted(apis) for api in apis[segment]}.values()


def _names(scope: Resource | None) -> Names:
    if scope is None:
        return NOTHING
    return names_in(scope.body)


def _backends(names: Iterable[Names]) -> frozenset[str]:
    return frozenset().union(*(item.backends for item in names))


def _credentials(names: Iterable[Names]) -> frozenset[str]:
    return frozenset().union(*(item.credentials for item in names))


def _unused(
    before: Mapping[str, Names],
    changed: Mapping[str, Names],
    of: Callable[[Iterable[Names]], frozenset[str]],
) -> tuple[str, ...]:
    """What a touched segment named before and no segment names afterwards."""
    left = of(before.get(segment, NOTHING) for segment in changed) - of(
        changed.values()
    )
    if not left:
        return ()
    elsewhere = (names for segment, names in before.items() if segment not in changed)
    return tuple(sorted(left - of(elsewhere)))
