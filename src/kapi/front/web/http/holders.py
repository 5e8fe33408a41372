"""Proof of possession at the system APIs (RFC 9449 §7, RFC 8705 §3). Called by `access.py`."""

from __future__ import annotations

from collections.abc import Callable
from functools import cached_property
from urllib.parse import quote

from starlette.requests import Request

from kapi import error_codes
from kapi.errors import OAuthError, Problem
from kapi.identity.issuers.verify import Holder
from kapi.identity.possession.confirmation import Confirmation
from kapi.identity.possession.dpop import Nonces, verify_proof
from kapi.settings import Settings
from kapi.store.engine.database import Database
from kapi.store.platform_keys import PlatformKeys
from kapi.store.records import Record, Records

_SEEN = "dpop-proof"


class Holders:
    """Checks proofs of possession; each proof counts once, whichever process sees it."""

    def __init__(
        self,
        settings: Settings,
        database: Database,
        random_bytes: Callable[[int], bytes],
        now: Callable[[], float],
    ) -> None:
        self._gateway = settings.gateway
        self._records = Records(database)
        self._wants_nonce = settings.identity.dpop_nonce
        self._keys = PlatformKeys(database)
        self._random_bytes = random_bytes
        self._now = now

    def metadata_url(self, request: Request) -> str:
        """Where the metadata of the system APIs are (RFC 9728)."""
        return f"{self._origin(request)}/.well-known/oauth-protected-resource"

    def _origin(self, request: Request) -> str:
        """The system APIs under the name that the caller used."""
        host = request.headers.get("host", "").partition(":")[0].lower()
        if host not in self._gateway.api_hosts:
            host = self._gateway.api_host
        return self._gateway.origin(host)

    def of(self, request: Request) -> Holder:
        """The check for the tokens of one request."""

        def check(required: Confirmation, token: str) -> None:
            try:
                if required.jkt and self._proven(request, token) != required.jkt:
                    raise _refused(
                        "DPoP",
                        "The DPoP proof is made with another key than the token is bound to",
                    )
            except OAuthError as error:
                raise _refused(
                    "DPoP", error.detail, error.error, dict(error.headers)
                ) from error
            if required.x5t and _thumbprint(request) != required.x5t:
                raise _refused(
                    "Bearer", "The token is bound to another client certificate"
                )

        return check

    @cached_property
    def nonces(self) -> Nonces | None:
        """The same as the identity workers'; None where proofs need none."""
        if not self._wants_nonce:
            return None
        return Nonces(
            self._keys.get_or_make("dpop-nonce", lambda: self._random_bytes(32))
        )

    def _proven(self, request: Request, token: str) -> str:
        now = int(self._now())

        def seen(digest: str, until: int) -> bool:
            return not self._records.add(_SEEN, Record(digest, "", {}, until), now)

        raw = request.scope.get("raw_path")
        path = (
            raw.decode("latin-1")
            if isinstance(raw, bytes) and raw
            else quote(request.url.path)
        )
        proofs = request.headers.getlist("dpop")
        return verify_proof(
            proofs,
            request.method,
            f"{self._origin(request)}{path}",
            now,
            seen,
            token=token,
            nonces=self.nonces,
        )


def _thumbprint(request: Request) -> str:
    from kapi.identity.possession.certificates import HEADER, forwarded_certificate

    sent = request.headers.getlist(HEADER)
    certificate = forwarded_certificate(sent[0] if len(sent) == 1 else None)
    if certificate:
        return certificate.thumbprint
    return ""


def _refused(
    scheme: str,
    detail: str,
    error: str = "invalid_token",
    headers: dict[str, str] | None = None,
) -> Problem:
    challenge = {"WWW-Authenticate": f'{scheme} realm="kapi", error="{error}"'}
    return Problem.of(
        error_codes.INVALID_CREDENTIALS,
        detail=detail,
        hint="/openapi.html on this host describes it.",
        headers={**challenge, **(headers or {})},
    )
