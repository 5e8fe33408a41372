"""What happened between two readings: rates, latencies, refusals, processes. Pure."""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Iterable, Mapping
from typing import Any, Final

from kapi.front.cli.top.samples import Labels, Reading

_REQUESTS: Final = "kapi_requests_total"
_DURATIONS: Final = "kapi_request_duration_seconds_bucket"
_QUANTILES: Final = {"p50": 0.5, "p95": 0.95, "p99": 0.99}
_FAILED: Final = 500
Api = tuple[str, str, str]
"""Name, version and organization; empty for calls that no API answered."""
Buckets = Mapping[float, float]
"""Calls by a bound in seconds: those that took at most that long."""


def figures(before: Reading, now: Reading) -> dict[str, Any]:
    """The figures of the time between two readings; rates are per second, latencies in ms."""
    seconds = max(now.at - before.at, 0.001)
    calls, refused, failed = _calls(before, now)
    buckets = _buckets(before, now)
    apis = [
        {
            "api": api[0],
            "version": api[1],
            "organization": api[2],
            "perSecond": _rate(count, seconds),
            "refusedPerSecond": _rate(refused[api], seconds),
            "failedPerSecond": _rate(failed[api], seconds),
            **latencies([buckets[api]]),
        }
        for api, count in calls.most_common()
        if count
    ]
    return {
        "seconds": round(seconds, 3),
        "requests": {
            "perSecond": _rate(calls.total(), seconds),
            "refusedPerSecond": _rate(refused.total(), seconds),
            "failedPerSecond": _rate(failed.total(), seconds),
            **latencies(buckets.values()),
        },
        "tokensPerSecond": _rate(
            _grown(before, now, "kapi_tokens_issued_total"), seconds
        ),
        "connections": int(now.value("kapi_gateway_connections")),
        "activeRequests": int(now.value("kapi_gateway_active_requests")),
        "apis": apis,
        "refusals": _refusals(before, now, seconds),
        "processes": _processes(before, now, seconds),
        "counted": _REQUESTS in now.rows,
    }


def _calls(
    before: Reading, now: Reading
) -> tuple[Counter[Api], Counter[Api], Counter[Api]]:
    """Calls by API: all of them, those that the gateway refused, those that failed."""
    every: Counter[Api] = Counter()
    failed: Counter[Api] = Counter()
    refused: Counter[Api] = Counter()
    for labels, grown in now.since(before, _REQUESTS):
        api = _api(labels)
        every[api] += round(grown)
        status = labels.get("status", "")
        if status.isdigit() and int(status) >= _FAILED:
            failed[api] += round(grown)
    for labels, grown in now.since(before, "kapi_refusals_total"):
        refused[_api(labels)] += round(grown)
    return every, refused, failed


def _api(labels: Labels) -> Api:
    return (
        labels.get("api", ""),
        labels.get("version", ""),
        labels.get("organization", ""),
    )


def _buckets(before: Reading, now: Reading) -> Mapping[Api, Buckets]:
    found: dict[Api, dict[float, float]] = defaultdict(lambda: defaultdict(float))
    for labels, grown in now.since(before, _DURATIONS):
        found[_api(labels)][float(labels["le"])] += grown
    return found


def latencies(histograms: Iterable[Buckets]) -> dict[str, float | None]:
    """Quantiles in ms of histograms together; None without a call."""
    together: dict[float, float] = defaultdict(float)
    for histogram in histograms:
        for bound, count in histogram.items():
            together[bound] += count
    return {name: _quantile(together, share) for name, share in _QUANTILES.items()}


def _quantile(buckets: Buckets, share: float) -> float | None:
    """As Prometheus' histogram_quantile: linear within a bucket; beyond the last, its bound."""
    every = buckets.get(float("inf"), 0.0)
    if not every:
        return None
    rank, below, lower = share * every, 0.0, 0.0
    for bound in sorted(buckets):
        count = buckets[bound]
        if count >= rank and count > below:
            if bound == float("inf"):
                return round(1000 * lower, 2)
            return round(
                1000 * (lower + (bound - lower) * (rank - below) / (count - below)), 2
            )
        below = count
        if bound != float("inf"):
            lower = bound
    return None


def _refusals(before: Reading, now: Reading, seconds: float) -> list[dict[str, Any]]:
    counts: Counter[tuple[str, str]] = Counter()
    for labels, grown in now.since(before, "kapi_refusals_total"):
        counts[labels.get("code", ""), labels.get("reason", "")] += round(grown)
    return [
        {"code": code, "reason": reason, "perSecond": _rate(count, seconds)}
        for (code, reason), count in counts.most_common()
        if count
    ]


def _processes(before: Reading, now: Reading, seconds: float) -> list[dict[str, Any]]:
    memory = {}
    for labels, value in now.of("kapi_process_resident_memory_bytes"):
        memory[labels.get("process", "")] = int(value)
    found = []
    for labels, grown in now.since(before, "kapi_process_cpu_seconds_total"):
        name = labels.get("process", "")
        percent = round(100 * grown / seconds, 1)
        found.append(
            {"process": name, "cpuPercent": percent, "memoryBytes": memory.get(name, 0)}
        )
    return found


def _grown(before: Reading, now: Reading, name: str) -> float:
    return sum(grown for _, grown in now.since(before, name))


def _rate(count: float, seconds: float) -> float:
    return round(count / seconds, 2)
