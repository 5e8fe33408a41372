"""What a provider preset is: the facts about one provider that people get wrong, as data. One provider = one file + one name in PRESETS.

Texts are templates over the preset's parameters: `https://{domain}/`. An empty template leaves the fact to discovery, or to
the person. Read by `declaration.py`, the command line and the documentation's test.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

from kapi.policies.callers.token_kinds import USUAL_TYPES

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
"""Every algorithm an issuer may be allowed (RFC 7518, RFC 8037). No symmetric one: its key would have to be shared."""
ANY_ORGANIZATION = "*"
SYSTEM_ORGANIZATION = "apk-system"
"""The organization that the system APIs belong to, as in APK."""


@dataclass(frozen=True, slots=True)
class Parameter:
    """One thing to fill in, such as a domain. `pattern` is a regular expression for all of it."""

    name: str
    help: str
    example: str
    pattern: str = r"[A-Za-z0-9](?:[A-Za-z0-9.-]*[A-Za-z0-9])?"
    default: str | None = None
    """None means it must be given."""


@dataclass(frozen=True, slots=True)
class Preset:
    """One provider. `mistakes` are shown by `kapi issuer add` and `kapi issuer test`."""

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
    types: tuple[str, ...] = USUAL_TYPES
    audiences: tuple[str, ...] = ()
    required_claims: Mapping[str, str] = field(default_factory=dict)
    """Claims that must be there; with a value, that value. They tell access tokens from ID tokens of the same keys."""
    claim_mappings: Mapping[str, str] = field(default_factory=dict)
    id_tokens: bool = False
    """Whether its ID tokens are accepted: for providers whose access tokens are opaque, or cannot be told from ID tokens."""
    audience_needed: bool = True
    """A declaration without an audience gets a warning: a token for any other API of the same provider is accepted then."""
    mistakes: tuple[str, ...] = ()
