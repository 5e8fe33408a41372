"""An authorization request during its checks: each check returns it with one more member."""

from __future__ import annotations

from dataclasses import field
from typing import Any

from kapi.dataclass import dataclass
from kapi.errors import OAuthError
from kapi.identity.clients.clients import Client
from kapi.identity.clients.registry import ClientRegistry
from kapi.identity.protocol.forms import Form
from kapi.identity.tokens.own_tokens import OwnJwts
from kapi.settings import IdentitySettings
from kapi.store.records import Records


@dataclass(frozen=True, slots=True)
class RequestChecks:
    """The values that checks of authorization requests need."""

    identity: IdentitySettings
    issuer: str
    registry: ClientRegistry
    records: Records
    jwts: OwnJwts
    """Reads ID tokens that are hints."""


@dataclass(frozen=True, slots=True)
class AuthorizationRequest:
    """The request. `parameters` are those of the URL, or of the object that replaces them."""

    parameters: Form
    now: int
    resumed: bool = False
    """Checked before the person signed in; the sources of parameters are not read again."""
    pushed: bool = False
    """From the pushed authorization request endpoint, from an authenticated client."""
    pushed_key: str = ""
    """The record of the pushed request that contains its parameters, or empty."""
    known_client: Client | None = None
    redirect_uri: str = ""
    """Empty until it is checked: nothing may be sent there before."""
    response_mode: str = "query"
    response_type: str = ""
    scope: str = ""
    challenge: str = ""
    prompt: frozenset[str] = frozenset()
    max_age: int | None = None
    claims: dict[str, Any] = field(default_factory=dict)
    acr: frozenset[str] = frozenset()
    """Levels of which one is essential; empty for any level (OIDC Core §5.5.1.1)."""
    hinted_subject: str = ""
    """The person who must be signed in: `sub` of `id_token_hint` or of the `claims` parameter."""
    confirmation: dict[str, str] = field(default_factory=dict)
    resources: tuple[str, ...] = ()
    details: tuple[Any, ...] = ()

    @property
    def client(self) -> Client:
        """The client; known after the first check."""
        assert self.known_client is not None  # noqa: S101 - the first row of the table
        return self.known_client

    @property
    def state(self) -> str | None:
        """The `state`, which is returned unchanged."""
        return self.parameters.get("state")

    @property
    def scopes(self) -> frozenset[str]:
        """The scopes as a set."""
        return frozenset(self.scope.split())


class RefusedRequest(Exception):
    """A request whose error is sent to the client's redirect URI."""

    def __init__(self, request: AuthorizationRequest, error: OAuthError) -> None:
        super().__init__(error.error)
        self.request = request
        self.error = error
