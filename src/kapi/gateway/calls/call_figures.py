"""Figures of calls, counted from the lines of the access log: Envoy does no work for them."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from decimal import Decimal
from functools import lru_cache, partial
from typing import Any, Final

from kapi import error_codes
from kapi.error_codes import ErrorCode
from kapi.figures import Counter, Family, Histogram
from kapi.settings import Settings
from kapi.typed import of_kind

BOUNDS: Final = (
    0.001,
    0.0025,
    0.005,
    0.01,
    0.025,
    0.05,
    0.1,
    0.25,
    0.5,
    1,
    2.5,
    5,
    10,
    30,
)
"""Upper bounds of the buckets of durations, in seconds."""
_API: Final = ("api", "version", "organization")
_HERE: Final = (*_API, "host")
_FEW: Final = frozenset({"host", "status", "code", "reason", "direction"})
_LIMITED: Final = "429"
"""Status of the calls that a limit refuses; a backend's own 429 is `allowed`."""
_FLAGS: Final = {
    "UF": "connection failed",
    "UO": "too many requests or connections",
    "UH": "no healthy backend",
    "UT": "no answer in time",
    "UR": "reset by the backend",
    "UC": "connection ended",
    "URX": "retries used up",
    "UMSDR": "answer took too long",
    "UPE": "not HTTP",
    "DF": "name not found",
    "DT": "call took too long",
    "NC": "no backend",
}
"""Envoy's response flags of a backend that failed, in words."""


_REQUESTS: Final = (
    "kapi_requests_total",
    "Calls by API, operation, kind of host, status and code of the answer.",
    (*_HERE, "operation", "status", "code"),
)
_DURATIONS: Final = (
    "kapi_request_duration_seconds",
    "Time from the first byte of a call to the last byte of its answer.",
    _HERE,
)
_WAITS: Final = (
    "kapi_upstream_duration_seconds",
    "Time from the first byte to the backend to the first byte of its answer.",
    _HERE,
)
_BYTES: Final = (
    "kapi_body_bytes_total",
    "Bytes of bodies; received from callers, and sent to them.",
    (*_HERE, "direction"),
)
_REFUSALS: Final = (
    "kapi_refusals_total",
    "Calls that the gateway refused, by API, code and reason.",
    (*_API, "code", "reason"),
)
_FAILURES: Final = (
    "kapi_upstream_failures_total",
    "Calls whose backend did not answer, by API and reason.",
    (*_API, "reason"),
)
_LIMITS: Final = (
    "kapi_limits_reached_total",
    "Calls that a rate limit refused, by API and code of the limit.",
    (*_API, "code"),
)
_COSTS: Final = (
    "kapi_ai_cost_total",
    "What calls of AI models cost by the prices of the conf, by API, application and currency.",
    (*_API, "application", "currency"),
)
_TRILLION: Final = 10**12


def _titles() -> dict[str, str]:
    """The text of each code: the reasons of single calls contain names."""
    codes = list(of_kind(vars(error_codes).values(), ErrorCode))
    return {item.number: item.text for item in reversed(codes)}


class CallFigures:
    """All figures of calls. One thread counts."""

    def __init__(self, settings: Settings) -> None:
        made = partial(Counter, most=settings.metrics.max_series, kept=_FEW)
        timed = partial(
            Histogram, most=settings.metrics.max_series, bounds=BOUNDS, kept=_FEW
        )
        self._hosts = _kind_of_host(settings)
        self._titles = _titles()
        self._requests = made(*_REQUESTS)
        self._durations, self._waits = timed(*_DURATIONS), timed(*_WAITS)
        self._bytes = made(*_BYTES)
        self._refusals = made(*_REFUSALS)
        self._failures = made(*_FAILURES)
        self._limits = made(*_LIMITS)
        self._costs = made(*_COSTS)

    def count(self, call: dict[str, Any]) -> None:
        """Count one line of the access log."""
        get = call.get
        api = (get("api") or "", get("version") or "", get("organization") or "")
        host = self._hosts((get("url") or "").partition("/")[0])
        here = (*api, host)
        status, code = str(get("status") or 0), get("code") or ""
        self._requests.add((*here, get("operation") or "", status, code))
        self._durations.observe(here, _seconds(get("microseconds")))
        if waited := get("upstream_microseconds"):
            self._waits.observe(here, _seconds(waited))
        if received := get("bytes_in"):
            self._bytes.add((*here, "received"), int(received))
        if sent := get("bytes_out"):
            self._bytes.add((*here, "sent"), int(sent))
        if cost := get("cost"):
            self._count_cost(cost, (*api, get("application") or ""))
        if get("decision") != "allowed":
            self._count_stopped(call, api, code, status)

    def _count_cost(self, cost: str, of: tuple[str, ...]) -> None:
        """Count an amount with its currency: `0.0125 USD`. Sums are whole trillionths."""
        amount, _, currency = cost.partition(" ")
        self._costs.add((*of, currency), int(Decimal(amount) * _TRILLION))

    def _count_stopped(
        self, call: dict[str, Any], api: tuple[str, str, str], code: str, status: str
    ) -> None:
        if call.get("decision") == "refused":
            self._refusals.add((*api, code, self._titles.get(code, "")))
            if status == _LIMITED:
                self._limits.add((*api, code))
            return
        for flag in str(call.get("flags") or "").split(","):
            if reason := _FLAGS.get(flag):
                self._failures.add((*api, reason))
                return

    def families(self) -> Iterator[Family]:
        """What was counted until now."""
        yield self._requests.family()
        yield self._durations.family()
        yield self._waits.family()
        yield self._bytes.family()
        yield self._refusals.family()
        yield self._failures.family()
        yield self._limits.family()
        costs = self._costs.family()
        samples = [
            (suffix, of, number / _TRILLION) for suffix, of, number in costs.samples
        ]
        yield replace(costs, samples=samples)


def _seconds(microseconds: Any) -> float:
    return int(microseconds or 0) / 1_000_000


def _kind_of_host(settings: Settings) -> Any:
    """A function from a host to its kind. Callers choose hosts, so few are remembered."""
    gateway, identity = settings.gateway, settings.identity
    system = {*gateway.api_hosts, *settings.console_hosts}
    provider = settings.provider_hosts if identity.enabled else ()
    production = tuple(f".{domain}" for domain in gateway.domains)
    sandbox = tuple(f".sandbox{domain}" for domain in production)

    @lru_cache(1024)
    def kind(host: str) -> str:
        name = host.partition(":")[0].lower()
        if name in system:
            return "system"
        if name in provider:
            return "provider"
        if name.endswith(sandbox):
            return "sandbox"
        return "production" if name.endswith(production) else "other"

    return kind
