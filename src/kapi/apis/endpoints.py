"""Endpoints of a conf → endpoints of the IR: address, weight, credentials, certificate, resilience.

Pure; called by `compile.py`.
"""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, Final, TypeVar

from kapi.apis.balancing import Member, Pool
from kapi.apis.ir import (
    AiLimits,
    ApiKeyCredential,
    BasicCredentials,
    CircuitBreaker,
    Endpoint,
    Retry,
    SecretRef,
)
from kapi.apis.model.conf import ApiKeySecurityConf, ServiceConf, TimeoutConf
from kapi.apis.model.rules import Fault, endpoint_of

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from kapi.apis.balancing import Balancing
    from kapi.apis.model.conf import (
        AiRateLimitConf,
        BasicSecurityConf,
        CircuitBreakerConf,
        EndpointConf,
        RetryConf,
        SecretKey,
    )

_From = TypeVar("_From")
_To = TypeVar("_To")
RETRIES: Final = 1
"""When a retry policy names no count."""
RETRIED_STATUSES: Final = (504,)
"""When a retry policy names no status codes, as in APK."""


def endpoints(confs: Sequence[EndpointConf]) -> tuple[Endpoint, ...]:
    """The endpoints in the order of the file, those of weight 0 included."""
    return tuple(map(_endpoint, confs))


def pooled(
    confs: Sequence[EndpointConf], balancing: Balancing | None
) -> tuple[Endpoint, ...]:
    """The endpoints; as one with several addresses where `balancing` chooses among them."""
    found = endpoints(confs)
    if balancing is None or not found:
        return found
    priorities = sorted(
        {item.field("priority", 0) for item in confs if item.weight != 0}
    )
    members = []
    for conf, item in zip(confs, found, strict=True):
        if item.weight:
            # Envoy refuses priorities with gaps.
            priority = priorities.index(conf.field("priority", 0))
            members.append(Member(item.host, item.port, item.weight, priority))
    pool = Pool(tuple(members), balancing)
    return (
        replace(
            found[0], host=members[0].host, port=members[0].port, weight=1, pool=pool
        ),
    )


def secret_ref(key: SecretKey) -> SecretRef:
    """A secret as the IR names it."""
    return SecretRef(key.name, key.key, key.mark)


def _endpoint(conf: EndpointConf) -> Endpoint:
    scheme, host, port, base_path = _address(conf.endpoint)
    timeout = conf.timeout or TimeoutConf()
    return Endpoint(
        scheme,
        host,
        port,
        base_path,
        weight=1 if conf.weight is None else conf.weight,
        security=_credentials(conf.security) if conf.security else None,
        certificate=_if_given(secret_ref, conf.certificate),
        response_timeout=timeout.upstream_response,
        idle_timeout=timeout.downstream_request_idle,
        retry=_if_given(_retry, conf.retry),
        circuit_breaker=_if_given(_circuit_breaker, conf.circuit_breaker),
        ai_limits=_if_given(_ai_limits, conf.ai_rate_limit),
    )


def _if_given(convert: Callable[[_From], _To], value: _From | None) -> _To | None:
    if value is None:
        return None
    return convert(value)


def _address(address: str | ServiceConf) -> tuple[str, str, int, str]:
    if isinstance(address, ServiceConf):
        return (
            address.protocol,
            f"{address.name}.{address.namespace}.svc.cluster.local",
            address.port,
            "",
        )
    endpoint = endpoint_of(address)
    assert not isinstance(endpoint, Fault)  # noqa: S101 - reading.py has refused it before
    return endpoint.scheme, endpoint.host, endpoint.port, endpoint.base_path


def _credentials(
    conf: BasicSecurityConf | ApiKeySecurityConf,
) -> BasicCredentials | ApiKeyCredential:
    if isinstance(conf, ApiKeySecurityConf):
        return ApiKeyCredential(conf.location, conf.parameter, secret_ref(conf.value))
    return BasicCredentials(secret_ref(conf.username), secret_ref(conf.password))


def _retry(conf: RetryConf) -> Retry | None:
    count = conf.count
    if count is None:
        count = RETRIES
    if not count:
        return None
    statuses = conf.status_codes or RETRIED_STATUSES
    return Retry(count, statuses, conf.base_interval_millis, conf.grpc_statuses)


def _circuit_breaker(conf: CircuitBreakerConf) -> CircuitBreaker:
    connections = (conf.max_connection_pools, conf.max_connections)
    return CircuitBreaker(
        *connections, conf.max_pending_requests, conf.max_requests, conf.max_retries
    )


def _ai_limits(conf: AiRateLimitConf) -> AiLimits:
    return AiLimits(
        requests=conf.request_limit,
        request_unit=conf.request_unit,
        prompt_tokens=conf.prompt_limit,
        completion_tokens=conf.completion_limit,
        total_tokens=conf.total_limit,
        token_unit=conf.token_unit,
    )
