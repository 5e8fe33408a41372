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
from kapi.gateway.calls.alike import Alike
from kapi.gateway.calls.lines import ALLOWED, Call
from kapi.settings import Settings
from kapi.typed import of_kind

_MICRO: Final = 1_000_000
BOUNDS: Final = (
    *(1_000, 2_500, 5_000, 10_000, 25_000, 50_000, 100_000, 250_000, 500_000),
    *(1_000_000, 2_500_000, 5_000_000, 10_000_000, 30_000_000),
)
"""Upper bounds of the buckets of durations, in microseconds."""
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
        most = settings.metrics.max_series
        timed = partial(Histogram, most=most, bounds=BOUNDS, scale=_MICRO, kept=_FEW)
        self._hosts = _kind_of_host(settings)
        self._titles = _titles()
        self._requests = made(*_REQUESTS)
        self._durations, self._waits = timed(*_DURATIONS), timed(*_WAITS)
        self._bytes = made(*_BYTES)
        self._refusals = made(*_REFUSALS)
        self._failures = made(*_FAILURES)
        self._limits = made(*_LIMITS)
        self._costs = made(*_COSTS)

    def count_alike(self, calls: Alike) -> None:
        """Count calls that passed."""
        get = calls.operation.get
        api = (get("api", ""), get("version", ""), get("organization", ""))
        here = (*api, self._hosts(calls.host))
        row = (*here, get("operation", ""), str(calls.status), "")
        self._requests.add(row, len(calls.microseconds))
        self._durations.observe(here, calls.microseconds)
        if calls.upstream_microseconds:
            self._waits.observe(here, calls.upstream_microseconds)
        self._count_bytes(here, calls.bytes_in, calls.bytes_out)

    def count(self, call: Call) -> None:
        """Count one line of the access log."""
        get = call.get
        api = (get("api") or "", get("version") or "", get("organization") or "")
        here = (*api, self._hosts((get("url") or "").partition("/")[0]))
        status, code = str(get("status") or 0), get("code") or ""
        self._requests.add((*here, get("operation") or "", status, code))
        self._durations.observe(here, [int(get("microseconds") or 0)])
        if waited := get("upstream_microseconds"):
            self._waits.observe(here, [int(waited)])
        bytes_in, bytes_out = get("bytes_in") or 0, get("bytes_out") or 0
        self._count_bytes(here, int(bytes_in), int(bytes_out))
        if cost := get("cost"):
            self._count_cost(cost, (*api, get("application") or ""))
        if get("decision") != ALLOWED:
            self._count_stopped(call, api, code, status)

    def _count_bytes(self, here: tuple[str, ...], received: int, sent: int) -> None:
        if received:
            self._bytes.add((*here, "received"), received)
        if sent:
            self._bytes.add((*here, "sent"), sent)

    def _count_cost(self, cost: str, of: tuple[str, ...]) -> None:
        """Count an amount with its currency: `0.0125 USD`. Sums are whole trillionths."""
        amount, _, currency = cost.partition(" ")
        self._costs.add((*of, currency), int(Decimal(amount) * _TRILLION))

    def _count_stopped(
        self, call: Call, api: tuple[str, str, str], code: str, status: str
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
