"""The notification API: another system reports a revoked token, in APK's form (apk-interface §2).

`POST /api/notification/1.0.0/notify?type=TOKEN_REVOCATION` with the header `stsAuthKey`. It is
disabled without a key in the settings.
"""

from __future__ import annotations

import hmac
from collections.abc import Callable, Sequence
from typing import Any

from starlette.concurrency import run_in_threadpool
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from kapi.front.web.http.access import json_answer
from kapi.front.web.http.bodies import read_json_body
from kapi.jose.compact import json_part
from kapi.store.revocations import ANY_ISSUER, LONGEST_JTI, Revocations

_HINT = "Send JSON with token, or with jti and expiry."
_MILLISECONDS = 10**11
"""A moment above this is in milliseconds: as seconds it would be in the year 5138."""
_LATEST = 253_402_300_800
"""The year 10000, in seconds."""


class _Refused(Exception):
    pass


class Notifications:
    """The endpoint, bound to the table of revoked tokens."""

    def __init__(
        self,
        key: str,
        revocations: Revocations,
        now: Callable[[], float],
        own_issuers: Sequence[str] = (),
    ) -> None:
        """`own_issuers` are all `iss` of the inbuilt provider; the store names the first."""
        self._key = key.encode()
        self._own_issuers = own_issuers
        self._revocations = revocations
        self._now = now

    def routes(self) -> list[Route]:
        """With and without the version that APK has in the path."""
        paths = ("/api/notification/1.0.0/notify", "/api/notification/notify")
        return [Route(path, self.notify, methods=["POST"]) for path in paths]

    async def notify(self, request: Request) -> Response:
        """Revoke one token: JSON `{token}`, or `{jti, expiry}` and optionally `issuer`."""
        if not self._has_key(request):
            return json_answer({"error": "Unauthorized request"}, 401)
        if [text.strip() for text in request.query_params.getlist("type")] != [
            "TOKEN_REVOCATION"
        ]:
            return json_answer({"error": "Invalid type"}, 400)
        body = await read_json_body(request, _HINT)
        try:
            issuer, jti, expiry = _revoked(body)
            if expiry <= self._now():
                raise _Refused("Token is already expired")
        except _Refused as error:
            return json_answer({"error": str(error)}, 400)
        if issuer in self._own_issuers:
            issuer = self._own_issuers[0]
        await run_in_threadpool(
            self._revocations.revoke, jti, expiry, "notification", issuer=issuer
        )
        return json_answer({"message": "Token revoked successfully"})

    def _has_key(self, request: Request) -> bool:
        sent = request.headers.getlist("stsauthkey")
        if len(sent) != 1 or not self._key:
            return False
        return hmac.compare_digest(sent[0].encode("latin-1"), self._key)


def _revoked(body: dict[str, Any]) -> tuple[str, str, int]:
    """Issuer, jti and expiry in seconds. The signature is not checked: the key allows all."""
    if ("token" in body) == ("jti" in body):
        raise _Refused("Invalid request body: send either token, or jti and expiry")
    if "token" in body:
        claims = _claims(body["token"])
        issuer, jti, expiry = claims.get("iss"), claims.get("jti"), claims.get("exp")
        no_jti = "Token has no jti"
    else:
        issuer, jti, expiry = (
            body.get("issuer", ANY_ISSUER),
            body["jti"],
            body.get("expiry"),
        )
        no_jti = "Invalid jti"
    if (
        not isinstance(jti, str)
        or not 0 < len(jti) <= LONGEST_JTI
        or not jti.isprintable()
    ):
        raise _Refused(no_jti)
    seconds = _seconds(expiry)
    if not isinstance(issuer, str):
        raise _Refused("Invalid issuer")
    return issuer, jti, seconds


def _seconds(expiry: object) -> int:
    """An expiry in seconds or milliseconds, as seconds."""
    if isinstance(expiry, bool) or not isinstance(expiry, int | float):
        raise _Refused("Invalid expiry: seconds since the epoch")
    if not 0 <= expiry < _LATEST * 1000:
        raise _Refused("Invalid expiry: seconds since the epoch")
    if expiry >= _MILLISECONDS:
        expiry //= 1000
    return int(expiry)


def _claims(token: Any) -> dict[str, Any]:
    if not isinstance(token, str) or token.count(".") != 2:
        raise _Refused("Invalid token: not a JWT")
    try:
        return json_part(token.split(".")[1])
    except ValueError as error:
        raise _Refused("Invalid token: not a JWT") from error
