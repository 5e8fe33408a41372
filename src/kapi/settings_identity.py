"""Settings of the inbuilt, non-production identity provider: its clients, its users, its tokens. A part of `settings.py`."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

WELL_KNOWN_CLIENT_ID = "45f1c5c8-a92e-11ed-afa1-0242ac120002"
WELL_KNOWN_CLIENT_SECRET = "4fbd62ec-a92e-11ed-afa1-0242ac120002"  # noqa: S105 - published in the guide, for tests only

GRANTS = ("client_credentials", "authorization_code", "refresh_token")
"""Grants that a client may be given; `identity/grants/` has a file for each."""
DEFAULT_ALGORITHM = "RS256"
SIGNING_ALGORITHMS = ("RS256", "RS384", "RS512", "PS256", "PS384", "PS512", "ES256", "ES384", "ES512", "EdDSA")
"""What the provider can sign with (RFC 7518 §3.1, RFC 8037 §3.1)."""
AUTHENTICATION_METHODS = ("", "none", "client_secret_basic", "client_secret_post")
"""Values of `token_endpoint_auth_method`; empty takes Basic and the form alike."""


@dataclass(frozen=True, slots=True)
class ClientSettings:
    """One OAuth client of the inbuilt provider. Names are those of RFC 7591 where it has one."""

    id: str = field(metadata={"key": True, "needed": True})
    secret: str = field(default="", repr=False, metadata={"secret": True})
    name: str = ""
    grants: tuple[str, ...] = field(default=("client_credentials",), metadata={"choices": GRANTS})
    redirect_uris: tuple[str, ...] = ()
    scopes: tuple[str, ...] = ("*",)
    """Scopes the client may ask for; `*` grants whatever it asks for (non-production)."""
    token_endpoint_auth_method: str = field(default="", metadata={"choices": AUTHENTICATION_METHODS})
    token_lifetime: int = field(default=0, metadata={"range": (0, 365 * 24 * 3600)})
    """Seconds its access tokens are valid; 0 means the provider's setting."""
    audience: tuple[str, ...] = ()
    """`aud` of its access tokens; empty means the provider's setting."""


def _seeded_clients() -> tuple[ClientSettings, ...]:
    return (
        ClientSettings(
            id=WELL_KNOWN_CLIENT_ID,
            secret=WELL_KNOWN_CLIENT_SECRET,
            name="seeded non-production client",
            grants=("client_credentials", "refresh_token", "authorization_code"),
            redirect_uris=("http://httpbin.org",),
        ),
    )


@dataclass(frozen=True, slots=True)
class UserSettings:
    """One person who can sign in at the inbuilt provider."""

    username: str = field(metadata={"key": True, "needed": True})
    password: str = field(repr=False, metadata={"secret": True, "needed": True})
    organizations: tuple[str, ...] = ()
    super_admin: bool = False
    """May sign in without naming an organization."""
    groups: tuple[str, ...] = ()
    claims: dict[str, Any] = field(default_factory=dict)
    """Claims about the person by name (OpenID Connect Core §5.1 and your own)."""
    token_claims: dict[str, Any] = field(default_factory=dict)
    """Claims that access tokens about the person get."""


def _seeded_users() -> tuple[UserSettings, ...]:
    return (
        UserSettings("org1user", "org1user", ("org1",)),
        UserSettings("org2user", "org2user", ("org2",)),
        UserSettings("multiorguser", "multiorguser", ("org1", "org2")),
        UserSettings("superAdmin", "superAdmin", super_admin=True),
    )


@dataclass(frozen=True, slots=True)
class IdentitySettings:
    """The inbuilt, non-production identity provider."""

    host: str = "idp.am.wso2.com"
    issuer: str = "https://idp.am.wso2.com/token"
    key_id: str = "gateway_certificate_alias"
    token_lifetime: int = field(default=3600, metadata={"range": (1, 365 * 24 * 3600)})
    """Seconds an access token is valid."""
    algorithms: tuple[str, ...] = field(default=("RS256", "ES256", "EdDSA"), metadata={"choices": SIGNING_ALGORITHMS})
    """What can be signed with from the start; those that clients name come to them."""
    default_audience: str = ""
    """Added as `aud` to every access token when not empty (APK 1.1 and later send `aud1`)."""
    workers: int = field(default=1, metadata={"range": (1, 64)})
    clients: tuple[ClientSettings, ...] = field(default_factory=_seeded_clients)
    users: tuple[UserSettings, ...] = field(default_factory=_seeded_users)
    non_production_on_network: bool = False
    """Allow the well-known client and users while listening on a non-loopback address."""
