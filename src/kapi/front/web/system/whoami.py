"""The system API `/api/whoami`: as whom a caller is known. Any valid token may ask."""

from __future__ import annotations

from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from kapi.front.web.http.access import Access, json_answer


class WhoamiApi:
    """The endpoint of this API."""

    def __init__(self, access: Access) -> None:
        self._access = access

    def routes(self) -> list[Route]:
        """The route of this API."""
        return [Route("/api/whoami", self.show, methods=["GET"])]

    async def show(self, request: Request) -> Response:
        """Subject, client, issuer, organization, scopes, and when the token expires."""
        principal = self._access.caller(request)
        answer = json_answer(
            {
                "subject": principal.subject,
                "client": principal.client_id,
                "issuer": principal.issuer,
                "organization": self._access.organization(principal),
                "scopes": sorted(principal.scopes),
                "expires_at": principal.expires_at,
            }
        )
        answer.headers["Cache-Control"] = "no-store"
        return answer
