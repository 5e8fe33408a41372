"""Checked YAML nodes → the values of `model.py`.

Called by `reading.py` once the file has passed every check: shapes are known here.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from kapi.apis.conf.ai_provider_rules import prices_of
from kapi.apis.conf.nodes import endpoint_nodes, frozen, mappings_at, operation_nodes
from kapi.apis.conf.policy_part import ConfField, Owner
from kapi.apis.model.conf import (
    AiProviderConf,
    AiRateLimitConf,
    ApiConf,
    ApiKeySecurityConf,
    BasicSecurityConf,
    CircuitBreakerConf,
    EndpointConf,
    Fields,
    OperationConf,
    PoliciesConf,
    PolicyConf,
    RetryConf,
    SecretKey,
    ServiceConf,
    TimeoutConf,
)
from kapi.apis.report import Mark, below
from kapi.apis.yaml_positions import Mapping, mark, plain
from kapi.dataclass import dataclass


def api_conf(root: Mapping, claimed: Iterable[ConfField]) -> ApiConf:
    """The whole file as one value. `claimed` are the fields of policies."""
    return _Values(tuple(claimed)).api(root)


@dataclass(frozen=True, slots=True)
class _Values:
    """Makes values; `claimed` are the fields of policies."""

    claimed: tuple[ConfField, ...]

    def api(self, root: Mapping) -> ApiConf:
        data = plain(root)
        routing = root.entries.get("routing")
        own = self._fields(root, "api", "#")
        if isinstance(routing, Mapping):
            own = Fields(
                own.items + self._fields(routing, "routing", "#/routing").items
            )
        return ApiConf(
            name=data["name"],
            base_path=data["basePath"],
            version=data["version"],
            type=data["type"],
            operations=tuple(
                self._operation(*found) for found in operation_nodes(root)
            ),
            id=data.get("id", ""),
            default_version=data.get("defaultVersion", False),
            definition_path=data.get("definitionPath", ""),
            environment=data.get("environment", ""),
            production=self._endpoints(root, "production", "#"),
            sandbox=self._endpoints(root, "sandbox", "#"),
            policies=_policies(root, "apiPolicies", "#"),
            ai_provider=_ai_provider(root),
            additional_properties=tuple(
                (item["name"], item["value"])
                for item in data.get("additionalProperties", ())
            ),
            escaped_slashes=data.get("routing", {}).get("escapedSlashes", "unescape"),
            fields=own,
            mark=mark(root, "#"),
        )

    def _operation(self, node: Mapping, pointer: str) -> OperationConf:
        data = plain(node)
        alternatives = data.get("scopeAlternatives", ())
        return OperationConf(
            target=data["target"],
            verb=data["verb"],
            secured=data.get("secured", True),
            scopes=_distinct(data.get("scopes", ())),
            scope_alternatives=tuple(map(_distinct, alternatives)),
            production=self._endpoints(node, "production", pointer),
            sandbox=self._endpoints(node, "sandbox", pointer),
            policies=_policies(node, "operationPolicies", pointer),
            fields=self._fields(node, "operation", pointer),
            mark=mark(node, pointer),
        )

    def _endpoints(
        self, owner: Mapping, kind: str, pointer: str
    ) -> tuple[EndpointConf, ...]:
        return tuple(
            self._endpoint(*found) for found in endpoint_nodes(owner, kind, pointer)
        )

    def _endpoint(self, node: Mapping, pointer: str) -> EndpointConf:
        data = plain(node)
        place = mark(node, pointer)
        resiliency = data.get("resiliency", {})
        timeout, retry = resiliency.get("timeout"), resiliency.get("retryPolicy")
        breaker, certificate = resiliency.get("circuitBreaker"), data.get("certificate")
        address = data["endpoint"]
        return EndpointConf(
            endpoint=_service(address) if isinstance(address, dict) else address,
            weight=data.get("weight"),
            security=_security(data.get("endpointSecurity", {}), place),
            certificate=_certificate(certificate, place) if certificate else None,
            timeout=_timeout(timeout) if timeout else None,
            retry=_retry(retry) if retry else None,
            circuit_breaker=_circuit_breaker(breaker) if breaker else None,
            ai_rate_limit=_ai_rate_limit(data.get("aiRatelimit", {})),
            fields=self._fields(node, "endpoint", pointer),
            mark=place,
        )

    def _fields(self, owner: Mapping, place: Owner, pointer: str) -> Fields:
        """The values of claimed fields that a mapping has."""
        found = []
        for item in self.claimed:
            node = owner.entries.get(item.name)
            if node is not None and place in item.places:
                found.append((item.name, item.value(node, below(pointer, item.name))))
        return Fields(tuple(found))


def _distinct(texts: Iterable[str]) -> tuple[str, ...]:
    return tuple(dict.fromkeys(texts))


def _service(data: dict[str, Any]) -> ServiceConf:
    return ServiceConf(
        data["name"],
        data.get("namespace", "default"),
        data["port"],
        data.get("protocol", "http"),
    )


def _secret_key(data: dict[str, Any], name: str, key: str, place: Mark) -> SecretKey:
    return SecretKey(data[name], data[key], place)


def _certificate(data: dict[str, Any], place: Mark) -> SecretKey:
    return _secret_key(data, "secretName", "secretKey", place)


def _security(
    data: dict[str, Any], place: Mark
) -> BasicSecurityConf | ApiKeySecurityConf | None:
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
    return BasicSecurityConf(
        username, _secret_key(kind, "secretName", "passwordKey", place)
    )


def _timeout(data: dict[str, Any]) -> TimeoutConf:
    return TimeoutConf(
        data.get("downstreamRequestIdleTimeout"), data.get("upstreamResponseTimeout")
    )


def _retry(data: dict[str, Any]) -> RetryConf:
    return RetryConf(
        data.get("count"),
        data.get("baseIntervalMillis"),
        tuple(dict.fromkeys(data.get("statusCodes", ()))),
        tuple(dict.fromkeys(data.get("grpcStatuses", ()))),
    )


def _circuit_breaker(data: dict[str, Any]) -> CircuitBreakerConf:
    names = (
        "maxConnectionPools",
        "maxConnections",
        "maxPendingRequests",
        "maxRequests",
        "maxRetries",
    )
    return CircuitBreakerConf(*map(data.get, names))


def _ai_rate_limit(data: dict[str, Any]) -> AiRateLimitConf | None:
    if not data.get("enabled"):
        return None
    token, request = data["token"], data["request"]
    return AiRateLimitConf(
        prompt_limit=token.get("promptLimit"),
        completion_limit=token.get("completionLimit"),
        total_limit=token.get("totalLimit"),
        token_unit=token.get("unit", "Minute"),
        request_limit=request.get("requestLimit"),
        request_unit=request.get("unit", "Minute"),
    )


def _policies(owner: Mapping, name: str, pointer: str) -> PoliciesConf:
    node = owner.entries.get(name)
    if not isinstance(node, Mapping):
        return PoliciesConf()
    here = below(pointer, name)
    request = tuple(_policy(*found) for found in mappings_at(node, "request", here))
    response = tuple(_policy(*found) for found in mappings_at(node, "response", here))
    return PoliciesConf(request, response)


def _policy(node: Mapping, pointer: str) -> PolicyConf:
    data = plain(node)
    parameters = frozen(data.get("parameters", {}))
    known = parameters
    if not isinstance(parameters, Fields | tuple):
        known = Fields()
    return PolicyConf(
        data["policyName"],
        data.get("policyVersion", "v1"),
        data.get("policyId", ""),
        known,
        mark(node, pointer),
    )


def _ai_provider(root: Mapping) -> AiProviderConf | None:
    node = root.entries.get("aiProvider")
    if not isinstance(node, Mapping):
        return None
    data = plain(node)
    place = mark(node, "#/aiProvider")
    return AiProviderConf(data["name"], data["apiVersion"], place, prices_of(data))
