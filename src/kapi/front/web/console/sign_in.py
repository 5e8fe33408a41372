"""Signs people in with the inbuilt provider: authorization code, PKCE.

RFC 6749 §4.1, RFC 7636. The state and the verifier are in a cookie of the browser until the
provider sends it back.
"""

from __future__ import annotations

import base64
import hashlib
import hmac
import http.client
import json
import socket
from collections.abc import Callable
from typing import Any, Final
from urllib.parse import quote_plus, urlencode

from starlette.concurrency import run_in_threadpool
from starlette.requests import Request
from starlette.responses import RedirectResponse, Response

from kapi import error_codes
from kapi.dataclass import dataclass
from kapi.errors import Problem
from kapi.front.web.console.sessions import Sessions, cookie, new_secret
from kapi.identity.clients.console_client import (
    CALLBACK_PATH,
    CONSOLE_CLIENT,
    SIGN_IN_SCOPE,
    START_PATH,
)
from kapi.identity.issuers.verify import Principal
from kapi.run_files import identity_socket
from kapi.settings import Settings

WAITING_COOKIE: Final = "__Host-kapi-console-sign-in"
SIGN_IN_PATH: Final = "/console/sign-in"
_WAITING_SECONDS: Final = 600
_TOKEN_SECONDS: Final = 15.0
_MOST_BYTES: Final = 64 * 1024


@dataclass(frozen=True, slots=True)
class Provider:
    """The inbuilt provider, as its client sees it."""

    settings: Settings
    secret: Callable[[], str]
    """The client secret of the console."""
    verify: Callable[[str], Principal]
    """The person of an access token. Raises Problem."""

    def host(self, request: Request) -> str:
        """The provider's host for a browser at this host of the console."""
        if console_host(self.settings, request) == self.settings.console_hosts[0]:
            return self.settings.provider_hosts[0]
        return self.settings.provider_hosts[-1]

    def person(
        self, host: str, code: str, verifier: str, redirect_uri: str
    ) -> Principal:
        """The person of a code. Raises Problem if the provider refuses it."""
        token = self._redeemed(host, code, verifier, redirect_uri).get("access_token")
        if not isinstance(token, str):
            raise _failed("The provider did not accept the sign-in.")
        return self.verify(token)

    def _redeemed(
        self, host: str, code: str, verifier: str, redirect_uri: str
    ) -> dict[str, Any]:
        form = {
            "grant_type": "authorization_code",
            "code": code,
            "code_verifier": verifier,
            "redirect_uri": redirect_uri,
        }
        return self.asked(host, form, (CONSOLE_CLIENT, self.secret()))

    def asked(
        self,
        host: str,
        form: dict[str, str],
        client: tuple[str, str],
        *,
        in_body: bool = False,
    ) -> dict[str, Any]:
        """The members of an answer of the token endpoint; `client` is its id and its secret.

        Raises Problem if the provider does not answer.
        """
        headers = {
            "Host": self.settings.gateway.origin(host).removeprefix("https://"),
            "Content-Type": "application/x-www-form-urlencoded",
        }
        if in_body:
            form = {**form, "client_id": client[0], "client_secret": client[1]}
        else:
            pair = ":".join(map(quote_plus, client)).encode()
            headers["Authorization"] = f"Basic {base64.b64encode(pair).decode('ascii')}"
        connection = _OverSocket(str(identity_socket(self.settings, 0)))
        try:
            connection.request("POST", "/oauth2/token", urlencode(form), headers)
            answer: Any = json.loads(connection.getresponse().read(_MOST_BYTES))
        except (OSError, http.client.HTTPException, ValueError) as error:
            raise _failed("The provider does not answer. Try again.") from error
        finally:
            connection.close()
        return answer if isinstance(answer, dict) else {}


class _OverSocket(http.client.HTTPConnection):
    """HTTP over a Unix socket."""

    def __init__(self, path: str) -> None:
        super().__init__("provider", timeout=_TOKEN_SECONDS)
        self._path = path

    def connect(self) -> None:
        """Connect to the socket of the provider."""
        self.sock = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
        self.sock.settimeout(self.timeout)
        self.sock.connect(self._path)


class SignIn:
    """The endpoints before and after a session."""

    def __init__(
        self,
        provider: Provider,
        sessions: Sessions,
        random_bytes: Callable[[int], bytes],
    ) -> None:
        self._provider = provider
        self._sessions = sessions
        self._random_bytes = random_bytes
        self._origin = provider.settings.gateway.origin

    async def start(self, request: Request) -> Response:
        """Send the browser to the provider."""
        state, verifier = new_secret(self._random_bytes), new_secret(self._random_bytes)
        digest = hashlib.sha256(verifier.encode()).digest()
        query = {
            "response_type": "code",
            "client_id": CONSOLE_CLIENT,
            "redirect_uri": self._redirect_uri(request),
            "scope": SIGN_IN_SCOPE,
            "state": state,
            "code_challenge": base64.urlsafe_b64encode(digest)
            .rstrip(b"=")
            .decode("ascii"),
            "code_challenge_method": "S256",
        }
        if "again" in request.query_params:
            query["prompt"] = "login"
        url = f"{self._origin(self._provider.host(request))}/oauth2/authorize?{urlencode(query)}"
        return _see(
            url, cookie(WAITING_COOKIE, f"{state}.{verifier}", _WAITING_SECONDS)
        )

    async def callback(self, request: Request) -> Response:
        """Take the code of the provider, and start the session. Raises Problem 400 or 403."""
        state, _, verifier = request.cookies.get(WAITING_COOKIE, "").partition(".")
        given = request.query_params.get("state", "")
        if not state or not hmac.compare_digest(
            state.encode(), given.encode("utf-8", "replace")
        ):
            raise _failed(
                "This sign-in is not of this browser, or took more than ten minutes."
            )
        code = request.query_params.get("code", "")
        if not code:
            raise _failed("The provider did not sign you in.")
        principal = await run_in_threadpool(
            self._provider.person,
            self._provider.host(request),
            code,
            verifier,
            self._redirect_uri(request),
        )
        started, role = await run_in_threadpool(self._sessions.start, principal)
        if not role:
            raise Problem.of(
                error_codes.SCOPE_MISSING,
                "No role at the console",
                detail="Your account has no role at this console, so it shows nothing to you.",
                hint="A role comes from a group of the account: console.operator_groups,"
                " console.reader_groups.",
            )
        return _see(START_PATH, started, cookie(WAITING_COOKIE, "", 0))

    def left(self, request: Request, removed: str) -> Response:
        """After the end of a session: the provider's page for signing out there too."""
        query = {
            "client_id": CONSOLE_CLIENT,
            "post_logout_redirect_uri": f"{self._here(request)}{START_PATH}",
        }
        url = f"{self._origin(self._provider.host(request))}/oidc/logout?{urlencode(query)}"
        return _see(url, removed)

    def _here(self, request: Request) -> str:
        return self._origin(console_host(self._provider.settings, request))

    def _redirect_uri(self, request: Request) -> str:
        return f"{self._here(request)}{CALLBACK_PATH}"


def console_host(settings: Settings, request: Request) -> str:
    """The name of the console that a request is for; the configured one if it is unknown."""
    host = request.headers.get("host", "").partition(":")[0].lower()
    if host in settings.console_hosts:
        return host
    return settings.console_hosts[0]


def _see(url: str, *cookies: str) -> Response:
    answer = RedirectResponse(url, 303, {"Cache-Control": "no-store"})
    for value in cookies:
        answer.headers.append("set-cookie", value)
    return answer


def _failed(detail: str) -> Problem:
    return Problem.of(
        error_codes.INVALID_SYSTEM_REQUEST,
        "The sign-in failed",
        detail=detail,
        hint="Open the console again.",
    )
