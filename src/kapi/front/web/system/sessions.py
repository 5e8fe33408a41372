"""The sessions API, `/api/sessions`: who is signed in at the inbuilt provider, and where.

An id is the one that clients get as `sid`; no answer contains a cookie.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, Final

from starlette.concurrency import run_in_threadpool
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from kapi import error_codes
from kapi.errors import Problem
from kapi.front.web.http.access import Access, json_answer
from kapi.front.web.operate.auditing import about
from kapi.front.web.operate.logs import limit_of
from kapi.front.web.system.users import USERS_SCOPE
from kapi.identity.people.listing import Sought
from kapi.identity.people.logout import revoke_session
from kapi.identity.people.sessions import Session, session_with_id, sessions
from kapi.identity.provider import Provider

_LONGEST: Final = 255


class Callers:
    """Which sessions and consents a caller may see and end: those of its organization.

    Callers of the organization of the platform see all.
    """

    def __init__(self, access: Access, platform: str) -> None:
        """`platform` is the organization of the platform."""
        self._access = access
        self._platform = platform

    def sought(self, request: Request) -> Sought:
        """What the parameters of a request name. Raises Problem."""
        own, query = self.organization(request), request.query_params
        wanted = query.get("organization", "")
        if own and wanted not in {"", own}:
            detail = "your token is of another organization"
            hint = "Leave the parameter out."
            raise Problem.of(error_codes.OTHER_ORGANIZATION, detail=detail, hint=hint)
        return Sought(
            user=query.get("user", "")[:_LONGEST],
            client=query.get("client", "")[:_LONGEST],
            organization=own or wanted,
            caller=own,
            after=query.get("after", "")[:_LONGEST],
            most=limit_of(request),
        )

    def organization(self, request: Request) -> str:
        """The only organization that the caller sees; empty for all. Raises Problem."""
        own = self._access.organization(self._access.principal(request, USERS_SCOPE))
        if own == self._platform:
            return ""
        return own


class SessionsApi:
    """The endpoints of this API."""

    def __init__(
        self, callers: Callers, provider: Callable[[], Provider], now: Callable[[], float]
    ) -> None:
        """`provider` returns the provider with its current keys and clients."""
        self._callers = callers
        self._provider = provider
        self._now = now

    def routes(self) -> list[Route]:
        """The routes of this API."""
        one = "/api/sessions/{session}"
        return [
            Route("/api/sessions", self.list, methods=["GET"]),
            Route(one, self.show, methods=["GET"]),
            Route(one, self.revoke, methods=["DELETE"]),
        ]

    async def list(self, request: Request) -> Response:
        """Sessions, and as `next` the place after them, which `after` takes; empty at the end."""
        sought = self._callers.sought(request)
        page = await run_in_threadpool(lambda: sessions(self._provider(), sought, int(self._now())))
        return json_answer({"sessions": list(map(shown, page.items)), "next": page.next})

    async def show(self, request: Request) -> Response:
        """A session."""
        return json_answer(shown(await self._found(request)))

    async def revoke(self, request: Request) -> Response:
        """End a session as a logout does: its tokens, and the clients that asked to be told."""
        session = await self._found(request)
        about(request, session.sid, f"of {session.username}")
        await run_in_threadpool(self._revoke, session)
        return Response(status_code=204)

    def _revoke(self, session: Session) -> None:
        revoke_session(self._provider(), session, int(self._now()))

    async def _found(self, request: Request) -> Session:
        own, sid = self._callers.organization(request), request.path_params["session"]
        session = await run_in_threadpool(
            lambda: session_with_id(self._provider(), sid, int(self._now()))
        )
        if session is None or own not in {"", session.organization}:
            raise Problem.of(
                error_codes.SESSION_NOT_FOUND,
                f"there is no session {sid[:_LONGEST]!r}",
                hint="See them with: kapi session list.",
            )
        return session


def shown(session: Session) -> dict[str, Any]:
    """A session as JSON: without its cookie."""
    return {
        "id": session.sid,
        "user": session.username,
        "subject": session.user,
        "organization": session.organization,
        "clients": list(session.clients),
        "amr": list(session.amr),
        "signedInAt": session.auth_time,
        "expiresAt": session.expires_at,
    }
