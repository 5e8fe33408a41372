"""The page of sessions and consents of people at the inbuilt provider, and what ends them."""

from __future__ import annotations

import time
from collections.abc import Mapping
from typing import Any, Final
from urllib.parse import quote

from starlette.responses import RedirectResponse, Response

from kapi.front.web.console.console import PageRow, Visit, checked_form

_PATH: Final = "/console/sessions"
_LINES: Final = "100"


class PeoplePages:
    """The pages of sessions and consents."""

    def rows(self) -> tuple[PageRow, ...]:
        """The routes of these pages."""
        return (
            ("GET", "/sessions", self.sessions),
            ("POST", "/sessions/{id}/end", self.end),
            ("POST", "/consents/{id}/withdraw", self.withdraw),
        )

    async def sessions(self, visit: Visit) -> Response:
        """Sessions and consents, of all people or of one, or of one client."""
        query = visit.request.query_params
        sought = {name: query.get(name, "").strip() for name in ("user", "client")}
        places = {name: query.get(name, "") for name in ("sessions", "consents")}
        found = await visit.apis.get(
            "/api/sessions", **sought, after=places["sessions"], limit=_LINES
        )
        given = await visit.apis.get(
            "/api/consents", **sought, after=places["consents"], limit=_LINES
        )
        return visit.page(
            "sessions.html",
            sought=sought,
            sessions=[_dated(item) for item in found["sessions"]],
            consents=[_dated(item) for item in given["consents"]],
            places={"sessions": found["next"], "consents": given["next"]},
        )

    async def end(self, visit: Visit) -> Response:
        """End a session, as a logout does."""
        return await _ended(visit, "sessions")

    async def withdraw(self, visit: Visit) -> Response:
        """End a consent, and the access that it gave."""
        return await _ended(visit, "consents")


async def _ended(visit: Visit, kind: str) -> Response:
    await checked_form(visit, {})
    wanted = quote(visit.request.path_params["id"], safe="")
    await visit.apis.call("DELETE", f"/api/{kind}/{wanted}")
    return RedirectResponse(_PATH, 303, {"Cache-Control": "no-store"})


def _dated(item: Mapping[str, Any]) -> dict[str, Any]:
    """With the times as text."""
    shown = dict(item)
    for name in ("signedInAt", "givenAt", "expiresAt"):
        if name in item:
            moment = time.gmtime(item[name])
            shown[name] = time.strftime("%Y-%m-%d %H:%M UTC", moment)
    return shown
