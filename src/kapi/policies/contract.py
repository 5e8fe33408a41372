"""What a policy says to Envoy: its filters and what it adds to a route.

`policy.py` has the whole shape of a policy.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import field
from enum import IntEnum
from typing import Any

from kapi.apis.ir import Api, Endpoint, Operation, SecretRef
from kapi.apis.secrets import NO_SECRETS, Secrets
from kapi.dataclass import dataclass
from kapi.settings import GatewaySettings, SubscriptionsSettings


class Phase(IntEnum):
    """When a policy acts on a request; the order of the filters in Envoy and of IR nodes."""

    COMPRESS = 2
    """First of all, and so last on the way back: the others see answers as they are."""
    TRANSLATE = 3
    """Before the checks: the others see the protocol of the backend."""
    CORS = 5
    """Before authentication, so that a pre-flight request passes without a token."""
    ADDRESSES = 7
    """Before authentication, because a refused address needs no more; after CORS, whose headers the
    refusal has."""
    SIGN_IN = 8
    """Before all that refuses callers without a token: it sends browsers to a provider."""
    HIDE_SESSIONS = 9
    """Right after it: what follows does not see the cookies of sessions."""
    AUTHENTICATE = 10
    """Before all that relies on who is calling."""
    REVOKE = 15
    """Right after authentication: a revoked token must not reach anything else."""
    AUTHORIZE = 20
    """After authentication, whose verified claims it reads; before the backend has any cost."""
    SUBSCRIBE = 25
    """After scopes, as in APK: who may not call at all is told so first."""
    ASK = 26
    """A service of the API: after the gateway's own refusals, whose calls it need not see."""
    GUARD = 28
    """Guardrails: before limits, so that a refused request does not count, and an answer that is
    refused on its way back has been counted."""
    LIMIT = 30
    """After the refusals above, which do not count; before the backend has any cost."""
    STREAM = 35
    """After every refusal, because a call that enters here is known until it ends."""
    CACHE = 36
    """After every refusal and count, before anything that has a cost: answers from memory."""
    INJECT = 37
    """Faults on purpose: after every refusal, before anything that has a cost."""
    MOCK = 38
    """Answers in place of the backend: nothing that changes requests for it is needed."""
    MEDIATE = 40
    """Interceptors and scripts: they may see and change what is already allowed."""
    LIMIT_KEYS = 45
    """After interceptors, which supply the keys to count by."""
    TRANSFORM = 50
    """Last: what the backend gets, and what the caller gets back."""
    LAST = 90
    """A check of what the others have done."""
    ENCODE = 95
    """Right before the router: the protocol of the backend."""


@dataclass(frozen=True, slots=True)
class HttpFilter:
    """A filter of the connection manager that a policy needs, in Envoy's JSON form.

    It does nothing where a route does not configure it.
    `discovered` names the message type of a filter whose configuration travels by itself (ECDS)
    under the filter's name.
    """

    phase: Phase
    name: str
    config: Mapping[str, Any] = field(default_factory=dict)
    """The typed_config; empty when `discovered`."""
    discovered: str = ""
    disabled: bool = False
    """Switched on by a per-route configuration only."""
    placeholder: bool = False
    """Its discovered configuration may be PLACEHOLDER while nothing needs it."""
    on_demand: bool = False
    """There only once a route asks for it; PLACEHOLDER until then.

    A per-route configuration may do no more than switch it on.
    """
    counts: bool = False
    """Whether it asks the enforcer for counters and records, over a listener of its own."""


PLACEHOLDER: dict[str, Any] = {
    "@type": "type.googleapis.com/envoy.extensions.filters.http.filter_chain.v3.FilterChainConfig"
}
"""A filter that does nothing: a chain without filters adds none to a call."""


@dataclass(frozen=True, slots=True)
class ProviderPlace:
    """Where the inbuilt provider is."""

    hosts: tuple[str, ...]
    """The names of its host, the configured one first."""
    cluster: str


def _unnamed(ref: SecretRef) -> dict[str, Any]:
    return {"name": f"{ref.name}/{ref.key}"}


@dataclass(frozen=True, slots=True)
class Place:
    """Where an operation is served: on one host, below one base path, with endpoints of one kind.

    The kind is production or sandbox.
    """

    api: Api
    operation: Operation
    endpoints: tuple[Endpoint, ...]
    host: str
    base_path: str
    sandbox: bool
    secrets: Secrets = NO_SECRETS
    gateway: GatewaySettings = field(default_factory=GatewaySettings)
    cluster: Callable[[Endpoint], str] = field(default=str, compare=False)
    """The name of the cluster of an endpoint that a node of this API holds."""
    own_cluster: Callable[[Endpoint], str] = field(default=str, compare=False)
    """The name of the cluster of an endpoint that the settings name for all APIs."""
    subscriptions: SubscriptionsSettings = field(default_factory=SubscriptionsSettings)
    credential: Callable[[SecretRef], dict[str, Any]] = field(
        default=_unnamed, compare=False
    )
    """Where a filter gets the value of a secret of a `FilterSecret`: Envoy's SdsSecretConfig."""
    provider: ProviderPlace | None = None
    """The inbuilt provider; None if it is off."""

    @property
    def hosts(self) -> tuple[str, ...]:
        """All names of the host."""
        return self.gateway.names_of(self.host)

    @property
    def endpoint(self) -> Endpoint:
        """The first of the endpoints.

        Where they differ in more than their address, a place is asked about for each kind of them.
        """
        return self.endpoints[0]

    def secret(self, ref: SecretRef) -> str | None:
        """The value of a secret that the API names.

        A node that holds a SecretRef is rendered again when its value changes.
        """
        return self.secrets.get(self.api.organization, ref)


@dataclass(frozen=True, slots=True)
class HeaderCredential:
    """A header by which the gateway authenticates at a backend."""

    header: str
    parts: tuple[SecretRef, ...]
    """The named secrets of the conf that the value is made of."""
    made: Callable[[tuple[str, ...]], str]
    """From the values of these secrets to that of the header."""

    def value(self, secret: Callable[[SecretRef], str | None]) -> str:
        """The value of the header. A secret that is not known is empty."""
        return self.made(tuple(secret(part) or "" for part in self.parts))


@dataclass(frozen=True, slots=True)
class EnvoyRoute:
    """What a node adds to a route, in Envoy's JSON form."""

    per_route: Mapping[str, dict[str, Any]] = field(default_factory=dict)
    """Per-route filter configurations by filter name."""
    request_headers_to_add: Sequence[dict[str, Any]] = ()
    remove_request_headers: tuple[str, ...] = ()
    sets_request_headers: tuple[str, ...] = ()
    """Headers that a filter sets or replaces, in small letters."""
    response_headers_to_add: Sequence[dict[str, Any]] = ()
    remove_response_headers: tuple[str, ...] = ()
    action: Mapping[str, Any] = field(default_factory=dict)
    """Fields of the route action: timeout, retry_policy, …"""
    target: Mapping[str, Any] = field(default_factory=dict)
    """Fields of the route action that choose the cluster, in place of those for the endpoints.

    Requests get there with the path of their operation and without credentials of endpoints.
    """
    redirect: Mapping[str, Any] = field(default_factory=dict)
    """When not empty, the route redirects and has no backend."""
    mirrors: tuple[Endpoint, ...] = ()
    """Backends that get a copy of each request."""
    metadata: Mapping[str, dict[str, Any]] = field(default_factory=dict)
    """Filter metadata of the route, by filter; different texts of one field are joined by tabs."""
    route: Mapping[str, Any] = field(default_factory=dict)
    """Fields of the route itself: request_body_buffer_limit, …"""
    replaces: Mapping[str, str] = field(default_factory=dict)
    """Filter that another policy switches on → the filter that is switched on in its place."""
    other_kind_header: str = ""
    """A request header by which a filter sends a call to the other kind of endpoints.

    Its value is `production` or `sandbox`.
    """


def literal_header(
    name: str, value: str, action: str = "OVERWRITE_IF_EXISTS_OR_ADD"
) -> dict[str, Any]:
    """A header with exactly this value; by default in place of any that is there.

    Envoy would take a `%` for the start of a variable.
    """
    return {
        "header": {"key": name, "value": value.replace("%", "%%")},
        "append_action": action,
    }
