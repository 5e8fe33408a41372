"""The part `identity.issuers`: trusted issuers. The issuers API accepts the same fields."""

from __future__ import annotations

from dataclasses import field

from kapi.dataclass import dataclass


@dataclass(frozen=True, slots=True)
class IssuerSettings:
    """A trusted issuer as it is declared. What is left out comes from the preset.

    The names are those of APK's TokenIssuer, in snake case.
    """

    name: str = field(metadata={"key": True, "needed": True})
    preset: str = "oidc"
    parameters: dict[str, str] = field(default_factory=dict)
    """Parameters of the preset: `domain = "acme.eu.auth0.com"`."""
    organization: str = "*"
    """Whose APIs accept its tokens: an organization, `apk-system` (the system APIs), or `*`."""
    organizations: dict[str, str] = field(default_factory=dict)
    """Organizations by the value the token's claim has: `"org_9ybsU1dN2dKfDkBi" = "acme"`."""
    environments: tuple[str, ...] = ()
    issuer: str = ""
    discovery: str = ""
    jwks_uri: str = ""
    ca: str = field(default="", metadata={"secret": True})
    certificate: str = field(default="", metadata={"secret": True})
    public_key: str = field(default="", metadata={"secret": True})
    """Not secret; marked so that each may come from a file: `ca_file = "ca.pem"`."""
    audiences: tuple[str, ...] = ()
    algorithms: tuple[str, ...] = ()
    types: tuple[str, ...] = ()
    clock_skew: int = field(default=5, metadata={"range": (0, 300)})
    consumer_key_claim: str = ""
    scopes_claims: tuple[str, ...] = ()
    claim_mappings: dict[str, str] = field(default_factory=dict)
    required_claims: dict[str, str] = field(default_factory=dict)
    id_tokens: bool = False
    """Accept ID tokens too, for a provider without verifiable access tokens."""
