"""Tokens of an emulated provider, made of those of the inbuilt provider.

The provider gets back its own: a token of the vendor is replaced before the request reaches it, so
that UserInfo, introspection, revocation and token exchange work with both.
"""

from __future__ import annotations

import datetime as dt
import hashlib
import secrets
import uuid
from collections import OrderedDict
from collections.abc import Mapping, Sequence
from typing import Any

from kapi.identity.accounts.users import User
from kapi.identity.issuers.emulation import ALWAYS, NEVER, TokenShape
from kapi.identity.protocol.scopes import DEFAULT_SCOPE
from kapi.identity.provider import Provider
from kapi.jose import base64url
from kapi.jose.jwt import InvalidJwt, parse_jwt
from kapi.jose.signing_keys import SigningKey
from kapi.testing.minting.draft import Draft
from kapi.testing.powers.certificates import thumbprint
from kapi.testing.vendors.facts import Facts, filled
from kapi.testing.vendors.vendor import Vendor

_MOST = 10_000
"""Tokens that are remembered."""
_STANDARD = frozenset({
    "iss", "sub", "aud", "exp", "nbf", "iat", "jti", "clientId", "client_id", "azp", "scope",
    "organization", "nonce", "at_hash", "c_hash", "s_hash", "auth_time", "acr", "amr", "sid",
})  # fmt: skip
"""Claims of the provider that a shape has under its own names."""


class Tokens:
    """Makes the vendor's tokens of one issuer."""

    def __init__(self, vendor: Vendor, provider: Provider) -> None:
        self._vendor = vendor
        self._provider = provider
        self._emulation = vendor.emulation
        self._own: OrderedDict[str, str] = OrderedDict()

    def own(self, token: str) -> str:
        """The provider's token behind one of the vendor; others as they are."""
        return self._own.get(token, token)

    def access_token(self, own: str, audience: str) -> str:
        """The vendor's access token for the provider's; opaque where the vendor's is."""
        shape = self._emulation.access_token
        if shape is None or self._is_opaque(audience):
            made = self._emulation.opaque_form.format(random=secrets.token_urlsafe(32))
            return self._remembered(made, own)
        claims = _claims_of(own)
        if claims is None:
            return own
        return self._remembered(
            self._signed(shape, claims, self.facts(claims, audience)), own
        )

    def id_token(self, own: str, access_token: str) -> str:
        """The vendor's ID token for the provider's, with the hash of the vendor's access token."""
        claims = _claims_of(own)
        if claims is None:
            return own
        facts = {**self.facts(claims, ""), "at_hash": _half_hash(access_token)}
        shape = self._emulation.id_token
        if shape is None:
            kept = {**claims, "sub": facts["sub"], "at_hash": facts["at_hash"]}
            shape = TokenShape({name: value for name, value in kept.items() if value})
            return self._remembered(self._draft(shape.typ, kept, {}).sign(), own)
        return self._remembered(self._signed(shape, claims, facts), own)

    def dressed(self, draft: Draft, audience: Sequence[str]) -> Draft:
        """A draft of the provider as one of what APIs of the vendor get."""
        emulation = self._emulation
        shape = emulation.access_token or emulation.id_token
        if shape is None:
            return draft
        facts = self.facts(
            draft.claims, list(audience) if len(audience) > 1 else "".join(audience)
        )
        key = self._key
        header = self._header(shape.typ, filled(shape.header, facts) or {})
        return Draft(header, _claims(shape, draft.claims, facts), key, draft.other)

    def facts(self, claims: Mapping[str, Any], audience: Any) -> Facts:
        """The values for templates about one token of the provider."""
        user = self._provider.users.get(str(claims.get("sub", "")))
        organization = str(claims.get("organization", ""))
        scopes = str(claims.get("scope", "")).split()
        scopes = [name for name in scopes if name != DEFAULT_SCOPE]
        jti = str(claims.get("jti") or uuid.uuid4())
        facts: dict[str, Any] = dict(self._vendor.parameters)
        facts |= {
            "iss": self._vendor.issuer,
            "sub": claims.get("sub"),
            "client": _client_of(claims),
            "organization": organization,
            "organization_id": _uuid(organization) if organization else "",
            "scope": " ".join(scopes),
            "scopes": scopes,
            "iat": claims.get("iat"),
            "nbf": claims.get("nbf") or claims.get("iat"),
            "exp": claims.get("exp"),
            "auth_time": claims.get("auth_time") or claims.get("iat"),
            "jti": jti,
            "session": claims.get("sid") or _uuid(jti),
            "nonce": claims.get("nonce"),
            "person": user is not None,
            "x5t": thumbprint(self._key) if self._emulation.keys.certificates else "",
        }
        if user is not None:
            facts |= self._facts_of(user)
        facts["audience"] = (
            audience or claims.get("aud") or filled(self._emulation.audience, facts)
        )
        return facts

    def _facts_of(self, user: User) -> Facts:
        about = {"sub": user.subject, "uuid": _uuid(user.subject)}
        return {
            "sub": filled(self._emulation.subject, about),
            "user": user.username,
            "groups": list(user.groups),
            "email": user.claims.get("email", f"{user.username}@kapi.test"),
        }

    def subject(self, own: str) -> str:
        """The vendor's subject of a person; that of a client as it is."""
        user = self._provider.users.get(own)
        if user is None:
            return own
        about = {"sub": user.subject, "uuid": _uuid(user.subject)}
        return str(filled(self._emulation.subject, about))

    @property
    def _key(self) -> SigningKey:
        return self._provider.keyring.active(self._emulation.algorithm)

    def _is_opaque(self, audience: str) -> bool:
        opaque = self._emulation.opaque
        return opaque == ALWAYS or (opaque != NEVER and not audience)

    def _signed(
        self, shape: TokenShape, claims: Mapping[str, Any], facts: Facts
    ) -> str:
        header = filled(shape.header, facts) or {}
        return self._draft(shape.typ, _claims(shape, claims, facts), header).sign()

    def _draft(
        self, typ: str, claims: dict[str, Any], header: Mapping[str, Any]
    ) -> Draft:
        return Draft(self._header(typ, header), claims, self._key, lambda: self._key)

    def _header(self, typ: str, more: Mapping[str, Any]) -> dict[str, Any]:
        header = {"alg": self._key.algorithm, "typ": typ, "kid": self._key.kid, **more}
        return {name: value for name, value in header.items() if value}

    def _remembered(self, token: str, own: str) -> str:
        self._own[token] = own
        while len(self._own) > _MOST:
            self._own.popitem(last=False)
        return token


def _claims(shape: TokenShape, own: Mapping[str, Any], facts: Facts) -> dict[str, Any]:
    """The claims of a shape, and those of the provider's token that are not standard."""
    further = shape.person if facts["person"] else shape.application
    made = filled({**shape.claims, **further}, facts) or {}
    extra = {
        name: value
        for name, value in own.items()
        if name not in _STANDARD | made.keys()
    }
    return {**made, **extra}


def _claims_of(token: str) -> Mapping[str, Any] | None:
    try:
        return parse_jwt(token).claims
    except InvalidJwt:
        return None


def _half_hash(token: str) -> str:
    """`at_hash` (OpenID Connect Core §3.1.3.6)."""
    return (
        base64url.encode(hashlib.sha256(token.encode()).digest()[:16]) if token else ""
    )


def _client_of(claims: Mapping[str, Any]) -> str:
    """The client of a token; an ID token names it as the audience (OpenID Connect Core §2)."""
    if "nonce" in claims or "at_hash" in claims:
        return str(claims.get("azp") or claims.get("aud", ""))
    names = ("clientId", "client_id", "azp")
    return next((str(claims[name]) for name in names if claims.get(name)), "")


def _uuid(text: str) -> str:
    return str(uuid.uuid5(uuid.NAMESPACE_URL, text))


def timestamp(now: int) -> str:
    """A time as error bodies have it."""
    return dt.datetime.fromtimestamp(now, dt.UTC).strftime("%Y-%m-%d %H:%M:%SZ")
