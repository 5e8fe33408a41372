"""Metrics of the control process in the text format of Prometheus: how the keys of issuers stand, and what was refused.

`/api/metrics` needs a token with the scope `kapi:metrics`; `/metrics` answers on the process's Unix socket only, which the
gateway does not lead to.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator

from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from kapi.front.web.http.access import Access
from kapi.identity.issuers.trust import Trust

METRICS_SCOPE = "kapi:metrics"
_MEDIA_TYPE = "text/plain; version=0.0.4; charset=utf-8"


class Metrics:
    """The endpoint, bound to what it reads."""

    def __init__(self, access: Access, trust: Trust, now: Callable[[], float]) -> None:
        self._access = access
        self._trust = trust
        self._now = now

    def routes(self) -> list[Route]:
        """With a token, and without one on the local socket."""
        return [
            Route("/api/metrics", self.over_https, methods=["GET"]),
            Route("/metrics", self.on_this_machine, methods=["GET"]),
        ]

    async def over_https(self, request: Request) -> Response:
        """For scrapers elsewhere."""
        self._access.principal(request, METRICS_SCOPE)
        return self._answer()

    async def on_this_machine(self, request: Request) -> Response:  # noqa: ARG002 - Starlette's shape
        """For who may open the socket: `curl --unix-socket run/control.sock http://localhost/metrics`."""
        return self._answer()

    def _answer(self) -> Response:
        return Response("".join(f"{line}\n" for line in self._lines()), media_type=_MEDIA_TYPE)

    def _lines(self) -> Iterator[str]:
        states = [
            (_label(item.issuer.name), item.state)
            for item in self._trust.followed()
            if item.issuer.fetches
        ]
        now = self._now()
        rows: tuple[tuple[str, str, str, list[tuple[str, float]]], ...] = (
            (
                "kapi_issuer_keys",
                "gauge",
                "Usable keys of an issuer.",
                [(name, len(state.keys.keys)) for name, state in states],
            ),
            (
                "kapi_issuer_keys_age_seconds",
                "gauge",
                "Seconds since the issuer last confirmed its keys.",
                [(name, now - state.fetched_at) for name, state in states if state.fetched_at],
            ),
            (
                "kapi_issuer_fetches_total",
                "counter",
                "Times its keys were fetched.",
                [(name, state.fetches) for name, state in states],
            ),
            (
                "kapi_issuer_fetch_failures_total",
                "counter",
                "Times that failed.",
                [(name, state.failures) for name, state in states],
            ),
            (
                "kapi_issuer_refused_tokens_total",
                "counter",
                "Refused tokens by issuer and reason; no issuer means one that is not known.",
                [
                    (f'{_label(name)},reason="{reason.replace(" ", "_")}"', count)
                    for (name, reason), count in sorted(dict(self._trust.refusals).items())
                ],
            ),
        )
        for name, kind, text, samples in rows:
            yield f"# HELP {name} {text}"
            yield f"# TYPE {name} {kind}"
            for labels, value in samples:
                yield f"{name}{{{labels}}} {value:g}"


def _label(name: str) -> str:
    """Names have no character that would have to be escaped."""
    return f'issuer="{name}"'
