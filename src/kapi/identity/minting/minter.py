"""Access tokens: JWTs with the claims of APK's guide or of RFC 9068, or opaque texts.

The encoded header is cached for each key, so that the signature is nearly all of the cost.
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

_HEADER_TYPES = {"jwt": "JWT", "at+jwt": "at+jwt"}
"""`typ` of the header, by format."""


@dataclass(frozen=True, slots=True)
class AccessToken:
    """The contents of an access token."""

    subject: str
    client_id: str
    scope: str
    lifetime: int
    """Seconds it is valid."""
    audience: tuple[str, ...] = ()
    claims: Mapping[str, Any] = field(default_factory=dict)
    """Claims besides those of all tokens."""
    jti: str = ""
    """Its id, if that is stored; otherwise the token gets a new one."""
    user: str = ""
    """The subject of the person's account; needed if `subject` is pairwise."""
    readable: bool = False
    """A JWT even if tokens are opaque, because the request asked for one."""


class Minter:
    """Makes access tokens with the active keys of a keyring."""

    def __init__(
        self,
        keyring: Keyring,
        issuer: str,
        new_id: Callable[[], str],
        keep: Callable[[Mapping[str, Any]], str],
    ) -> None:
        """`new_id` gives a new UUID; `keep` stores claims and gives an opaque token for them."""
        self._keyring = keyring
        self._issuer = issuer
        self._new_id = new_id
        self._keep = keep
        self._signers: dict[tuple[str, str], tuple[SigningKey, str]] = {}

    def mint(
        self, token: AccessToken, now: int, form: str = "jwt", algorithm: str = DEFAULT_ALGORITHM
    ) -> tuple[str, str]:
        """The token and its `jti`; `now` in seconds since the epoch.

        `jwt` has the claims of the guide, `at+jwt` those of RFC 9068 §2.2, `opaque` is random text
        with stored claims. Raises OAuthError when there is no key for the algorithm.
        """
        jti = token.jti or self._new_id()
        audience = token.audience
        claims: dict[str, Any] = {"iss": self._issuer, "sub": token.subject}
        if form == "at+jwt":
            # RFC 9068 §3: a default when the request named no resource.
            audience = audience or (self._issuer,)
        if len(audience) == 1:
            claims["aud"] = audience[0]
        elif audience:
            claims["aud"] = list(audience)
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
        signer = (key, protected_header(key, _HEADER_TYPES[form]))
        self._signers[form, algorithm] = signer
        return signer


def no_key(algorithm: str) -> OAuthError:
    """The error when there is no key for an algorithm."""
    return OAuthError(
        "invalid_request",
        f"The provider has no key for {algorithm}: name it in identity.algorithms",
    )
