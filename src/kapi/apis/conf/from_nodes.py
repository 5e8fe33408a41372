"""Checked YAML nodes → the values of `model.py`. Called by `reading.py`, once the file has passed every check: shapes are known here."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

from kapi.apis.conf.model import (
    AiProviderConf,
    AiRateLimitConf,
    ApiConf,
    ApiKeySecurityConf,
    AuthenticationConf,
    BasicSecurityConf,
    CircuitBreakerConf,
    CorsConf,
    EndpointConf,
    Fields,
    KeyManagerConf,
    OperationConf,
    PoliciesConf,
    PolicyConf,
    RateLimitConf,
    RetryConf,
    SecretKey,
    ServiceConf,
    TimeoutConf,
)
from kapi.apis.conf.yaml_positions import Mapping, Node, Sequence, mark, plain
from kapi.apis.report import below

if TYPE_CHECKING:
    from collections.abc import Iterable

    from kapi.apis.conf.model import AuthType, Mark

ENDPOINT_KINDS: Final = ("production", "sandbox")
_CREDENTIAL_PLACES: Final[dict[AuthType, tuple[str, str]]] = {
    "OAuth2": ("Authorization", ""),
    "JWT": ("Authorization", ""),
    "APIKey": ("apikey", "apikey"),
    "mTLS": ("", ""),
}
"""Header and query parameter that a credential is looked for in by default; empty means not there."""
_OPTIONAL_BY_DEFAULT: Final = ("APIKey", "mTLS")


def api_conf(root: Mapping) -> ApiConf:
    """The whole file as one value."""
    data = plain(root)
    return ApiConf(
        name=data["name"],
        base_path=data["basePath"],
        version=data["version"],
        type=data["type"],
        operations=tuple(
            _operation(node, here) for node, here in _members(root, "operations", "#")
        ),
        id=data.get("id", ""),
        default_version=data.get("defaultVersion", False),
        definition_path=data.get("definitionPath", ""),
        subscription_validation=data.get("subscriptionValidation", False),
        environment=data.get("environment", ""),
        production=_endpoints(root, "production", "#"),
        sandbox=_endpoints(root, "sandbox", "#"),
        policies=_policies(root, "apiPolicies", "#"),
        rate_limit=_rate_limit(root, "#"),
        authentication=tuple(
            _authentication(node, here) for node, here in _members(root, "authentication", "#")
        ),
        cors=_cors(root),
        key_managers=tuple(
            _key_manager(node, here) for node, here in _members(root, "keyManagers", "#")
        ),
        ai_provider=_ai_provider(root),
        additional_properties=tuple(
            (item["name"], item["value"]) for item in data.get("additionalProperties", ())
        ),
        escaped_slashes=data.get("routing", {}).get("escapedSlashes", "unescape"),
        rewrite_locations=data.get("routing", {}).get("rewriteLocations", True),
        mark=mark(root, "#"),
    )


def endpoint_nodes(owner: Mapping, kind: str, pointer: str) -> list[tuple[Mapping, str]]:
    """The endpoints of a kind with their pointers, from both forms: one mapping (APK 1.0 to 1.2) or a list (from 1.3 on)."""
    endpoints = owner.entries.get("endpointConfigurations")
    node = endpoints.entries.get(kind) if isinstance(endpoints, Mapping) else None
    here = below(below(pointer, "endpointConfigurations"), kind)
    if isinstance(node, Mapping):
        return [(node, here)]
    if isinstance(node, Sequence):
        return [
            (item, below(here, index))
            for index, item in enumerate(node.items)
            if isinstance(item, Mapping)
        ]
    return []


def _members(owner: Mapping, name: str, pointer: str) -> Iterable[tuple[Mapping, str]]:
    node = owner.entries.get(name)
    here = below(pointer, name)
    items: list[Node] = node.items if isinstance(node, Sequence) else []
    return (
        (item, below(here, index)) for index, item in enumerate(items) if isinstance(item, Mapping)
    )


def _operation(node: Mapping, pointer: str) -> OperationConf:
    data = plain(node)
    return OperationConf(
        target=data["target"],
        verb=data["verb"],
        secured=data.get("secured", True),
        scopes=tuple(dict.fromkeys(data.get("scopes", ()))),
        scope_alternatives=tuple(
            tuple(dict.fromkeys(item)) for item in data.get("scopeAlternatives", ())
        ),
        production=_endpoints(node, "production", pointer),
        sandbox=_endpoints(node, "sandbox", pointer),
        policies=_policies(node, "operationPolicies", pointer),
        rate_limit=_rate_limit(node, pointer),
        mark=mark(node, pointer),
    )


def _endpoints(owner: Mapping, kind: str, pointer: str) -> tuple[EndpointConf, ...]:
    return tuple(_endpoint(node, here) for node, here in endpoint_nodes(owner, kind, pointer))


def _endpoint(node: Mapping, pointer: str) -> EndpointConf:
    data = plain(node)
    resiliency = data.get("resiliency", {})
    place = mark(node, pointer)
    return EndpointConf(
        endpoint=_service(data["endpoint"])
        if isinstance(data["endpoint"], dict)
        else data["endpoint"],
        weight=data.get("weight"),
        security=_security(data.get("endpointSecurity", {}), place),
        certificate=_secret_key(data["certificate"], "secretName", "secretKey", place)
        if data.get("certificate")
        else None,
        timeout=_timeout(resiliency["timeout"]) if resiliency.get("timeout") else None,
        retry=_retry(resiliency["retryPolicy"]) if resiliency.get("retryPolicy") else None,
        circuit_breaker=_circuit_breaker(resiliency["circuitBreaker"])
        if resiliency.get("circuitBreaker")
        else None,
        ai_rate_limit=_ai_rate_limit(data["aiRatelimit"])
        if data.get("aiRatelimit", {}).get("enabled")
        else None,
        mark=place,
    )


def _service(data: dict[str, Any]) -> ServiceConf:
    return ServiceConf(
        data["name"], data.get("namespace", "default"), data["port"], data.get("protocol", "http")
    )


def _secret_key(data: dict[str, Any], name: str, key: str, place: Mark) -> SecretKey:
    return SecretKey(data[name], data[key], place)


def _security(data: dict[str, Any], place: Mark) -> BasicSecurityConf | ApiKeySecurityConf | None:
    kind = data.get("securityType") or {}
    if not data.get("enabled", False):
        return None
    if "apiKeyValueKey" in kind:
        return ApiKeySecurityConf(
            kind.get("in", "Header"),
            kind["apiKeyNameKey"],
            _secret_key(kind, "secretName", "apiKeyValueKey", place),
        )
    username = _secret_key(kind, "secretName", "userNameKey", place)
    return BasicSecurityConf(username, _secret_key(kind, "secretName", "passwordKey", place))


def _timeout(data: dict[str, Any]) -> TimeoutConf:
    return TimeoutConf(
        data.get("downstreamRequestIdleTimeout"), data.get("upstreamResponseTimeout")
    )


def _retry(data: dict[str, Any]) -> RetryConf:
    return RetryConf(
        data.get("count"),
        data.get("baseIntervalMillis"),
        tuple(dict.fromkeys(data.get("statusCodes", ()))),
    )


def _circuit_breaker(data: dict[str, Any]) -> CircuitBreakerConf:
    names = (
        "maxConnectionPools",
        "maxConnections",
        "maxPendingRequests",
        "maxRequests",
        "maxRetries",
    )
    return CircuitBreakerConf(*(data.get(name) for name in names))


def _ai_rate_limit(data: dict[str, Any]) -> AiRateLimitConf:
    token, request = data["token"], data["request"]
    limits = (token.get("promptLimit"), token.get("completionLimit"), token.get("totalLimit"))
    return AiRateLimitConf(
        *limits,
        token.get("unit", "Minute"),
        request.get("requestLimit"),
        request.get("unit", "Minute"),
    )


def _policies(owner: Mapping, name: str, pointer: str) -> PoliciesConf:
    node = owner.entries.get(name)
    if not isinstance(node, Mapping):
        return PoliciesConf()
    here = below(pointer, name)
    request = tuple(_policy(item, place) for item, place in _members(node, "request", here))
    return PoliciesConf(
        request, tuple(_policy(item, place) for item, place in _members(node, "response", here))
    )


def _policy(node: Mapping, pointer: str) -> PolicyConf:
    data = plain(node)
    parameters = frozen(data.get("parameters", {}))
    known = parameters if isinstance(parameters, Fields | tuple) else Fields()
    return PolicyConf(
        data["policyName"],
        data.get("policyVersion", "v1"),
        data.get("policyId", ""),
        known,
        mark(node, pointer),
    )


def frozen(value: Any) -> Any:
    """Plain data as a frozen, hashable value: mappings become Fields, lists tuples."""
    if isinstance(value, dict):
        return Fields(tuple((name, frozen(item)) for name, item in value.items()))
    return tuple(frozen(item) for item in value) if isinstance(value, list) else value


def _rate_limit(owner: Mapping, pointer: str) -> RateLimitConf | None:
    node = owner.entries.get("rateLimit")
    if not isinstance(node, Mapping):
        return None
    data = plain(node)
    return RateLimitConf(
        data["requestsPerUnit"], data["unit"], mark(node, below(pointer, "rateLimit"))
    )


def _authentication(node: Mapping, pointer: str) -> AuthenticationConf:
    data = plain(node)
    kind: AuthType = data["authType"]
    place = mark(node, pointer)
    header, query = _CREDENTIAL_PLACES[kind]
    header = data.get("headerName", header) if data.get("headerEnable", True) else ""
    # A name alone does not switch the query on: tokens in URLs end up in logs (RFC 9700 §4.3.2).
    query = data.get("queryParamName", query) if data.get("queryParamEnable", bool(query)) else ""
    return AuthenticationConf(
        auth_type=kind,
        required=data.get("required", "optional" if kind in _OPTIONAL_BY_DEFAULT else "mandatory"),
        enabled=data.get("enabled", True),
        send_token_to_upstream=data.get("sendTokenToUpstream", False),
        header=header,
        query=query,
        audiences=tuple(dict.fromkeys(data.get("audience", ()))),
        dpop=data.get("dpop", ""),
        certificates=tuple(
            _secret_key(item, "name", "key", place) for item in data.get("certificates", ())
        ),
        mark=place,
    )


def _cors(root: Mapping) -> CorsConf | None:
    node = root.entries.get("corsConfiguration")
    if not isinstance(node, Mapping):
        return None
    data = plain(node)
    return CorsConf(
        enabled=data.get("corsConfigurationEnabled", False),
        origins=tuple(dict.fromkeys(data.get("accessControlAllowOrigins", ()))),
        credentials=data.get("accessControlAllowCredentials", False),
        headers=tuple(dict.fromkeys(data.get("accessControlAllowHeaders", ()))),
        methods=tuple(dict.fromkeys(data.get("accessControlAllowMethods", ()))),
        max_age=data.get("accessControlAllowMaxAge"),
        expose_headers=tuple(dict.fromkeys(data.get("accessControlExposeHeaders", ()))),
        mark=mark(node, "#/corsConfiguration"),
    )


def _key_manager(node: Mapping, pointer: str) -> KeyManagerConf:
    data = plain(node)
    return KeyManagerConf(
        name=data["name"],
        issuer=data["issuer"],
        jwks_endpoint=data["JWKSEndpoint"],
        claim_mappings=tuple(
            (item["localClaim"], item["remoteClaim"]) for item in data.get("claimMappings", ())
        ),
        backend=_service(data["k8sBackend"]) if data.get("k8sBackend") else None,
        mark=mark(node, pointer),
    )


def _ai_provider(root: Mapping) -> AiProviderConf | None:
    node = root.entries.get("aiProvider")
    if not isinstance(node, Mapping):
        return None
    data = plain(node)
    return AiProviderConf(data["name"], data["apiVersion"], mark(node, "#/aiProvider"))
