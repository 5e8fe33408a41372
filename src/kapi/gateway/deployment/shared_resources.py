"""Resources that no single API owns: listener, token filters, filters on demand.

For `deployer.py`.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Callable, Iterable, Sequence

from kapi.dataclass import dataclass
from kapi.gateway.envoy.process.tls import Certificate
from kapi.gateway.envoy.resources.context import RenderContext
from kapi.gateway.envoy.resources.names import EXTENSION, SCOPE
from kapi.gateway.envoy.resources.on_demand import any_counts, on_demand, used_on_demand
from kapi.gateway.envoy.resources.render import (
    render_base,
    render_issuers,
    render_scope,
    system_segments,
)
from kapi.gateway.envoy.resources.resource import Encode, Resource
from kapi.gateway.envoy.stream.kept import encoded
from kapi.gateway.issuers import TrustedIssuer
from kapi.policies.authentication.trust import Need, needs_in


@dataclass(frozen=True, slots=True)
class SharedResources:
    """What the shared resources are rendered from. A change makes a new value."""

    context: RenderContext
    certificate: Certificate
    """Certificate and key of the listener."""
    issuers: tuple[TrustedIssuer, ...] = ()
    """Issuers of accepted access tokens."""
    key_issuer: TrustedIssuer | None = None
    """The issuer of API keys. It stays when the other issuers change."""
    synced: Callable[[], Sequence[Resource]] = tuple
    """Current resources of every `ResourceSync`; Envoy must hold them from the start."""
    needs: frozenset[Need] = frozenset()
    """Token requirements that the routes name."""
    filters: frozenset[str] = frozenset()
    """Names of the filters on demand that the routes use."""
    encode: Encode = encoded

    @property
    def counts(self) -> bool:
        """Whether Envoy has a filter that counts requests, and its listener."""
        return any_counts(self.filters)

    def extended_for(self, scopes: Iterable[bytes]) -> SharedResources:
        """With the requirements and filters that these encoded scopes name besides."""
        scopes = tuple(scopes)
        return dataclasses.replace(
            self,
            needs=self.needs | needs_in(scopes),
            filters=self.filters | used_on_demand(scopes),
        )

    def initial(self, scopes: Iterable[str]) -> tuple[Resource, ...]:
        """Everything Envoy holds at the start except the clusters and `scopes` of APIs."""
        base = render_base(
            self.context,
            self._all_issuers(),
            self.certificate.chain,
            self.certificate.private_key,
            self.needs,
            self.filters,
        )
        return (
            *(self.encode(type_url, value) for type_url, value in base),
            *self._system_scopes(frozenset(scopes)),
            *self.synced(),
        )

    def token_filters(self) -> list[Resource]:
        """The extension configurations that depend on issuers and requirements."""
        rendered = render_issuers(self.context, self._all_issuers(), self.needs)
        return [self.encode(EXTENSION, item) for item in rendered]

    def on_demand_filters(self) -> list[Resource]:
        """The filters that are configured only when a route uses them."""
        rendered = on_demand(self.context, self.filters)
        return [self.encode(type_url, item) for type_url, item in rendered]

    def _all_issuers(self) -> tuple[TrustedIssuer, ...]:
        if self.key_issuer is None:
            return self.issuers
        return (*self.issuers, self.key_issuer)

    def _system_scopes(self, present: frozenset[str]) -> list[Resource]:
        """Scopes that contain system routes only, because no API answers below their segment."""
        found = []
        for segment in system_segments(self.context):
            if segment in present:
                continue
            scope = render_scope(segment, (), self.context)
            if scope is not None:
                found.append(self.encode(SCOPE, scope))
        return found
