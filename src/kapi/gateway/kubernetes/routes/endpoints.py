"""Times, retries and limits of an endpoint, as a BackendTrafficPolicy has them. Pure."""

from __future__ import annotations

from typing import Any

from kapi.apis.ir import CircuitBreaker, Endpoint, Retry
from kapi.policies.kubernetes import KubernetesRoute, NotPossible

_RETRIED = ("retriable-status-codes", "connect-failure", "refused-stream")


def traffic_of(endpoint: Endpoint) -> KubernetesRoute:
    """What an endpoint asks for besides its response timeout, which the rule has."""
    traffic: dict[str, Any] = {}
    faults: tuple[NotPossible, ...] = ()
    if endpoint.idle_timeout is not None:
        traffic["timeout"] = {
            "http": {"streamIdleTimeout": f"{endpoint.idle_timeout}s"}
        }
    if endpoint.retry is not None:
        traffic["retry"] = _retry(endpoint.retry)
    if endpoint.circuit_breaker is not None:
        traffic["circuitBreaker"] = _circuit_breaker(endpoint.circuit_breaker)
        if endpoint.circuit_breaker.max_connection_pools is not None:
            hint = "Remove maxConnectionPools."
            faults = (
                NotPossible("a limit of the connection pools of a backend", hint),
            )
    return KubernetesRoute(traffic=traffic, not_possible=faults)


def _retry(retry: Retry) -> dict[str, Any]:
    statuses = [item.lower().replace("_", "-") for item in retry.grpc_statuses]
    on: dict[str, Any] = {"triggers": [*_RETRIED, *statuses]}
    if retry.status_codes:
        on["httpStatusCodes"] = list(retry.status_codes)
    made: dict[str, Any] = {"numRetries": retry.count, "retryOn": on}
    if retry.base_interval_millis:
        base = retry.base_interval_millis
        intervals = {
            "baseInterval": _duration(base),
            "maxInterval": _duration(10 * base),
        }
        made["perRetry"] = {"backOff": intervals}
    return made


def _duration(millis: int) -> str:
    """A duration of Gateway API (GEP-2257)."""
    seconds, rest = divmod(millis, 1000)
    text = (f"{seconds}s" if seconds else "") + (f"{rest}ms" if rest else "")
    return text or "0s"


def _circuit_breaker(asked: CircuitBreaker) -> dict[str, int]:
    given = {
        "maxConnections": asked.max_connections,
        "maxPendingRequests": asked.max_pending_requests,
        "maxParallelRequests": asked.max_requests,
        "maxParallelRetries": asked.max_retries,
    }
    found = {}
    for name, value in given.items():
        if value is not None:
            found[name] = value
    return found
