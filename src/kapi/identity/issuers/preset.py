"""What a preset is: the facts about one identity provider, as data.

One provider is one file in `presets/` and one name in `PRESETS`. Its texts are templates over its
parameters: `https://{domain}/`. A fact whose template is empty comes from discovery, or from the
declaration. `declaration.py` reads presets; the options of `kapi issuer add` are made of their
parameters.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import field

from kapi.dataclass import dataclass
from kapi.identity.issuers.emulation import Emulation

ASYMMETRIC = (
    "RS256",
    "RS384",
    "RS512",
    "PS256",
    "PS384",
    "PS512",
    "ES256",
    "ES384",
    "ES512",
    "EdDSA",
)
"""Algorithms that an issuer may use (RFC 7518, RFC 8037): asymmetric ones."""
ANY_ORGANIZATION = "*"
SYSTEM_ORGANIZATION = "apk-system"
"""The organization that the system APIs belong to, as in APK."""


@dataclass(frozen=True, slots=True)
class Parameter:
    """A value that a preset needs, such as a domain. `pattern` must match the whole value.

    `help` completes the sentence "NAME is missing: …", and is the help of the command's option.
    """

    name: str
    help: str
    example: str
    pattern: str = r"[A-Za-z0-9](?:[A-Za-z0-9.-]*[A-Za-z0-9])?"
    default: str | None = None
    """None means that the parameter is required."""


@dataclass(frozen=True, slots=True)
class Preset:
    """One provider. `kapi issuer add` and `test` show `mistakes`, which are common errors."""

    name: str
    title: str
    issuer: str
    parameters: tuple[Parameter, ...] = ()
    jwks_uri: str = ""
    """Empty: taken from the discovery document."""
    discovery: str = "{issuer}/.well-known/openid-configuration"
    consumer_key_claim: str = "azp"
    scopes_claims: tuple[str, ...] = ("scope",)
    algorithms: tuple[str, ...] = ("RS256",)
    types: tuple[str, ...] = ()
    """Accepted `typ` headers; empty means `jose.token_kinds.USUAL_TYPES`."""
    audiences: tuple[str, ...] = ()
    required_claims: Mapping[str, str] = field(default_factory=dict)
    """Claims that a token must contain; an empty value means any value.

    They distinguish access tokens from ID tokens of the same keys.
    """
    claim_mappings: Mapping[str, str] = field(default_factory=dict)
    id_tokens: bool = False
    """Whether its ID tokens are accepted.

    For providers whose access tokens are opaque, or do not differ from ID tokens.
    """
    audience_needed: bool = True
    """Whether a declaration without an audience gets a warning.

    Without one, a token for any other API of the same provider is accepted.
    """
    mistakes: tuple[str, ...] = ()
    emulation: Emulation | None = None
    """How it issues, for `kapi issuer emulate`; None: it cannot be emulated."""
