"""Metrics of the control process in Prometheus' text format: keys of issuers, rejected tokens.

`/api/metrics` needs a token with the scope `kapi:metrics`; `/metrics` is on the Unix socket of
the process only: the gateway has no route to it.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence

from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from kapi.front.web.http.access import Access
from kapi.identity.issuers.trust import Trust
from kapi.policies.admission import TOTALS
from kapi.store.gateway.counters import Counter

METRICS_SCOPE = "kapi:metrics"
_MEDIA_TYPE = "text/plain; version=0.0.4; charset=utf-8"


_TOKENS = {"p": "prompt", "c": "completion"}

_Family = tuple[str, str, str, Sequence[tuple[str, float]]]
"""Name, type, help text, and samples: labels and value."""


class Metrics:
    """The endpoint, bound to what it reads."""

    def __init__(
        self,
        access: Access,
        trust: Trust,
        counters: Callable[[], Sequence[Counter]],
        now: Callable[[], float],
    ) -> None:
        self._access = access
        self._trust = trust
        self._counters = counters
        self._now = now

    def routes(self) -> list[Route]:
        """With a token, and without one on the local socket."""
        return [
            Route("/api/metrics", self.over_https, methods=["GET"]),
            Route("/metrics", self.on_this_machine, methods=["GET"]),
        ]

    async def over_https(self, request: Request) -> Response:
        """Metrics for scrapers with a token."""
        self._access.principal(request, METRICS_SCOPE)
        return self._answer()

    async def on_this_machine(self, request: Request) -> Response:  # noqa: ARG002 - Starlette's
        """Metrics for processes that may open the socket.

        `curl --unix-socket run/control.sock http://localhost/metrics`
        """
        return self._answer()

    def _answer(self) -> Response:
        return Response("".join(f"{line}\n" for line in self._lines()), media_type=_MEDIA_TYPE)

    def _lines(self) -> Iterator[str]:
        for name, kind, text, samples in self._families():
            yield f"# HELP {name} {text}"
            yield f"# TYPE {name} {kind}"
            for labels, value in samples:
                yield f"{name}{{{labels}}} {value:g}"

    def _families(self) -> Iterator[_Family]:
        """The metrics: keys and fetches by issuer, and refused tokens by issuer and reason."""
        states = []
        for item in self._trust.followed():
            if item.issuer.fetches:
                states.append((_label(item.issuer.name), item.state))
        keys = [(label, len(state.keys.keys)) for label, state in states]
        yield "kapi_issuer_keys", "gauge", "Usable keys of an issuer.", keys
        now = self._now()
        ages = []
        for label, state in states:
            if state.fetched_at:
                ages.append((label, now - state.fetched_at))
        text = "Seconds since the issuer last confirmed its keys."
        yield "kapi_issuer_keys_age_seconds", "gauge", text, ages
        fetches = [(label, state.fetches) for label, state in states]
        yield "kapi_issuer_fetches_total", "counter", "Times its keys were fetched.", fetches
        failures = [(label, state.failures) for label, state in states]
        yield "kapi_issuer_fetch_failures_total", "counter", "Times that failed.", failures
        text = "Refused tokens by issuer and reason; no issuer means one that is not known."
        yield "kapi_issuer_refused_tokens_total", "counter", text, self._refused()
        text = "Tokens that the AI backends of an API took on this day (UTC)."
        yield "kapi_ai_tokens_total", "counter", text, self._tokens()

    def _tokens(self) -> list[tuple[str, float]]:
        """By API and kind. They begin again each day, which a scraper takes for a restart."""
        samples: list[tuple[str, float]] = []
        for item in self._counters():
            if item.name.startswith(TOTALS) and item.slot == int(self._now()) // item.unit:
                api, _, kind = item.name.removeprefix(TOTALS).rpartition("/")
                samples.append((f'api="{api}",kind="{_TOKENS[kind]}"', item.used))
        return samples

    def _refused(self) -> list[tuple[str, float]]:
        samples: list[tuple[str, float]] = []
        for (name, reason), count in sorted(dict(self._trust.refusals).items()):
            samples.append((f'{_label(name)},reason="{reason.replace(" ", "_")}"', count))
        return samples


def _label(name: str) -> str:
    """The label of an issuer. Names contain no character that has to be escaped."""
    return f'issuer="{name}"'
