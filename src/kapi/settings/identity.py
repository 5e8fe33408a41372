"""Settings of the inbuilt, non-production identity provider: its clients, its users, its tokens. A part of `settings.py`."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

from kapi.settings.issuers import IssuerSettings
from kapi.settings.resources import ResourceSettings
from kapi.settings.words import ACCESS_TOKEN_FORMATS, SIGNING_ALGORITHMS

WELL_KNOWN_CLIENT_ID = "45f1c5c8-a92e-11ed-afa1-0242ac120002"
WELL_KNOWN_CLIENT_SECRET = "4fbd62ec-a92e-11ed-afa1-0242ac120002"  # noqa: S105 - published in the guide, for tests only

RESPONSE_TYPES = ("code", "id_token", "id_token token", "code id_token")
"""Values of `response_types`, words in this order (OAuth 2.0 Multiple Response Type Encoding Practices)."""
CONSENT = ("once", "always", "never")
"""Values of `consent`."""
ONE_CLICK = ("seeded", "all", "off")
"""Values of `one_click_sign_in`."""
DEFAULT_ALGORITHM = "RS256"
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
    """An https image. That of a client which registered itself must be on the host of one of its redirect URIs."""
    grants: tuple[str, ...] = ("client_credentials",)
    """Grant types; those that the provider has (`settings/clients.py`)."""
    redirect_uris: tuple[str, ...] = ()
    response_types: tuple[str, ...] = field(default=("code",), metadata={"choices": RESPONSE_TYPES})
    """What it may ask the authorization endpoint for."""
    scopes: tuple[str, ...] = ("*",)
    """Scopes the client may ask for; `*` grants whatever it asks for (non-production)."""
    token_endpoint_auth_method: str = ""
    """One that the provider has (`settings/clients.py`); empty takes Basic and the form alike."""
    token_lifetime: int = field(default=0, metadata={"range": (0, 365 * 24 * 3600)})
    """Seconds its access tokens are valid; 0 means the provider's setting."""
    audience: tuple[str, ...] = ()
    """`aud` of its access tokens; empty means the provider's setting."""
    access_token_format: str = field(default="", metadata={"choices": ("", *ACCESS_TOKEN_FORMATS)})
    access_token_signing_alg: str = field(
        default="", metadata={"choices": ("", *SIGNING_ALGORITHMS)}
    )
    organization: str = ""
    """`organization` of the tokens it gets for itself."""
    groups: tuple[str, ...] = ()
    """`groups` of the tokens it gets for itself."""
    claims: dict[str, Any] = field(default_factory=dict)
    """Further claims of its access tokens: values, or texts with `${…}` (`settings/claims.py`)."""
    jwks: dict[str, Any] = field(default_factory=dict)
    """Its public keys as a JWK Set, for what it signs itself."""
    jwks_uri: str = ""
    token_endpoint_auth_signing_alg: str = field(
        default="", metadata={"choices": ("", *SIGNING_ALGORITHMS, "HS256", "HS384", "HS512")}
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
    """Each of its refresh tokens is used once; a client that authenticates, or holds a key, may do without (FAPI 2.0 §5.3.2.1)."""
    subject_type: str = field(default="public", metadata={"choices": ("public", "pairwise")})
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
    """A set of demands that holds as a whole (`settings/profiles.py`)."""
    client_assertion_audience: str = field(
        default="endpoint", metadata={"choices": ASSERTION_AUDIENCES}
    )
    """What `aud` of its client assertions may name: also an endpoint of ours, or the issuer only."""
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
    """The one algorithm of its signed CIBA requests, which it then must sign; empty takes both kinds (CIBA Core §4)."""
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
    """Clients whose tokens it may exchange, besides its own and those meant for it; `*` any (RFC 8693)."""
    exchange_audiences: tuple[str, ...] = ()
    """Audiences and resources it may exchange tokens for; `*` any."""
    exchange_issuers: tuple[str, ...] = ()
    """Trusted issuers, by name, whose access tokens it may exchange and name as actors; `*` any that is trusted everywhere."""
    exchange_impersonates: bool = False
    """Exchanged tokens need not say that it acts."""

    @property
    def is_public(self) -> bool:
        """Whether the client cannot authenticate (RFC 6749 §2.1)."""
        return self.token_endpoint_auth_method == "none"  # noqa: S105 - the name of a method


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
class RegistrationSettings:
    """Who may register clients at run time (RFC 7591), besides holders of an access token with the scope `kapi:clients`."""

    initial_access_token: str = field(default="", repr=False, metadata={"secret": True})
    """Allows to register; empty: there is none."""
    open: bool = False
    """Anybody may register; only while listening on loopback."""
    scopes: tuple[str, ...] = (
        "default",
        "openid",
        "profile",
        "email",
        "address",
        "phone",
        "offline_access",
    )
    """Scopes that clients may have which registered without a token; `*` any."""


@dataclass(frozen=True, slots=True)
class AssertionIssuerSettings:
    """Whose JWT assertions clients may turn into tokens (RFC 7523 §2.1), and how far they reach."""

    issuer: str = field(metadata={"key": True, "needed": True})
    clients: tuple[str, ...] = ("*",)
    """Clients that may present them; `*` any that has the grant."""
    jwks: dict[str, Any] = field(default_factory=dict)
    jwks_uri: str = ""
    algorithms: tuple[str, ...] = field(
        default=("RS256", "PS256", "ES256", "EdDSA"), metadata={"choices": SIGNING_ALGORITHMS}
    )
    scopes: tuple[str, ...] = ("*",)
    any_subject: bool = False
    """Take subjects that are no users here."""


@dataclass(frozen=True, slots=True)
class IdentitySettings:
    """The inbuilt, non-production identity provider, and the issuers that are trusted besides it."""

    enabled: bool = True
    """Whether there is an inbuilt provider. Without it, only the tokens of other issuers are accepted."""
    issuers: tuple[IssuerSettings, ...] = ()
    keys_refresh: int = field(default=300, metadata={"range": (1, 24 * 3600)})
    """Seconds after which an issuer's keys are fetched again at the latest; its Cache-Control may make it sooner."""
    keys_cooldown: int = field(default=10, metadata={"range": (1, 3600)})
    """Least seconds between two fetches of an issuer's keys because of unknown key ids."""
    keys_private_networks: bool = False
    """Fetch keys from private addresses even when listening on the network."""
    host: str = "idp.am.wso2.com"
    issuer: str = "https://idp.am.wso2.com/token"
    key_id: str = "gateway_certificate_alias"
    token_lifetime: int = field(default=3600, metadata={"range": (1, 365 * 24 * 3600)})
    """Seconds an access token is valid."""
    algorithms: tuple[str, ...] = field(
        default=("RS256", "PS256", "ES256", "EdDSA"), metadata={"choices": SIGNING_ALGORITHMS}
    )
    """What can be signed with; those that clients name come to them."""
    key_lifetime: int = field(default=0, metadata={"range": (0, 10 * 365 * 24 * 3600)})
    """Seconds after which a signing key gets a successor; 0 means by command only."""
    key_overlap: int = field(default=600, metadata={"range": (1, 30 * 24 * 3600)})
    """Seconds a new key is shown before it signs; longer than verifiers keep a JWKS (300)."""
    access_token_format: str = field(default="jwt", metadata={"choices": ACCESS_TOKEN_FORMATS})
    access_token_signing_alg: str = field(
        default=DEFAULT_ALGORITHM, metadata={"choices": SIGNING_ALGORITHMS}
    )
    claims: dict[str, Any] = field(default_factory=dict)
    """Further claims of every access token; those of clients and users win."""
    default_audience: str = ""
    """Added as `aud` to every access token when not empty (APK 1.1 and later send `aud1`)."""
    resources: tuple[ResourceSettings, ...] = ()
    """Services with wishes of their own about the access tokens that are for them."""
    workers: int = field(default=1, metadata={"range": (1, 64)})
    well_known_client: bool = True
    """Keep the guide's published client besides `clients`."""
    well_known_users: bool = True
    """Keep the guide's published users besides `users`."""
    clients: tuple[ClientSettings, ...] = field(default_factory=_seeded_clients)
    users: tuple[UserSettings, ...] = field(default_factory=_seeded_users)
    registration: RegistrationSettings = field(default_factory=RegistrationSettings)
    client_id_metadata_documents: bool = False
    """Take clients whose id is the https address of their metadata; they may have the scopes of `registration`."""
    require_pushed_requests: bool = False
    """Every client must push its authorization requests (RFC 9126)."""
    dpop_nonce: bool = False
    """Every DPoP proof must hold a nonce of ours."""
    front_channel_tokens: bool = False
    """Offer the response types with `id_token`, which RFC 9700 §2.1.2 advises against, to clients that have them."""
    client_ca_file: str = ""
    """Certificates (PEM) of the authorities that may vouch for clients with `tls_client_auth`."""
    fetch_private_networks: bool = False
    """Fetch what clients publish (keys, metadata), and send logout tokens, at private addresses even when listening on the network."""
    code_lifetime: int = field(default=60, metadata={"range": (1, 600)})
    """Seconds an authorization code is valid (RFC 6749 §4.1.2: ten minutes at most)."""
    device_code_lifetime: int = field(default=600, metadata={"range": (30, 3600)})
    ciba_lifetime: int = field(default=300, metadata={"range": (10, 3600)})
    """Most seconds a person has to approve what a client asked."""
    ciba_auto_approve: bool = False
    """For tests: everybody approves at once."""
    password_grant: bool = False
    """Offer the password grant, which RFC 9700 forbids, to clients that have it: for old test suites."""
    assertion_issuers: tuple[AssertionIssuerSettings, ...] = ()
    id_token_lifetime: int = field(default=3600, metadata={"range": (1, 365 * 24 * 3600)})
    refresh_token_lifetime: int = field(
        default=30 * 24 * 3600, metadata={"range": (1, 10 * 365 * 24 * 3600)}
    )
    """Seconds after sign-in until the last refresh token of an authorization ends, however often it was used."""
    refresh_token_idle: int = field(
        default=24 * 3600, metadata={"range": (1, 10 * 365 * 24 * 3600)}
    )
    """Seconds a refresh token is valid while it is not used."""
    refresh_token_grace: int = field(default=0, metadata={"range": (0, 300)})
    """Seconds in which a used refresh token may be used again, for clients that lost the answer; 0 means never."""
    session_lifetime: int = field(default=12 * 3600, metadata={"range": (60, 365 * 24 * 3600)})
    """Seconds after sign-in until a person must sign in again."""
    one_click_sign_in: str = field(default="seeded", metadata={"choices": ONE_CLICK})
    """Whom the login page offers as a button that needs no password: the published users, everybody, nobody."""
    login_attempts: int = field(default=10, metadata={"range": (1, 10_000)})
    """Wrong passwords in five minutes, per user name; ten times as many per address."""
    scope_descriptions: dict[str, str] = field(default_factory=dict)
    """What the consent page says about a scope."""
    non_production_on_network: bool = False
    """Allow the well-known client and users while listening on a non-loopback address."""
