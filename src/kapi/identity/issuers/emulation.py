"""How a provider issues: paths, shape of tokens, error bodies, keys. Part of its preset, as data.

The trust in the real provider does not read it; `kapi.testing.vendors` emulates the provider
with it. So one file has all facts of a vendor.

Values of claims are templates. `$name` is the whole value with its type, `{name}` a part of a
text; a claim without a value is left out. Names are the parameters of the preset, and those of
`kapi.testing.vendors.facts`.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import field
from typing import Any

from kapi.dataclass import dataclass

NEVER, ALWAYS, WITHOUT_AUDIENCE = "never", "always", "without-audience"
"""When an access token is opaque."""
FROM_PARAMETER, FROM_SCOPE = "parameter", "scope"
"""Where a request names the API: in `audience`, or in a scope that ends in `/.default`."""
TIMES: dict[str, Any] = {"iat": "$iat", "exp": "$exp"}


@dataclass(frozen=True, slots=True)
class TokenShape:
    """Header and claims of one kind of token."""

    claims: Mapping[str, Any]
    application: Mapping[str, Any] = field(default_factory=dict)
    """Further claims when a client acts for itself."""
    person: Mapping[str, Any] = field(default_factory=dict)
    """Further claims when a person signed in."""
    typ: str = "JWT"
    """Header `typ` (RFC 7519 §5.1); empty: the header has none."""
    header: Mapping[str, Any] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class ErrorShape:
    """The body of one error of the token endpoint, and its status; 0 keeps the status."""

    body: Mapping[str, Any]
    status: int = 0


@dataclass(frozen=True, slots=True)
class PublishedKeys:
    """The keys in the JWKS besides the one that signs, and how long the JWKS may be cached."""

    ahead: int = 0
    """Keys that are published before they sign; a rotation uses the first and publishes another."""
    overlap: bool = True
    """Whether the previous key stays in the JWKS until its tokens have expired."""
    certificates: bool = False
    """Whether keys have `x5c` and `x5t` (RFC 7517 §4.7, §4.8)."""
    kid_is_thumbprint: bool = False
    """Whether `kid` is the `x5t` of the key's certificate."""
    certificate_maps: tuple[str, ...] = ()
    """Addresses of the same keys as `{kid: certificate}`."""
    copies: tuple[str, ...] = ()
    """Further addresses of the JWKS."""
    encryption_key: bool = False
    max_age: int = 300
    """Seconds (RFC 9111 §5.2.2.1)."""
    habit: str = ""
    """How the provider rotates its keys, as text for the documents."""


@dataclass(frozen=True, slots=True)
class Emulation:
    """How a provider issues."""

    endpoints: Mapping[str, str]
    """Members of the discovery document (RFC 8414 §2), and their addresses."""
    access_token: TokenShape | None = None
    """None: access tokens are always opaque."""
    id_token: TokenShape | None = None
    """None: the claims of OpenID Connect Core §2."""
    opaque: str = NEVER
    opaque_form: str = "{random}"
    subject: str = "{sub}"
    """`sub` of a person, in all tokens and at UserInfo."""
    audience: str = ""
    """The API of a token whose request names none; empty: no `aud`."""
    audience_from: str = ""
    audience_without: str = ""
    """This prefix of a scope is not part of `aud`."""
    errors: Mapping[str, ErrorShape] = field(default_factory=dict)
    """By the error code of RFC 6749 §5.2; `*` is for all others."""
    keys: PublishedKeys = PublishedKeys()
    algorithm: str = "RS256"
    lifetime: int = 3600
    """Seconds that an access token is valid."""
    verifier: str = ""
    """The vendor's own library that accepts the tokens, and refuses wrong ones, in our tests."""
    unchecked: tuple[str, ...] = ()
    """Facts that could not be checked against the vendor."""
