"""The section `identity`: the inbuilt, non-production provider, and the other trusted issuers."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import field
from typing import Any

from kapi.dataclass import dataclass
from kapi.settings.addresses import check_host, is_issuer
from kapi.settings.checks import Mistake, check_text
from kapi.settings.identity.claims import claim_mistakes
from kapi.settings.identity.client_checks import check_certificates
from kapi.settings.identity.clients import ClientSettings
from kapi.settings.identity.issuers import IssuerSettings
from kapi.settings.identity.resources import ResourceSettings, resource_mistakes
from kapi.settings.identity.users import UserSettings
from kapi.settings.identity.well_known import published_clients, published_users
from kapi.settings.words import (
    ACCESS_TOKEN_FORMATS,
    DEFAULT_ALGORITHM,
    SIGNING_ALGORITHMS,
)

ONE_CLICK = ("seeded", "all", "off")
"""Values of `one_click_sign_in`."""


@dataclass(frozen=True, slots=True)
class RegistrationSettings:
    """Who may register clients at run time (RFC 7591).

    Holders of an access token with the scope `kapi:clients` always may.
    """

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
    """Scopes that clients may have that registered without a token; `*` any."""


@dataclass(frozen=True, slots=True)
class AssertionIssuerSettings:
    """An issuer whose JWT assertions clients may turn into tokens (RFC 7523 §2.1)."""

    issuer: str = field(metadata={"key": True, "needed": True})
    clients: tuple[str, ...] = ("*",)
    """Clients that may present them; `*` any that has the grant."""
    jwks: dict[str, Any] = field(default_factory=dict)
    jwks_uri: str = ""
    algorithms: tuple[str, ...] = field(
        default=("RS256", "PS256", "ES256", "EdDSA"),
        metadata={"choices": SIGNING_ALGORITHMS},
    )
    scopes: tuple[str, ...] = ("*",)
    any_subject: bool = False
    """Accept subjects that are not users of this provider."""


def _check_key_id(key_id: str) -> Iterator[Mistake]:
    if not 1 <= len(key_id) <= 255 or not key_id.isascii() or not key_id.isprintable():
        yield Mistake("must be 1 to 255 printable ASCII characters")


def _check_keys(issuers: tuple[AssertionIssuerSettings, ...]) -> Iterator[Mistake]:
    for item in issuers:
        if bool(item.jwks) == bool(item.jwks_uri):
            yield Mistake(
                f"{item.issuer} needs its keys: jwks or jwks_uri, one of them",
                "Give its public keys as jwks, or their address as jwks_uri.",
            )


@dataclass(frozen=True, slots=True)
class IdentitySettings:
    """The inbuilt, non-production identity provider, and the other trusted issuers."""

    enabled: bool = True
    """Whether there is an inbuilt provider. Without it, only other issuers' tokens are accepted."""
    issuers: tuple[IssuerSettings, ...] = ()
    keys_refresh: int = field(default=300, metadata={"range": (1, 24 * 3600)})
    """Most seconds between two fetches of an issuer's keys; its Cache-Control may shorten them."""
    keys_cooldown: int = field(default=10, metadata={"range": (1, 3600)})
    """Least seconds between two fetches of an issuer's keys because of unknown key ids."""
    keys_private_networks: bool = False
    """Fetch keys from private addresses even when listening on the network."""
    host: str = field(default="idp.am.wso2.com", metadata={"check": check_host})
    issuer: str = field(
        default="https://idp.am.wso2.com/token",
        metadata={
            "check": check_text(
                is_issuer,
                "{} must be an absolute https URL without query or fragment (RFC 8414 §2)",
            )
        },
    )
    key_id: str = field(
        default="gateway_certificate_alias", metadata={"check": _check_key_id}
    )
    token_lifetime: int = field(default=3600, metadata={"range": (1, 365 * 24 * 3600)})
    """Seconds an access token is valid."""
    algorithms: tuple[str, ...] = field(
        default=("RS256", "PS256", "ES256", "EdDSA"),
        metadata={"choices": SIGNING_ALGORITHMS},
    )
    """What can be signed with; those that clients name come to them."""
    key_lifetime: int = field(default=0, metadata={"range": (0, 10 * 365 * 24 * 3600)})
    """Seconds after which a signing key gets a successor; 0 means by command only."""
    key_overlap: int = field(default=600, metadata={"range": (1, 30 * 24 * 3600)})
    """Seconds a new key is shown before it signs; longer than verifiers keep a JWKS (300)."""
    access_token_format: str = field(
        default="jwt", metadata={"choices": ACCESS_TOKEN_FORMATS}
    )
    access_token_signing_alg: str = field(
        default=DEFAULT_ALGORITHM, metadata={"choices": SIGNING_ALGORITHMS}
    )
    claims: dict[str, Any] = field(
        default_factory=dict, metadata={"check": claim_mistakes}
    )
    """Further claims of every access token; those of clients and users win."""
    default_audience: str = ""
    """Added as `aud` to every access token when not empty (APK 1.1 and later send `aud1`)."""
    resources: tuple[ResourceSettings, ...] = field(
        default=(), metadata={"check": resource_mistakes}
    )
    """Services with their own demands on the access tokens that are for them."""
    workers: int = field(default=1, metadata={"range": (1, 64)})
    well_known_client: bool = True
    """Keep the guide's published client besides `clients`."""
    well_known_users: bool = True
    """Keep the guide's published users besides `users`."""
    clients: tuple[ClientSettings, ...] = field(default_factory=published_clients)
    """Checked by `client_checks.py`, with what the provider's grants and methods state."""
    users: tuple[UserSettings, ...] = field(default_factory=published_users)
    registration: RegistrationSettings = field(default_factory=RegistrationSettings)
    client_id_metadata_documents: bool = False
    """Accept clients whose id is the https address of their metadata.

    They may have the scopes of `registration`.
    """
    require_pushed_requests: bool = False
    """Every client must push its authorization requests (RFC 9126)."""
    dpop_nonce: bool = False
    """Every DPoP proof must hold a nonce of ours."""
    front_channel_tokens: bool = False
    """Offer the response types with `id_token` to clients that have them.

    RFC 9700 §2.1.2 advises against them.
    """
    client_ca_file: str = field(default="", metadata={"check": check_certificates})
    """Certificates (PEM) of the authorities that may vouch for clients with `tls_client_auth`."""
    fetch_private_networks: bool = False
    """Use private addresses of clients even when listening on the network.

    For their keys and metadata, and for logout tokens.
    """
    code_lifetime: int = field(default=60, metadata={"range": (1, 600)})
    """Seconds an authorization code is valid (RFC 6749 §4.1.2: ten minutes at most)."""
    device_code_lifetime: int = field(default=600, metadata={"range": (30, 3600)})
    ciba_lifetime: int = field(default=300, metadata={"range": (10, 3600)})
    """Most seconds a person has to approve what a client asked."""
    ciba_auto_approve: bool = False
    """For tests: everybody approves at once."""
    password_grant: bool = False
    """Offer the password grant, which RFC 9700 forbids, to clients that have it: for old tests."""
    assertion_issuers: tuple[AssertionIssuerSettings, ...] = field(
        default=(), metadata={"check": _check_keys}
    )
    id_token_lifetime: int = field(
        default=3600, metadata={"range": (1, 365 * 24 * 3600)}
    )
    refresh_token_lifetime: int = field(
        default=30 * 24 * 3600, metadata={"range": (1, 10 * 365 * 24 * 3600)}
    )
    """Seconds after sign-in until the last refresh token of an authorization expires."""
    refresh_token_idle: int = field(
        default=24 * 3600, metadata={"range": (1, 10 * 365 * 24 * 3600)}
    )
    """Seconds a refresh token is valid while it is not used."""
    refresh_token_grace: int = field(default=0, metadata={"range": (0, 300)})
    """Seconds in which a used refresh token may be used again; 0 means never.

    For clients that lost the answer.
    """
    session_lifetime: int = field(
        default=12 * 3600, metadata={"range": (60, 365 * 24 * 3600)}
    )
    """Seconds after sign-in until a person must sign in again."""
    one_click_sign_in: str = field(default="seeded", metadata={"choices": ONE_CLICK})
    """Whom the login page offers as a button without a password: published users, all, or none."""
    login_attempts: int = field(default=10, metadata={"range": (1, 10_000)})
    """Wrong passwords in five minutes, per user name; ten times as many per address."""
    scope_descriptions: dict[str, str] = field(default_factory=dict)
    """What the consent page says about a scope."""
    testing: bool = False
    """Offer the powers of a test over HTTP (`kapi.testing`): on loopback only, with one worker."""
    non_production_on_network: bool = False
    """Allow the well-known client and users while listening on a non-loopback address."""

    def mistakes(self) -> Iterator[Mistake]:
        """What its fields say together."""
        clients = {client.id for client in self.clients}
        for number, user in enumerate(self.users):
            if user.username in clients:
                # RFC 9068 §5: a subject must say whether a client acts for itself or for a person.
                what = "a client has this id; a person needs another name"
                yield Mistake(what, where=f".users[{number}].username")
