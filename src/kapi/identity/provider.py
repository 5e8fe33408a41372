"""The state of the inbuilt provider, and the values that its parts are given.

An endpoint or grant names its values in `needs`; no function below them takes the provider. Made by
`wiring.py`.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import field, replace
from functools import cached_property, partial
from typing import TYPE_CHECKING

from kapi.audit import Record, record_nothing
from kapi.dataclass import dataclass
from kapi.identity.accounts.attempts import Attempts, sign_in_event
from kapi.identity.accounts.users import Users
from kapi.identity.authorization.flow import Flow
from kapi.identity.authorization.request import RequestChecks
from kapi.identity.authorization.responses import Responses
from kapi.identity.client_authentication.method import ClientAuthentication
from kapi.identity.clients.clients import Clients
from kapi.identity.clients.metadata import Policy
from kapi.identity.clients.notices import Notices
from kapi.identity.clients.registry import ClientRegistry
from kapi.identity.clients.remote_documents import RemoteDocuments
from kapi.identity.decoupled.requests import DecoupledRequests
from kapi.identity.figures import ProviderFigures
from kapi.identity.keys.keyring import Keyring
from kapi.identity.keys.shared_keys import SharedKeys
from kapi.identity.minting.minter import Minter
from kapi.identity.minting.minting import Minting
from kapi.identity.minting.opaque import new_opaque
from kapi.identity.minting.signer import Signer
from kapi.identity.people.consents import Consents
from kapi.identity.people.ended import EndedAccounts
from kapi.identity.people.identification import PersonAuthentication
from kapi.identity.people.logout import Logout
from kapi.identity.people.own_account import OwnAccount
from kapi.identity.people.page_session import PageSignIn
from kapi.identity.people.sessions import Sessions
from kapi.identity.people.subjects import Subjects
from kapi.identity.possession.dpop import Nonces
from kapi.identity.protocol.published import Published
from kapi.identity.protocol.resources import Resources
from kapi.identity.protocol.sealed import Seal
from kapi.identity.tokens.access_tokens import OwnAccessTokens
from kapi.identity.tokens.exchanged_tokens import ExchangedTokens
from kapi.identity.tokens.own_tokens import OwnJwts
from kapi.identity.tokens.person_tokens import PersonTokens
from kapi.identity.tokens.sender_constraint import ProofOfPossession
from kapi.jose import base64url
from kapi.settings import Settings
from kapi.store.accounts import Accounts
from kapi.store.families import Families
from kapi.store.issuers import IssuerStore
from kapi.store.login_attempts import LoginAttempts
from kapi.store.records import Records
from kapi.store.registered_clients import RegisteredClients
from kapi.store.revocations import Revocations

if TYPE_CHECKING:
    from kapi.identity.issuers.kept import KeptIssuers
    from kapi.identity.possession.certificates import Authorities
    from kapi.identity.tokens.third_party_tokens import ThirdPartyTokens


@dataclass
class Provider:
    """Live state of one identity worker. A change replaces a value as a whole.

    Most values for the rooms are made at each access, because keys, clients and settings change.
    `random_bytes` gives the requested number of random bytes, `new_id` a new UUID.
    """

    settings: Settings
    keyring: Keyring
    clients: Clients
    users: Users
    records: Records
    families: Families
    revocations: Revocations
    accounts: Accounts
    """The accounts that ended, with the time."""
    login_attempts: LoginAttempts
    attempts: Attempts
    random_bytes: Callable[[int], bytes]
    new_id: Callable[[], str]
    documents: RemoteDocuments
    """Documents that clients publish."""
    document_policy: Callable[[Sequence[str]], Policy]
    """The policy for clients that publish their metadata, by the provider's signing algorithms."""
    shared_keys: SharedKeys
    registered: RegisteredClients
    """The stored clients that were registered at run time."""
    notices: Notices
    """Notifies clients that a session ended."""
    issuer_store: IssuerStore
    """The stored issuers that are trusted besides this one."""
    public_url: str = ""
    """The URL of the provider's root if it is not that of its host; without a slash at the end."""
    issuer: str = ""
    """Its `iss`: that of the settings unless it is named otherwise. The store has the former."""
    before_binding: Callable[[], None] = lambda: None
    """Called before a token is bound to a client certificate: sets up the check in the gateway."""
    record: Record = record_nothing
    """Appends to the audit log."""
    record_later: Record = record_nothing
    """The same without waiting for the store."""
    figures: ProviderFigures = field(default_factory=ProviderFigures)
    own_jwts: OwnJwts = field(init=False)
    """Reads the provider's JWTs."""
    minter: Minter = field(init=False)
    """Signs access tokens."""
    registry: ClientRegistry = field(init=False)
    """Looks up clients."""
    minting: Minting = field(init=False)
    """Makes access tokens."""
    client_authentication: ClientAuthentication = field(init=False)
    """Authenticates clients."""
    proofs: ProofOfPossession = field(init=False)
    """Checks proofs of possession."""
    _by_host: dict[str, Provider] | None = field(default=None, init=False)

    def __post_init__(self) -> None:
        self.issuer = self.issuer or self.settings.identity.issuer
        self.use_keys(self.keyring)
        self.use_clients()
        self.attempts.told = self._sign_in_told

    def _sign_in_told(self, outcome: str, username: str, place: str) -> None:
        """Count and record a password that was checked."""
        self.figures.sign_ins.add((outcome,))
        # People type passwords where a user name belongs.
        known = ""
        if self.users.account(username) is not None:
            known = username
        self.record(sign_in_event(outcome, known, place))

    def use_keys(self, keyring: Keyring) -> None:
        """Replace the signing keys."""
        self.keyring = keyring
        self.own_jwts = OwnJwts(keyring, self.issuers)
        keep = partial(new_opaque, self.records, self.new_secret)
        self.minter = Minter(keyring, self.issuer, self.new_id, keep)
        self._renew()
        for other in (self._by_host or {}).values():
            other.use_keys(keyring)

    def _renew(self) -> None:
        """Make the values of token requests. At each request, that would take a tenth of it."""
        identity, policy, nonces = self.settings.identity, None, None
        if identity.client_id_metadata_documents:
            policy = partial(self.document_policy, self.keyring.algorithms)
        if identity.dpop_nonce:
            nonces = self._get_nonces
        self.registry = ClientRegistry(
            self.clients, self.registered, self.documents, policy
        )
        self.minting = Minting(identity, self.users, self.resources, self.minter)
        self.client_authentication = ClientAuthentication(
            registry=self.registry,
            records=self.records,
            issuer=self.issuer,
            base_url=self.base_url,
            authorities=self._get_client_authorities,
        )
        self.proofs = ProofOfPossession(
            base_url=self.base_url,
            clients=self.clients,
            records=self.records,
            nonces=nonces,
            before_binding=self._bind,
        )

    def _bind(self) -> None:
        self.before_binding()

    @property
    def by_host(self) -> Mapping[str, Provider]:
        """The provider under its other host names, each of which has an issuer.

        Made at the first use, with all that was set until then. Clients and records are the same.
        """
        if self._by_host is None:
            origin, hosts = self.settings.gateway.origin, self.settings.provider_hosts
            # With a URL of its own, the provider is not at the hosts of the settings.
            others = () if self.public_url else hosts[1:]
            self._by_host = {
                host: replace(self, issuer=origin(host), public_url=origin(host))
                for host in others
            }
        return self._by_host

    @property
    def issuers(self) -> tuple[str, ...]:
        """Each `iss` of its tokens."""
        return (self.issuer, *self.settings.own_issuers)

    @cached_property
    def resources(self) -> Resources:
        """The services that the settings declare."""
        return Resources(self.settings.identity)

    @cached_property
    def base_url(self) -> str:
        """The URL of the provider's root, without a slash at the end."""
        return self.public_url or self.settings.gateway.origin(
            self.settings.identity.host
        )

    @property
    def published(self) -> Published:
        """What its documents are made from."""
        return Published(
            self.settings.identity, self.issuer, self.base_url, self.keyring.algorithms
        )

    @cached_property
    def nonces(self) -> Nonces:
        """Nonces of DPoP proofs; all workers have the same."""
        return Nonces(self.shared_keys.get("dpop-nonce"))

    @cached_property
    def seal(self) -> Seal:
        """Encrypts what browsers keep for the provider; all workers have the same key."""
        key = self.shared_keys.get("waiting-requests")
        return Seal(key, "waiting request", self.random_bytes)

    @cached_property
    def typed_seal(self) -> Seal:
        """Encrypts what a person typed into a form that is shown again."""
        key = self.shared_keys.get("waiting-requests")
        return Seal(key, "typed before", self.random_bytes)

    def _get_client_authorities(self) -> Authorities:
        return self._client_authorities

    @cached_property
    def _client_authorities(self) -> Authorities:
        """The authorities that may issue the certificates of clients."""
        from kapi.identity.possession.certificates import read_authorities

        return read_authorities(self.settings.identity.client_ca_file)

    def use_clients(self) -> None:
        """Read the changes of the registered clients."""
        self._renew()
        self.registry.refresh()

    @property
    def signer(self) -> Signer:
        """Signs JWTs that are not access tokens."""
        return Signer(self.keyring)

    @property
    def subjects(self) -> Subjects:
        """The subjects of people."""
        return Subjects(self.shared_keys)

    @property
    def ended_accounts(self) -> EndedAccounts:
        """The accounts whose tokens are refused."""
        return EndedAccounts(self.accounts, self.families, self.registry, self.subjects)

    @property
    def person_authentication(self) -> PersonAuthentication:
        """The values for the authentication of people."""
        identity = self.settings.identity
        return PersonAuthentication(identity, self.users, self.attempts, self.record)

    @property
    def sessions(self) -> Sessions:
        """The sessions of people."""
        identity = self.settings.identity
        issuer = ""
        if self.issuer != identity.issuer:
            issuer = self.issuer
        return Sessions(
            records=self.records,
            users=self.users,
            accounts=self.accounts,
            lifetime=identity.session_lifetime,
            issuer=issuer,
            new_id=self.new_id,
            new_secret=self.new_secret,
        )

    @property
    def consents(self) -> Consents:
        """The consents of people."""
        issuer = self.settings.identity.issuer
        return Consents(self.records, self.families, self.users, self.registry, issuer)

    @property
    def logout(self) -> Logout:
        """The values for the end of sessions."""
        return Logout(
            issuer=self.issuer,
            stored_issuer=self.settings.identity.issuer,
            records=self.records,
            families=self.families,
            registry=self.registry,
            notices=self.notices,
            subjects=self.subjects,
            signer=lambda: self.signer,
            new_id=self.new_id,
        )

    @property
    def request_checks(self) -> RequestChecks:
        """The values for checks of authorization requests."""
        identity = self.settings.identity
        return RequestChecks(
            identity, self.issuer, self.registry, self.records, self.own_jwts
        )

    @property
    def flow(self) -> Flow:
        """The values for answers to authorization requests."""
        return Flow(
            checks=self.request_checks,
            sessions=self.sessions,
            tokens=self.person_tokens,
            responses=Responses(self.issuer, self.base_url, self.signer),
            seal=self.seal,
        )

    @property
    def own_account(self) -> OwnAccount:
        """The values for changes of an account by its person."""
        return OwnAccount(
            self.person_authentication,
            self.sessions,
            self.consents,
            self.logout,
            self.record,
        )

    @property
    def page_sign_in(self) -> PageSignIn:
        """The values for sign-in on pages without a client."""
        return PageSignIn(self.person_authentication, self.sessions, self.base_url)

    def _get_nonces(self) -> Nonces:
        return self.nonces

    @property
    def own_access_tokens(self) -> OwnAccessTokens:
        """The values for reading the provider's access tokens."""
        return OwnAccessTokens(
            stored_issuer=self.settings.identity.issuer,
            jwts=self.own_jwts,
            records=self.records,
            accounts=self.accounts,
            revocations=self.revocations,
            registry=self.registry,
            ended=self.ended_accounts,
            proofs=self.proofs,
        )

    @property
    def decoupled_requests(self) -> DecoupledRequests:
        """The values for requests that people decide on another device."""
        return DecoupledRequests(self.records, self.clients, self.new_id)

    @property
    def person_tokens(self) -> PersonTokens:
        """The values for issuing tokens of people."""
        return PersonTokens(
            identity=self.settings.identity,
            issuer=self.issuer,
            users=self.users,
            accounts=self.accounts,
            families=self.families,
            records=self.records,
            minting=self.minting,
            subjects=self.subjects,
            signer=self.signer,
            new_id=self.new_id,
            new_secret=self.new_secret,
        )

    @property
    def exchanged_tokens(self) -> ExchangedTokens:
        """The values for tokens that clients present for token exchange."""
        return ExchangedTokens(
            self.own_access_tokens, self.users, self.families, self._third_party_tokens
        )

    def _third_party_tokens(self) -> ThirdPartyTokens:
        from kapi.identity.tokens.third_party_tokens import ThirdPartyTokens

        trusted = self.trusted_issuers
        return ThirdPartyTokens(trusted, self.revocations, self.clients, self.users)

    @cached_property
    def trusted_issuers(self) -> KeptIssuers:
        """Issuers that are trusted besides this one; only token exchange needs them."""
        from kapi.identity.issuers.kept import KeptIssuers

        return KeptIssuers(self.settings, self.issuer_store)

    def new_secret(self) -> str:
        """A new secret of 256 bits, in base64url: codes, refresh tokens, cookies."""
        return base64url.encode(self.random_bytes(32))
