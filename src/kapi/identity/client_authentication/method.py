"""The shape of a client authentication method: its proof and its facts.

Registration, discovery, the settings and the profiles read the facts.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING

from kapi.dataclass import dataclass
from kapi.identity.client_authentication.attempt import Attempt
from kapi.identity.clients.clients import Client
from kapi.identity.clients.registry import ClientRegistry
from kapi.settings import IdentitySettings
from kapi.store.records import Records

if TYPE_CHECKING:
    from kapi.identity.possession.certificates import Authorities


@dataclass(frozen=True, slots=True)
class ClientAuthentication:
    """The values that client authentication needs."""

    registry: ClientRegistry
    records: Records
    """The assertions that were used."""
    issuer: str
    base_url: str
    """The URL of the provider's root."""
    authorities: Callable[[], Authorities]
    """Gives the authorities that may issue the certificates of clients."""


Proof = Callable[[ClientAuthentication, Client, Attempt, int], bool]
"""Whether the attempt proves the client; may raise OAuthError invalid_client with the reason."""


def always(identity: IdentitySettings) -> bool:  # noqa: ARG001 - the shape of `offered`
    """A method that needs no setting."""
    return True


@dataclass(frozen=True, slots=True, kw_only=True)
class Method:
    """One method, by its name in the IANA registry (RFC 8414 §2)."""

    name: str
    proves: Proof
    uses_secret: bool
    """A client with this method has a client secret."""
    needs_keys: bool
    """A client with this method publishes its keys: `jwks` or `jwks_uri`."""
    registrable: bool
    """A client that is registered at run time may have it."""
    document_clients: bool
    """A client that publishes its own metadata may have it."""
    fapi: bool
    """The FAPI 2.0 Security Profile allows it (§5.3.2.1)."""
    offered: Callable[[IdentitySettings], bool] = always
    """Whether it can succeed with these settings."""
