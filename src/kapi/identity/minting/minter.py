"""Access tokens: JWTs with the claims of APK's guide or of RFC 9068, or opaque texts.

The encoded header is cached for each key, so that the signature is nearly all of the cost.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import field
from typing import Any

import orjson

from kapi.dataclass import dataclass
from kapi.errors import OAuthError
from kapi.identity.keys.keyring import Keyring
from kapi.jose.compact import protected_header, signed, signed_bytes
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
    """Additional claims."""
    jti: str = ""
    """Its id, if that is stored; otherwise the token gets a new one."""
    user: str = ""
    """The subject of the person's account; needed if `subject` is pairwise."""
    readable: bool = False
    """A JWT even if tokens are opaque, because the request asked for one."""


@dataclass(frozen=True, slots=True)
class Template:
    """A token but for its `jti`, its times and its signature."""

    key: SigningKey
    header: bytes
    lifetime: int
    before: bytes
    """The claims before the times, as JSON without the closing brace."""
    after: bytes
    """The others, without the opening brace."""

    def mint(self, now: int, jti: str) -> bytes:
        """A token; `jti` is a UUID."""
        claims = b'%b,"exp":%d,"nbf":%d,"iat":%d,"jti":"%b",%b' % (
            self.before,
            now + self.lifetime,
            now,
            now,
            jti.encode("ascii"),
            self.after,
        )
        return signed_bytes(self.key, self.header, claims)


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
        self,
        token: AccessToken,
        now: int,
        form: str = "jwt",
        algorithm: str = DEFAULT_ALGORITHM,
    ) -> tuple[str, str]:
        """The token and its `jti`; `now` in seconds since the epoch.

        `jwt` has the claims of the guide, `at+jwt` those of RFC 9068 §2.2, `opaque` is random text
        with stored claims. Raises OAuthError when there is no key for the algorithm.
        """
        jti = token.jti or self._new_id()
        before, after = self._claims(token, form)
        times = {"exp": now + token.lifetime, "nbf": now, "iat": now, "jti": jti}
        claims = {**before, **times, **after}
        if form == "opaque":
            return self._keep(claims), jti
        key, header = self._signers.get((form, algorithm)) or self._signer(
            form, algorithm
        )
        return signed(key, header, claims), jti

    def template(self, token: AccessToken, form: str, algorithm: str) -> Template:
        """What is the same in all tokens with these contents; `form` is not `opaque`."""
        before, after = self._claims(token, form)
        key, header = self._signers.get((form, algorithm)) or self._signer(
            form, algorithm
        )
        return Template(
            key,
            header.encode("ascii"),
            token.lifetime,
            orjson.dumps(before)[:-1],
            orjson.dumps(after)[1:],
        )

    def _claims(
        self, token: AccessToken, form: str
    ) -> tuple[dict[str, Any], dict[str, Any]]:
        """The claims before and after those that differ in each token."""
        audience = token.audience
        before: dict[str, Any] = {"iss": self._issuer, "sub": token.subject}
        after: dict[str, Any] = {}
        if form == "at+jwt":
            # RFC 9068 §3: a default when the request named no resource.
            audience = audience or (self._issuer,)
            after["client_id"] = token.client_id
        if len(audience) == 1:
            before["aud"] = audience[0]
        elif audience:
            before["aud"] = list(audience)
        after |= {"clientId": token.client_id, "scope": token.scope, **token.claims}
        return before, after

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
