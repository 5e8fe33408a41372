"""Looks up clients: in memory, in the store, or by the metadata document that is their id."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any

from kapi.dataclass import dataclass
from kapi.identity.clients.clients import Client, Clients
from kapi.identity.clients.keys import keys_of
from kapi.identity.clients.metadata import Policy
from kapi.identity.clients.metadata_documents import document_client
from kapi.identity.clients.remote_documents import RemoteDocuments
from kapi.store.registered_clients import RegisteredClients


@dataclass(frozen=True, slots=True)
class ClientRegistry:
    """The clients of a provider, and their keys."""

    clients: Clients
    registered: RegisteredClients
    """The stored clients that were registered at run time."""
    documents: RemoteDocuments
    """Documents that clients publish."""
    document_policy: Callable[[], Policy] | None
    """The policy for metadata documents; None if the settings do not accept them."""

    def refresh(self) -> None:
        """Read the changes of the registered clients."""
        self.clients.apply(self.registered.since(self.clients.revision))

    def known_client(self, client_id: str) -> Client | None:
        """The client with this id, of the settings or registered; None without one."""
        found = self.clients.get(client_id)
        if found is None:
            self.refresh()
            found = self.clients.get(client_id)
        return found

    def client(self, client_id: str, now: int) -> Client | None:
        """The client with this id, or None; not authenticated.

        May fetch the client metadata document of the id. Raises OAuthError when that fails.
        """
        found = self.known_client(client_id)
        if found is not None or self.document_policy is None:
            return found
        return document_client(self.documents, client_id, self.document_policy(), now)

    def keys_of(
        self, client: Client, kid: Any, now: int
    ) -> Sequence[Mapping[str, Any]]:
        """The public keys of a client as JWKs, fetched again if none has this `kid`.

        Raises InvalidJwt.
        """
        return keys_of(self.documents, client, kid, now)
