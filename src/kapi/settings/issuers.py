"""Settings of issuers that are trusted besides the inbuilt one: `[[identity.issuers]]`, and what the issuers API takes."""

from __future__ import annotations

from dataclasses import dataclass, field


@dataclass(frozen=True, slots=True)
class IssuerSettings:
    """A trusted issuer as it is declared; what is left out is the preset's. The names are those of APK's TokenIssuer, in snake case."""

    name: str = field(metadata={"key": True, "needed": True})
    preset: str = "oidc"
    parameters: dict[str, str] = field(default_factory=dict)
    """What the preset's templates need: `domain = "acme.eu.auth0.com"`."""
    organization: str = "*"
    """Whose APIs accept its tokens: an organization, `apk-system` (the system APIs alone), or `*`."""
    organizations: dict[str, str] = field(default_factory=dict)
    """Organizations by the value the token's claim has: `"org_9ybsU1dN2dKfDkBi" = "acme"`."""
    environments: tuple[str, ...] = ()
    issuer: str = ""
    discovery: str = ""
    jwks_uri: str = ""
    ca: str = field(default="", metadata={"secret": True})
    certificate: str = field(default="", metadata={"secret": True})
    public_key: str = field(default="", metadata={"secret": True})
    """Nothing secret: marked so that each may come from a file, `ca_file = "ca.pem"`."""
    audiences: tuple[str, ...] = ()
    algorithms: tuple[str, ...] = ()
    types: tuple[str, ...] = ()
    clock_skew: int = field(default=5, metadata={"range": (0, 300)})
    consumer_key_claim: str = ""
    scopes_claims: tuple[str, ...] = ()
    claim_mappings: dict[str, str] = field(default_factory=dict)
    required_claims: dict[str, str] = field(default_factory=dict)
    id_tokens: bool = False
    """Accept ID tokens too, for a provider that gives APIs nothing else."""
