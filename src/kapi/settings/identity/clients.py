"""The part `identity.clients`: the fields of an OAuth client. `client_checks.py` checks them."""

from __future__ import annotations

from dataclasses import field
from typing import Any

from kapi.dataclass import dataclass
from kapi.settings.identity.claims import claim_mistakes
from kapi.settings.words import (
    ACCESS_TOKEN_FORMATS,
    DEFAULT_ALGORITHM,
    SIGNING_ALGORITHMS,
)

RESPONSE_TYPES = ("code", "id_token", "id_token token", "code id_token")
"""Values of `response_types` (OAuth 2.0 Multiple Response Type Encoding Practices)."""
CONSENT = ("once", "always", "never")
"""Values of `consent`."""
PROFILES = ("", "fapi2", "fapi2-message-signing")
"""Values of `profile`."""
ASSERTION_AUDIENCES = ("endpoint", "issuer")
"""Values of `client_assertion_audience`."""


@dataclass(frozen=True, slots=True)
class ClientSettings:
    """One OAuth client of the inbuilt provider. Names are those of RFC 7591 where it has one."""

    id: str = field(metadata={"key": True, "needed": True})
    secret: str = field(default="", repr=False, metadata={"secret": True})
    name: str = ""
    client_uri: str = ""
    """Its home page; this, the next three and its name are shown at sign-in and consent."""
    policy_uri: str = ""
    tos_uri: str = ""
    logo_uri: str = ""
    """An https image. If the client registered itself, on the host of one of its redirect URIs."""
    grants: tuple[str, ...] = ("client_credentials",)
    """Grant types; those that the provider has (`ClientFacts`)."""
    redirect_uris: tuple[str, ...] = ()
    response_types: tuple[str, ...] = field(
        default=("code",), metadata={"choices": RESPONSE_TYPES}
    )
    """What it may ask the authorization endpoint for."""
    scopes: tuple[str, ...] = ("*",)
    """Scopes the client may ask for; `*` grants whatever it asks for (non-production)."""
    token_endpoint_auth_method: str = ""
    """One that the provider has (`ClientFacts`); empty accepts Basic and the form alike."""
    token_lifetime: int = field(default=0, metadata={"range": (0, 365 * 24 * 3600)})
    """Seconds its access tokens are valid; 0 means the provider's setting."""
    audience: tuple[str, ...] = ()
    """`aud` of its access tokens; empty means the provider's setting."""
    access_token_format: str = field(
        default="", metadata={"choices": ("", *ACCESS_TOKEN_FORMATS)}
    )
    access_token_signing_alg: str = field(
        default="", metadata={"choices": ("", *SIGNING_ALGORITHMS)}
    )
    organization: str = ""
    """`organization` of the tokens it gets for itself."""
    groups: tuple[str, ...] = ()
    """`groups` of the tokens it gets for itself."""
    claims: dict[str, Any] = field(
        default_factory=dict, metadata={"check": claim_mistakes}
    )
    """Further claims of its access tokens: values, or texts with `${…}` (`claims.py`)."""
    jwks: dict[str, Any] = field(default_factory=dict)
    """Its public keys as a JWK Set, for what it signs itself."""
    jwks_uri: str = ""
    token_endpoint_auth_signing_alg: str = field(
        default="",
        metadata={"choices": ("", *SIGNING_ALGORITHMS, "HS256", "HS384", "HS512")},
    )
    """The one algorithm of its client assertions; empty takes any."""
    tls_client_auth_subject_dn: str = ""
    tls_client_auth_san_dns: str = ""
    tls_client_auth_san_uri: str = ""
    tls_client_auth_san_ip: str = ""
    tls_client_auth_san_email: str = ""
    dpop_bound_access_tokens: bool = False
    """Its tokens are always bound to a DPoP key."""
    tls_client_certificate_bound_access_tokens: bool = False
    """Its tokens are bound to its client certificate."""
    require_pkce: bool = False
    """Ask a client with a secret for PKCE too; public clients always need it (RFC 9700 §2.1.1)."""
    consent: str = field(default="once", metadata={"choices": CONSENT})
    """When people are asked whether the client may act for them."""
    refresh_requires_offline_access: bool = False
    """Issue refresh tokens for the scope `offline_access` only."""
    refresh_token_rotation: bool = True
    """Each of its refresh tokens is used once (RFC 9700 §2.2.2).

    A client that authenticates, or holds a key, may do without (FAPI 2.0 §5.3.2.1).
    """
    subject_type: str = field(
        default="public", metadata={"choices": ("public", "pairwise")}
    )
    sector_identifier: str = ""
    """Clients that share it see the same pairwise subject.

    Empty takes the host of `sector_identifier_uri`, or of the first redirect URI.
    """
    sector_identifier_uri: str = ""
    """Lists the redirect URIs of its sector (OpenID Connect Registration §5).

    It is fetched and checked where a client registers itself.
    """
    default_max_age: int = field(default=0, metadata={"range": (0, 365 * 24 * 3600)})
    """Seconds after which a person must sign in again for this client; 0 means never."""
    id_token_signed_response_alg: str = field(
        default=DEFAULT_ALGORITHM, metadata={"choices": SIGNING_ALGORITHMS}
    )
    userinfo_signed_response_alg: str = field(
        default="", metadata={"choices": ("", *SIGNING_ALGORITHMS)}
    )
    """Sign what the UserInfo endpoint answers; empty answers plain JSON."""
    post_logout_redirect_uris: tuple[str, ...] = ()
    backchannel_logout_uri: str = ""
    backchannel_logout_session_required: bool = False
    frontchannel_logout_uri: str = ""
    frontchannel_logout_session_required: bool = False
    profile: str = field(default="", metadata={"choices": PROFILES})
    """A set of demands that holds as a whole (`profiles.py`)."""
    client_assertion_audience: str = field(
        default="endpoint", metadata={"choices": ASSERTION_AUDIENCES}
    )
    """What `aud` of its client assertions may name: our issuer only, or an endpoint too."""
    resources: tuple[str, ...] = ("*",)
    """Resource indicators it may ask tokens for (RFC 8707); `*` any."""
    authorization_details_types: tuple[str, ...] = ("*",)
    """Types of authorization details it may ask for (RFC 9396); `*` any."""
    require_pushed_authorization_requests: bool = False
    require_signed_request_object: bool = False
    require_request_object_lifetime: bool = False
    """Its request objects need `aud`, `exp` and `nbf` (FAPI 2.0 Message Signing §5.3.1)."""
    request_object_signing_alg: str = field(
        default="", metadata={"choices": ("", *SIGNING_ALGORITHMS)}
    )
    """The one algorithm of its request objects; empty takes any."""
    backchannel_authentication_request_signing_alg: str = field(
        default="", metadata={"choices": ("", *SIGNING_ALGORITHMS)}
    )
    """The one algorithm of its CIBA requests, which it then must sign (CIBA Core §4).

    Empty accepts unsigned ones too.
    """
    request_uris: tuple[str, ...] = ()
    """Where it keeps request objects that are fetched."""
    authorization_signed_response_alg: str = field(
        default="", metadata={"choices": ("", *SIGNING_ALGORITHMS)}
    )
    """What its signed authorization responses (JARM) are signed with; empty takes RS256."""
    introspects: tuple[str, ...] = ("*",)
    """Audiences whose tokens it may ask about, besides its own; `*` any."""
    introspection_signed_response_alg: str = field(
        default="", metadata={"choices": ("", *SIGNING_ALGORITHMS)}
    )
    """Its introspection answers are JWTs signed with this; empty: when it asks for them."""

    exchange_from: tuple[str, ...] = ()
    """Clients whose tokens it may exchange besides its own and those for it (RFC 8693); `*` any."""
    exchange_audiences: tuple[str, ...] = ()
    """Audiences and resources it may exchange tokens for; `*` any."""
    exchange_issuers: tuple[str, ...] = ()
    """Trusted issuers, by name, whose access tokens it may exchange and name as actors.

    `*` any that is trusted everywhere.
    """
    exchange_impersonates: bool = False
    """Exchanged tokens need not say that it acts."""

    @property
    def is_public(self) -> bool:
        """Whether the client cannot authenticate (RFC 6749 §2.1)."""
        return self.token_endpoint_auth_method == "none"  # noqa: S105 - the name of a method
