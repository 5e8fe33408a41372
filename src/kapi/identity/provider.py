"""The inbuilt provider as one value: what every endpoint and every grant is bound to. Made by `wiring.py`."""

from __future__ import annotations

import logging
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any

from kapi.addresses import is_loopback
from kapi.identity.clients.clients import Client, Clients
from kapi.identity.clients.keys import keys_of
from kapi.identity.clients.metadata_documents import document_client
from kapi.identity.clients.registration import Policy
from kapi.identity.clients.remote_documents import RemoteDocuments
from kapi.identity.keys.keyring import Keyring
from kapi.identity.people.attempts import Attempts
from kapi.identity.people.notices import Notices
from kapi.identity.people.users import Users
from kapi.identity.possession.dpop import Nonces
from kapi.identity.protocol.resources import Resources
from kapi.identity.protocol.sealed import Seal
from kapi.identity.tokens.claim_rules import token_claims
from kapi.identity.tokens.minting import AccessToken, Minter, no_key
from kapi.identity.tokens.opaque import keep_opaque
from kapi.jose import base64url
from kapi.jose.compact import sign_jwt
from kapi.jose.jwt import Jwt
from kapi.settings import DEFAULT_ALGORITHM, Settings
from kapi.store.accounts import Accounts
from kapi.store.families import Families
from kapi.store.issuers import IssuerStore
from kapi.store.login_attempts import LoginAttempts
from kapi.store.platform_keys import PlatformKeys
from kapi.store.records import Records
from kapi.store.registered_clients import RegisteredClients
from kapi.store.revocations import Revocations

if TYPE_CHECKING:
    from kapi.identity.issuers.kept import KeptIssuers
    from kapi.identity.possession.certificates import Authorities


@dataclass
class Provider:
    """Live state of one identity worker: what changes is replaced whole, so a request sees one state or the other.

    `random_bytes` gives that many unpredictable bytes, `new_id` a fresh UUID.
    """

    settings: Settings
    keyring: Keyring
    clients: Clients
    users: Users
    records: Records
    families: Families
    revocations: Revocations
    accounts: Accounts
    """Which accounts ended, and when."""
    login_attempts: LoginAttempts
    attempts: Attempts
    random_bytes: Callable[[int], bytes]
    new_id: Callable[[], str]
    documents: RemoteDocuments
    """What clients publish about themselves."""
    document_policy: Callable[[Sequence[str]], Policy]
    """What clients that publish their own metadata may be, by the algorithms the provider signs with."""
    platform_keys: PlatformKeys
    registered: RegisteredClients
    """Clients that were registered at run time, as the store has them."""
    notices: Notices
    """Tells clients that a session ended."""
    issuer_store: IssuerStore
    """Issuers that are trusted besides this one, as the store has them."""
    before_binding: Callable[[], None] = lambda: None
    """Called before a token is bound to a client certificate: whoever checks such tokens may have to be told first."""
    verified: dict[str, Jwt] = field(default_factory=dict)
    """JWTs of ours whose signature was checked; see `own_tokens.py`."""
    minter: Minter = field(init=False)
    """Signs access tokens."""

    def __post_init__(self) -> None:
        self.use_keys(self.keyring)
        self.use_clients()

    def use_keys(self, keyring: Keyring) -> None:
        """Sign with these keys, and show them, from now on."""
        self.keyring = keyring
        self.verified = {}
        self.minter = Minter(keyring, self.settings.identity.issuer, self.new_id, self._keep_opaque)

    def mint(
        self, client: Client, access: AccessToken, parameters: Mapping[str, str], now: int
    ) -> str:
        """An access token as those it is for and this client's settings want it; `parameters` are those of the request.

        Raises OAuthError.
        """
        claims = token_claims(self.settings.identity.claims, client, self.users, access, parameters)
        if claims is not access.claims:
            access = replace(access, claims=claims)
        wishes = self.resources.wishes(client, access.audience)
        form = "jwt" if access.readable and wishes.format == "opaque" else wishes.format
        return self.minter.mint(access, now, form, wishes.algorithm)[0]

    @cached_property
    def resources(self) -> Resources:
        """The services that the settings declare."""
        return Resources(self.settings.identity)

    def _keep_opaque(self, claims: Mapping[str, Any]) -> str:
        token = base64url.encode(self.random_bytes(32))
        keep_opaque(self.records, token, claims)
        return token

    @cached_property
    def mints_opaque(self) -> bool:
        """Whether minting may write to the store."""
        identity = self.settings.identity
        named = {
            identity.access_token_format,
            *(client.access_token_format for client in identity.clients),
        }
        return "opaque" in named or self.resources.any_opaque

    def sign(
        self, claims: Mapping[str, Any], media_type: str, algorithm: str = DEFAULT_ALGORITHM
    ) -> str:
        """A JWT that is no access token: an ID token, a signed answer. Raises OAuthError when there is no key for the algorithm."""
        try:
            key = self.keyring.active(algorithm)
        except LookupError as error:
            raise no_key(algorithm) from error
        return sign_jwt(key, claims, media_type)

    @cached_property
    def base_url(self) -> str:
        """Where the provider answers, without a slash at the end."""
        return self.settings.gateway.origin(self.settings.identity.host)

    @property
    def on_loopback(self) -> bool:
        """Whether only this machine can reach the provider."""
        return is_loopback(self.settings.gateway.listen)

    @cached_property
    def nonces(self) -> Nonces:
        """Nonces of DPoP proofs; all workers have the same."""
        return Nonces(self.platform_keys.get_or_make("dpop-nonce", lambda: self.random_bytes(32)))

    @cached_property
    def seal(self) -> Seal:
        """Seals what browsers keep for the provider; all workers have the same key."""
        key = self.platform_keys.get_or_make("waiting-requests", lambda: self.random_bytes(32))
        return Seal(key, "waiting request", self.random_bytes)

    @cached_property
    def typed_seal(self) -> Seal:
        """Seals what a person typed into a form that is shown again."""
        key = self.platform_keys.get_or_make("waiting-requests", lambda: self.random_bytes(32))
        return Seal(key, "typed before", self.random_bytes)

    @cached_property
    def client_authorities(self) -> Authorities:
        """Who may vouch for the certificates of clients."""
        from kapi.identity.possession.certificates import Authorities

        file = self.settings.identity.client_ca_file
        try:
            return Authorities(Path(file).read_bytes() if file else b"")
        except (OSError, ValueError):
            # It was readable when the settings were read: better no client with a certificate than no token for anybody.
            logging.getLogger("kapi.identity").exception(
                "client_ca_file cannot be read: nobody can vouch for certificates"
            )
            return Authorities(b"")

    def use_clients(self) -> None:
        """Take up what changed among the registered clients."""
        self.clients.take_up(self.registered.since(self.clients.revision))

    @cached_property
    def others(self) -> KeptIssuers:
        """Issuers that are trusted besides this one; only token exchange needs them."""
        from kapi.identity.issuers.kept import KeptIssuers

        return KeptIssuers(self.settings, self.issuer_store)

    def known_client(self, client_id: str) -> Client | None:
        """The client of this id among those of the settings and the registered ones, also one that was registered this very moment."""
        found = self.clients.get(client_id)
        if found is None:
            self.use_clients()
            found = self.clients.get(client_id)
        return found

    def client(self, client_id: str, now: int) -> Client | None:
        """The client of this id, or None. Says nothing about who is asking.

        An id that is the address of a metadata document may be fetched, so this may take a while. Raises OAuthError when that fails.
        """
        found = self.known_client(client_id)
        if found is not None or not self.settings.identity.client_id_metadata_documents:
            return found
        policy = self.document_policy(self.keyring.algorithms)
        return document_client(self.documents, client_id, policy, now)

    def keys_of(self, client: Client, kid: Any, now: int) -> Sequence[Mapping[str, Any]]:
        """The public keys of a client as JWKs; `kid` is the one looked for, if any. Raises InvalidJwt."""
        return keys_of(self.documents, client, kid, now)

    def new_secret(self) -> str:
        """A fresh secret of 256 bits, in base64url: codes, refresh tokens, cookies."""
        return base64url.encode(self.random_bytes(32))

    def lifetime(self, client: Client, audience: Sequence[str]) -> int:
        """Seconds an access token of this client for this audience is valid."""
        return self.resources.lifetime(
            client.settings.token_lifetime or self.settings.identity.token_lifetime, audience
        )

    def audience(self, client: Client) -> tuple[str, ...]:
        """`aud` of this client's access tokens when the request names no resource."""
        default = self.settings.identity.default_audience
        return client.settings.audience or ((default,) if default else ())
