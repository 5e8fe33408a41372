"""The apk-conf as values: what the file said, checked field by field.

`from_nodes.py` makes them; `compile.py` and the policies read them. All of them are frozen and
hashable. A default here is what APK does when the field is not there.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any, Literal

from kapi.apis.balancing import Balancing
from kapi.apis.ir import AiPrices, Unit
from kapi.apis.report import NO_MARK, Mark
from kapi.dataclass import dataclass


@dataclass(frozen=True, slots=True)
class Fields:
    """A frozen mapping with any names; mappings inside it are Fields, lists are tuples."""

    items: tuple[tuple[str, Any], ...] = ()

    def get(self, name: str, default: Any = None) -> Any:
        """The value of a field, or the default."""
        for key, value in self.items:
            if key == name:
                return value
        return default


@dataclass(frozen=True, slots=True)
class ServiceConf:
    """A Kubernetes service: `<protocol>://<name>.<namespace>.svc.cluster.local:<port>`."""

    name: str
    namespace: str
    port: int
    protocol: str


@dataclass(frozen=True, slots=True)
class SecretKey:
    """A value of a named secret or certificate store: `secretName` or `name`, and its key."""

    name: str
    key: str
    mark: Mark = NO_MARK


@dataclass(frozen=True, slots=True)
class BasicSecurityConf:
    """`endpointSecurity` of type Basic (RFC 7617): user name and password from a named secret."""

    username: SecretKey
    password: SecretKey


@dataclass(frozen=True, slots=True)
class ApiKeySecurityConf:
    """`endpointSecurity` of type API key.

    `parameter` is the name of the header or query parameter, literally `apiKeyNameKey`.
    """

    location: Literal["Header", "Query"]
    parameter: str
    value: SecretKey


@dataclass(frozen=True, slots=True)
class TimeoutConf:
    """`resiliency.timeout`, in seconds; None where the file says nothing."""

    downstream_request_idle: int | None = None
    upstream_response: int | None = None


@dataclass(frozen=True, slots=True)
class RetryConf:
    """`resiliency.retryPolicy`."""

    count: int | None = None
    base_interval_millis: int | None = None
    status_codes: tuple[int, ...] = ()
    grpc_statuses: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class CircuitBreakerConf:
    """`resiliency.circuitBreaker`; None where the file says nothing."""

    max_connection_pools: int | None = None
    max_connections: int | None = None
    max_pending_requests: int | None = None
    max_requests: int | None = None
    max_retries: int | None = None


@dataclass(frozen=True, slots=True)
class AiRateLimitConf:
    """`aiRatelimit` of an endpoint where it is enabled; None where the file sets no limit."""

    prompt_limit: int | None = None
    completion_limit: int | None = None
    total_limit: int | None = None
    token_unit: Unit = "Minute"  # noqa: S105 - a window of the clock
    request_limit: int | None = None
    request_unit: Unit = "Minute"


@dataclass(frozen=True, slots=True)
class EndpointConf:
    """One item of `endpointConfigurations.production` or `.sandbox`.

    `weight` is None where the file says nothing.
    """

    endpoint: str | ServiceConf
    weight: int | None = None
    security: BasicSecurityConf | ApiKeySecurityConf | None = None
    certificate: SecretKey | None = None
    timeout: TimeoutConf | None = None
    retry: RetryConf | None = None
    circuit_breaker: CircuitBreakerConf | None = None
    ai_rate_limit: AiRateLimitConf | None = None
    fields: Fields = Fields()
    """Values of the fields that policies claim, by their names in the conf."""
    mark: Mark = NO_MARK

    def field(self, name: str, default: Any = None) -> Any:
        """The value of a field that a policy claims, or the default."""
        return self.fields.get(name, default)


@dataclass(frozen=True, slots=True)
class PolicyConf:
    """One item of `apiPolicies` or `operationPolicies`, for the request or the response."""

    name: str
    version: str = "v1"
    id: str = ""
    parameters: Fields | tuple[Any, ...] = Fields()
    """A tuple for the guardrails of APK 2, whose parameters are a list."""
    mark: Mark = NO_MARK

    def parameter(self, name: str, default: Any = None) -> Any:
        """One parameter by its name in the conf, or the default."""
        if isinstance(self.parameters, Fields):
            return self.parameters.get(name, default)
        return default


def policies_named(
    policies: Iterable[PolicyConf], *names: str
) -> tuple[PolicyConf, ...]:
    """The items of a list with one of these names, in the order of the file."""
    return tuple(item for item in policies if item.name in names)


def policy_named(policies: Iterable[PolicyConf], *names: str) -> PolicyConf | None:
    """The first item of a list with one of these names."""
    return next(iter(policies_named(policies, *names)), None)


@dataclass(frozen=True, slots=True)
class PoliciesConf:
    """`apiPolicies` or `operationPolicies`, in the order of the file."""

    request: tuple[PolicyConf, ...] = ()
    response: tuple[PolicyConf, ...] = ()


@dataclass(frozen=True, slots=True)
class AiProviderConf:
    """`aiProvider`: whose answers the API's backends give."""

    name: str
    api_version: str
    mark: Mark = NO_MARK
    prices: AiPrices | None = None


@dataclass(frozen=True, slots=True)
class OperationConf:
    """One item of `operations`."""

    target: str
    verb: str
    secured: bool = True
    scopes: tuple[str, ...] = ()
    """All of them are needed."""
    scope_alternatives: tuple[tuple[str, ...], ...] = ()
    """Besides `scopes`, all scopes of one of these are needed; no alternatives, no further need."""
    production: tuple[EndpointConf, ...] = ()
    sandbox: tuple[EndpointConf, ...] = ()
    policies: PoliciesConf = PoliciesConf()
    fields: Fields = Fields()
    """Values of the fields that policies claim, by their names in the conf."""
    mark: Mark = NO_MARK

    def field(self, name: str, default: Any = None) -> Any:
        """The value of a field that a policy claims, or the default."""
        return self.fields.get(name, default)


@dataclass(frozen=True, slots=True)
class ApiConf:
    """A whole apk-conf. An empty `definition_path` means the default one."""

    name: str
    base_path: str
    version: str
    type: str
    operations: tuple[OperationConf, ...]
    id: str = ""
    default_version: bool = False
    definition_path: str = ""
    environment: str = ""
    production: tuple[EndpointConf, ...] = ()
    sandbox: tuple[EndpointConf, ...] = ()
    policies: PoliciesConf = PoliciesConf()
    ai_provider: AiProviderConf | None = None
    additional_properties: tuple[tuple[str, str], ...] = ()
    escaped_slashes: Literal["unescape", "reject", "keep"] = "unescape"
    fields: Fields = Fields()
    """Values of the fields that policies claim, by their names in the conf."""
    mark: Mark = NO_MARK

    def field(self, name: str, default: Any = None) -> Any:
        """The value of a field that a policy claims, or the default."""
        return self.fields.get(name, default)

    def balancing_of(self, operation: OperationConf) -> Balancing | None:
        """How one of several endpoints is chosen; None where each call goes by weights alone."""
        found = operation.field("loadBalancing") or self.field("loadBalancing")
        return found if isinstance(found, Balancing) else None

    def policies_of(self, operation: OperationConf) -> PoliciesConf:
        """The policies of an operation, or those of the API when it has none.

        Policies that may be at both levels read `ApiConf.policies` and
        `OperationConf.policies` themselves.
        """
        own = operation.policies
        if own.request or own.response:
            return own
        return self.policies
