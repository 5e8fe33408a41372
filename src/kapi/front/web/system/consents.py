"""The consents API, `/api/consents`: which clients people of the inbuilt provider allowed what."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, Final

from starlette.concurrency import run_in_threadpool
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from kapi import error_codes
from kapi.errors import Problem
from kapi.front.web.http.access import json_answer
from kapi.front.web.operate.auditing import about
from kapi.front.web.system.sessions import Callers
from kapi.identity.people.consents import Consent, consent_of, consents, revoke_consent
from kapi.identity.provider import Provider

_LONGEST: Final = 255


class ConsentsApi:
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
        one = "/api/consents/{consent}"
        return [
            Route("/api/consents", self.list, methods=["GET"]),
            Route(one, self.show, methods=["GET"]),
            Route(one, self.revoke, methods=["DELETE"]),
        ]

    async def list(self, request: Request) -> Response:
        """Consents, and as `next` the place after them, which `after` takes; empty at the end."""
        sought = self._callers.sought(request)
        page = await run_in_threadpool(lambda: consents(self._provider(), sought, int(self._now())))
        return json_answer({"consents": list(map(shown, page.items)), "next": page.next})

    async def show(self, request: Request) -> Response:
        """A consent."""
        return json_answer(shown(await self._found(request)))

    async def revoke(self, request: Request) -> Response:
        """End a consent, and all tokens that the person authorized the client to get."""
        consent = await self._found(request)
        about(request, consent.client_id, f"of {consent.person.username}")
        await run_in_threadpool(self._revoke, consent)
        return Response(status_code=204)

    def _revoke(self, consent: Consent) -> None:
        revoke_consent(self._provider(), consent.id, int(self._now()))

    async def _found(self, request: Request) -> Consent:
        own, consent_id = self._callers.organization(request), request.path_params["consent"]
        consent = await run_in_threadpool(
            lambda: consent_of(self._provider(), consent_id, int(self._now()))
        )
        if consent is None or not consent.person.is_of(own):
            raise Problem.of(
                error_codes.CONSENT_NOT_FOUND,
                f"there is no consent {consent_id[:_LONGEST]!r}",
                hint="See them with: kapi consent list.",
            )
        return consent


def shown(consent: Consent) -> dict[str, Any]:
    """A consent as JSON."""
    return {
        "id": consent.id,
        "user": consent.person.username,
        "subject": consent.person.subject,
        "organizations": list(consent.person.organizations),
        "client": consent.client_id,
        "clientName": consent.client_name,
        "scopes": list(consent.scopes),
        "givenAt": consent.given_at,
        "expiresAt": consent.expires_at,
    }
