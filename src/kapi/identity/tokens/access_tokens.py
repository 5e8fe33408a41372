"""Reads access tokens of this provider: at introspection, revocation, registration, UserInfo.

The rule for the kind of token is the one of the gateway (`jose/token_kinds.py`).
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from kapi.dataclass import dataclass
from kapi.errors import OAuthError
from kapi.identity.clients.metadata_documents import is_document_id
from kapi.identity.clients.registry import ClientRegistry
from kapi.identity.minting.opaque import opaque_claims
from kapi.identity.people.ended import EndedAccounts, is_of_ended_account
from kapi.identity.possession.confirmation import Confirmation, confirmation_of
from kapi.identity.protocol.http import Request
from kapi.identity.tokens.own_tokens import OwnJwts
from kapi.identity.tokens.sender_constraint import ProofOfPossession, check_holder
from kapi.jose.token_kinds import OWN_MARK, OWN_TOKENS
from kapi.store.accounts import Accounts
from kapi.store.records import Records
from kapi.store.revocations import Revocations


@dataclass(frozen=True, slots=True)
class OwnToken:
    """An access token that this provider issued, valid or not. Times in seconds since the epoch."""

    jti: str
    client_id: str
    scopes: frozenset[str]
    expires_at: int
    claims: Mapping[str, Any]

    @property
    def confirmation(self) -> Confirmation | None:
        """The key that it is bound to; None for a confirmation method that is not supported."""
        return confirmation_of(self.claims)


@dataclass(frozen=True, slots=True)
class OwnAccessTokens:
    """The values that reading and checking the provider's access tokens needs."""

    stored_issuer: str
    """`iss` in the store."""
    jwts: OwnJwts
    records: Records
    accounts: Accounts
    revocations: Revocations
    registry: ClientRegistry
    ended: EndedAccounts
    proofs: ProofOfPossession


def read_own(tokens: OwnAccessTokens, token: str, now: int) -> OwnToken | None:
    """An access token of this provider, also expired or revoked; None for any other text."""
    if "." not in token:
        claims = opaque_claims(tokens.records, token, now)
        if claims is None:
            return None
        return _own(claims)
    jwt = tokens.jwts.read(token)
    if jwt is None or OWN_TOKENS.objection(jwt.header, jwt.claims):
        return None
    return _own(jwt.claims)


def live_own(tokens: OwnAccessTokens, token: str, now: int) -> OwnToken | None:
    """A valid access token of this provider: not expired or revoked; its client and account exist.

    Its confirmation is not checked.
    """
    own = read_own(tokens, token, now)
    if own is None or own.expires_at <= now or _begins_after(own.claims, now):
        return None
    if _is_of_removed_client(tokens, own):
        return None
    issuer, issued = tokens.stored_issuer, own.claims.get("iat", 0)
    if not isinstance(issued, int):
        issued = 0
    if not tokens.accounts.may_be_over(issuer, own.jti, issued):
        return own
    if tokens.revocations.is_revoked(issuer, own.jti):
        return None
    if is_of_ended_account(tokens.ended, own.claims, own.client_id, now):
        return None
    return own


def _is_of_removed_client(tokens: OwnAccessTokens, own: OwnToken) -> bool:
    """Whether the client was removed (RFC 7592 §2.3). A metadata document is not fetched for it."""
    return tokens.registry.known_client(own.client_id) is None and not is_document_id(
        own.client_id
    )


def _begins_after(claims: Mapping[str, Any], now: int) -> bool:
    """Whether its `nbf` is in the future (RFC 7519 §4.1.5)."""
    begins = claims.get("nbf", 0)
    return isinstance(begins, int) and begins > now


def bearer(
    tokens: OwnAccessTokens,
    request: Request,
    scope: str = "",
    in_form: str | None = None,
) -> OwnToken:
    """The access token of a caller of a protected endpoint, with the proof of a bound token.

    `in_form` is the token of a form body (RFC 6750 §2.2). Raises OAuthError 401 or 403 with the
    challenge of RFC 6750 §3.
    """
    authorization = request.header("authorization")
    if in_form is not None:
        if authorization is not None:
            raise OAuthError(
                "invalid_request",
                "Send the access token either in the header or in the body (RFC 6750 2)",
            )
        authorization = f"Bearer {in_form}"
    scheme, _, token = (authorization or "").partition(" ")
    scheme, token = scheme.lower(), token.strip(" ")
    if scheme not in {"bearer", "dpop"} or not token:
        raise _unauthorized(
            "invalid_token",
            "Send an access token: Authorization: Bearer ...",
            error_code=False,
        )
    own = _held_token(tokens, request, scheme, token)
    if scope and scope not in own.scopes:
        raise _insufficient_scope(scope)
    return own


def _held_token(
    tokens: OwnAccessTokens, request: Request, scheme: str, token: str
) -> OwnToken:
    """The live token that a request contains, when its sender holds the key that it is bound to."""
    own = live_own(tokens, token, request.now)
    required = None
    if own is not None:
        required = own.confirmation
    if own is None or required is None:
        raise _unauthorized(
            "invalid_token", "The access token is unknown, expired or revoked"
        )
    try:
        check_holder(
            tokens.proofs, required, request.credentials, scheme, token, request.now
        )
    except OAuthError as error:
        raise _unauthorized(
            error.error,
            error.detail,
            headers=error.headers,
            scheme=required.token_type,
        ) from error
    return own


def _insufficient_scope(scope: str) -> OAuthError:
    return OAuthError(
        "insufficient_scope",
        f"The access token needs the scope {scope}",
        status=403,
        challenge=f'Bearer realm="kapi", error="insufficient_scope", scope="{scope}"',
    )


def _own(claims: Mapping[str, Any]) -> OwnToken | None:
    client_id, scope, jti = claims.get(OWN_MARK), claims.get("scope"), claims.get("jti")
    expires = claims.get("exp")
    if not isinstance(client_id, str) or not isinstance(scope, str):
        return None
    if not isinstance(jti, str) or not isinstance(expires, int):
        return None
    return OwnToken(jti, client_id, frozenset(scope.split(" ")), expires, claims)


def _unauthorized(
    error: str,
    description: str,
    *,
    error_code: bool = True,
    headers: tuple[tuple[str, str], ...] = (),
    scheme: str = "Bearer",
) -> OAuthError:
    """RFC 6750 §3.1: no error code in the challenge when no credentials were sent."""
    challenge = f'{scheme} realm="kapi"'
    if error_code:
        challenge += f', error="{error}", error_description="{description}"'
    return OAuthError(
        error, description, status=401, challenge=challenge, headers=headers
    )
