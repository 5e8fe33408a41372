"""The pages of the access log and the audit log, and of one call: why it was refused."""

from __future__ import annotations

from typing import Final
from urllib.parse import quote

from starlette.responses import RedirectResponse, Response

from kapi.front.web.console.console import PageRow, Visit
from kapi.front.web.console.summary import figures_of

_LIMITS: Final = ("50", "100", "500")


class CallPages:
    """The pages of calls, refused calls and the audit log."""

    def rows(self) -> tuple[PageRow, ...]:
        """The routes of these pages."""
        return (
            ("GET", "/calls", self.calls),
            ("GET", "/calls/{request}", self.call),
            ("GET", "/audit", self.audit),
        )

    async def calls(self, visit: Visit) -> Response:
        """The newest calls, the newest first, by API and decision; or one by its request id."""
        query = visit.request.query_params
        wanted = query.get("request", "").strip()
        if wanted:
            return RedirectResponse(f"/console/calls/{quote(wanted, safe='')}", 303)
        chosen = {"api": query.get("api", ""), "refused": query.get("refused", "")}
        found = (await visit.apis.get("/api/logs", limit=_limit(visit), **chosen))[
            "calls"
        ]
        return visit.page(
            "calls.html",
            calls=found[::-1],
            chosen=chosen,
            limits=_LIMITS,
            limit=_limit(visit),
            figures=figures_of(found),
        )

    async def call(self, visit: Visit) -> Response:
        """Show one call: who called, and what each filter decided."""
        wanted = quote(visit.request.path_params["request"], safe="")
        call = await visit.apis.get(f"/api/logs/{wanted}")
        sentences = call.pop("explanation")
        return visit.page("call.html", call=call, sentences=sentences)

    async def audit(self, visit: Visit) -> Response:
        """The newest entries, the newest first, by event, person and outcome."""
        query = visit.request.query_params
        chosen = {
            name: query.get(name, "").strip() for name in ("event", "by", "failed")
        }
        found = (await visit.apis.get("/api/audit", limit=_limit(visit), **chosen))[
            "events"
        ]
        return visit.page(
            "audit.html",
            events=found[::-1],
            chosen=chosen,
            limits=_LIMITS,
            limit=_limit(visit),
        )


def _limit(visit: Visit) -> str:
    given = visit.request.query_params.get("limit", "")
    if given in _LIMITS:
        return given
    return _LIMITS[1]
