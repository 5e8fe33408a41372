"""The authorization code grant (RFC 6749 §4.1.3, RFC 7636 §4.6)."""

from __future__ import annotations

import dataclasses
import hmac
import re

from kapi.errors import OAuthError
from kapi.identity.authorization.codes import CODE, Code, read_code
from kapi.identity.clients.clients import Client
from kapi.identity.grants.facts import GrantFacts
from kapi.identity.provider import Provider
from kapi.identity.tokens.issuance import Issuance, TokenRequest
from kapi.identity.tokens.person_tokens import PersonTokens, first_tokens, narrowed
from kapi.identity.tokens.still_allowed import still_allowed
from kapi.jose import base64url
from kapi.store.records import key_of

facts = GrantFacts(
    grant_type="authorization_code",
    public_clients=True,
    registrable=True,
    document_clients=True,
    fapi=True,
    quick=False,
    parameters={
        "code": "of an authorization",
        "redirect_uri": "as at the authorization endpoint",
        "code_verifier": "PKCE (RFC 7636)",
    },
)
_VERIFIER = re.compile(r"[A-Za-z0-9._~-]{43,128}")


def needs(provider: Provider) -> PersonTokens:
    """The values for tokens of people."""
    return provider.person_tokens


def authorize(tokens: PersonTokens, request: TokenRequest) -> Issuance:
    """Redeem a code for the scopes that were authorized; this grant has no `scope` parameter."""
    client, now = request.client, request.now
    code = request.form.need("code")
    found = _usable_code(tokens, code, client, now)
    _check_redirect_uri(request.form.get("redirect_uri"), found)
    _check_verifier(request.form.get("code_verifier"), found.challenge)
    if found.authorization.confirmation.items() - request.confirmation.members.items():
        raise OAuthError(
            "invalid_grant", "The code is bound to another key (RFC 9449 10)"
        )
    redeemed = dataclasses.replace(found.authorization, redirect_uri=found.redirect_uri)
    authorization = dataclasses.replace(
        still_allowed(client, redeemed),
        confirmation=dict(request.confirmation.members),
        grant=facts.grant_type,
    )
    issued_as = narrowed(authorization, request)
    return first_tokens(
        tokens,
        client,
        authorization,
        now,
        family=found.family,
        source=(CODE, key_of(code)),
        code=code,
        issued_as=issued_as,
    )


def _usable_code(tokens: PersonTokens, code: str, client: Client, now: int) -> Code:
    """The code of this client. Raises OAuthError when it is used, expired or unknown."""
    found = read_code(tokens.records, code, now)
    if found is None or found.authorization.client_id != client.id:
        raise OAuthError(
            "invalid_grant",
            "The code is unknown or expired, or was issued to another client",
        )
    if found.used:
        tokens.revoke(found.family, now, "a code was used twice")
        raise OAuthError(
            "invalid_grant",
            "The code was used before; what it issued is revoked (RFC 6749 4.1.2)",
        )
    if found.expired(now):
        raise OAuthError("invalid_grant", "The code has expired")
    return found


def _check_redirect_uri(given: str | None, found: Code) -> None:
    if given is None and not found.redirect_uri_sent:
        return
    if given != found.redirect_uri:
        raise OAuthError(
            "invalid_grant",
            "redirect_uri must be exactly that of the authorization request (RFC 6749 4.1.3)",
        )


def _check_verifier(verifier: str | None, challenge: str) -> None:
    """Both or neither (RFC 9700 §2.1.1, §4.8.2): an attacker may have removed the challenge."""
    if verifier is None:
        if challenge:
            raise OAuthError(
                "invalid_grant",
                "code_verifier is missing: the request for the code had a code_challenge"
                " (RFC 7636 4.5)",
            )
        return
    if not challenge:
        raise OAuthError(
            "invalid_grant",
            "code_verifier without a code_challenge in the authorization request (RFC 9700 2.1.1)",
        )
    if not _VERIFIER.fullmatch(verifier):
        raise OAuthError(
            "invalid_grant",
            "code_verifier must be 43 to 128 letters, digits or -._~ (RFC 7636 4.1)",
        )
    made = base64url.sha256(verifier.encode("ascii"))
    if not hmac.compare_digest(made.encode("ascii"), challenge.encode("ascii")):
        raise OAuthError(
            "invalid_grant",
            "code_verifier does not belong to the code_challenge (RFC 7636 4.6)",
        )
