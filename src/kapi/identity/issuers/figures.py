"""Metrics of issuers: their keys, the fetches of these, and refused tokens."""

from __future__ import annotations

from collections.abc import Callable, Iterator

from kapi.figures import Family, counter, gauge
from kapi.identity.issuers.trust import Trust


def issuer_figures(trust: Trust, now: Callable[[], float]) -> Iterator[Family]:
    """Keys and fetches by issuer, and refused tokens by issuer and reason."""
    states = [
        ({"issuer": item.issuer.name}, item.state)
        for item in trust.followed()
        if item.issuer.fetches
    ]
    keys = [(labels, len(state.keys.keys)) for labels, state in states]
    yield gauge("kapi_issuer_keys", "Usable keys of an issuer.", keys)
    ages = [
        (labels, now() - state.fetched_at)
        for labels, state in states
        if state.fetched_at
    ]
    text = "Seconds since the issuer last confirmed its keys."
    yield gauge("kapi_issuer_keys_age_seconds", text, ages)
    fetches = [(labels, state.fetches) for labels, state in states]
    yield counter("kapi_issuer_fetches_total", "Times its keys were fetched.", fetches)
    failures = [(labels, state.failures) for labels, state in states]
    yield counter("kapi_issuer_fetch_failures_total", "Times that failed.", failures)
    refused = [
        ({"issuer": name, "reason": reason.replace(" ", "_")}, count)
        for (name, reason), count in sorted(trust.refused_tokens.counts().items())
    ]
    text = "Refused tokens by issuer and reason; no issuer means one that is not known."
    yield counter("kapi_issuer_refused_tokens_total", text, refused)
