"""Access tokens: JWTs with the claims of APK's guide or of RFC 9068, or opaque texts.

The encoded header is kept for each key, so that the signature is nearly all of the cost.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any

from kapi.errors import OAuthError
from kapi.identity.keys.keyring import Keyring
from kapi.jose.compact import protected_header, signed
from kapi.jose.signing_keys import SigningKey
from kapi.settings import DEFAULT_ALGORITHM


@dataclass(frozen=True, slots=True)
class AccessToken:
    """What a grant decided: whose token it is, for what and for whom."""

    subject: str
    client_id: str
    scope: str
    lifetime: int
    """Seconds it is valid."""
    audience: tuple[str, ...] = ()
    claims: Mapping[str, Any] = field(default_factory=dict)
    """Claims after those that every token has."""
    jti: str = ""
    """Its id when that was written down before; otherwise the token gets a fresh one."""
    user: str = ""
    """The person it is about, by the key in Users; needed where `subject` is pairwise."""
    readable: bool = False
    """A JWT even where tokens are opaque: whoever asked wants to read it."""


class Minter:
    """Makes access tokens with the active keys of a keyring."""

    def __init__(
        self,
        keyring: Keyring,
        issuer: str,
        new_id: Callable[[], str],
        keep: Callable[[Mapping[str, Any]], str],
    ) -> None:
        """`new_id` gives a fresh UUID; `keep` remembers claims and gives an opaque token for them."""
        self._keyring = keyring
        self._issuer = issuer
        self._new_id = new_id
        self._keep = keep
        self._signers: dict[tuple[str, str], tuple[SigningKey, str]] = {}

    def mint(
        self, token: AccessToken, now: int, form: str = "jwt", algorithm: str = DEFAULT_ALGORITHM
    ) -> tuple[str, str]:
        """The token and its `jti`; `now` in seconds since the epoch.

        `jwt` has the claims of the guide, `at+jwt` those of RFC 9068 §2.2, `opaque` is random text that stands for the claims.
        Raises OAuthError when there is no key for the algorithm.
        """
        jti = token.jti or self._new_id()
        audience = token.audience
        claims: dict[str, Any] = {"iss": self._issuer, "sub": token.subject}
        if form == "at+jwt":
            # RFC 9068 §3: a default when the request named no resource.
            audience = audience or (self._issuer,)
        if audience:
            claims["aud"] = audience[0] if len(audience) == 1 else list(audience)
        claims |= {"exp": now + token.lifetime, "nbf": now, "iat": now, "jti": jti}
        if form == "at+jwt":
            claims["client_id"] = token.client_id
        claims |= {"clientId": token.client_id, "scope": token.scope, **token.claims}
        if form == "opaque":
            return self._keep(claims), jti
        key, header = self._signers.get((form, algorithm)) or self._signer(form, algorithm)
        return signed(key, header, claims), jti

    def _signer(self, form: str, algorithm: str) -> tuple[SigningKey, str]:
        try:
            key = self._keyring.active(algorithm)
        except LookupError as error:
            raise no_key(algorithm) from error
        signer = (key, protected_header(key, "at+jwt" if form == "at+jwt" else "JWT"))
        self._signers[form, algorithm] = signer
        return signer


def no_key(algorithm: str) -> OAuthError:
    """The error when nothing can be signed with an algorithm."""
    return OAuthError(
        "invalid_request",
        f"The provider has no key for {algorithm}: name it in identity.algorithms",
    )
