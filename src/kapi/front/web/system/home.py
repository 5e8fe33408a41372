"""The pages at `/` of the hosts of the system APIs and of deployed APIs.

The gateway sends requests here only if their Accept header prefers HTML
(`gateway/envoy/resources/routes/scopes.py`).
"""

from __future__ import annotations

from starlette.requests import Request
from starlette.responses import RedirectResponse, Response
from starlette.routing import Route

from kapi.identity.clients.console_client import START_PATH
from kapi.identity.pages.home import home_page
from kapi.settings import Settings

_SYSTEM = (
    "System APIs",
    (
        (
            "This host deploys APIs and runs the platform. Programs call the paths below `/api/`"
            " with an access token."
        ),
        "The command `kapi` does the same: `kapi --help`.",
    ),
    (
        ("Read the OpenAPI document", "/openapi.html"),
        ("See whether the platform is ready", "/ready"),
    ),
)
_GATEWAY = (
    "Gateway",
    (
        (
            "APIs answer on this host, each below its base path, such as `/petstore/1.0.0`. Which"
            " APIs there are is not told here."
        ),
        "A path that no API has is answered with 404.",
    ),
    (),
)


class HomePages:
    """The endpoint, bound to the names of the hosts."""

    def __init__(self, settings: Settings) -> None:
        self._console_hosts = settings.console_hosts
        self._system_hosts = settings.gateway.api_hosts

    def routes(self) -> list[Route]:
        """The path of the endpoint."""
        return [Route("/", self.show, methods=["GET"])]

    async def show(self, request: Request) -> Response:
        """The page of the host."""
        host = request.headers.get("host", "").partition(":")[0].lower()
        if host in self._console_hosts:
            return RedirectResponse(START_PATH, 303)
        headers, body = home_page(
            *(_SYSTEM if host in self._system_hosts else _GATEWAY)
        )
        return Response(body, headers=dict(headers))
