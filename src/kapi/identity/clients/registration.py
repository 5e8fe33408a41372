"""Registers clients at run time (RFC 7591, RFC 7592).

Called by the registration endpoints, and by the system API of clients. The secrets of a client are
returned once.
"""

from __future__ import annotations

import dataclasses
import hashlib
import hmac
from collections.abc import Callable, Mapping
from dataclasses import field
from typing import Any

from kapi.dataclass import dataclass
from kapi.identity.clients.metadata import Policy, RegistrationError, checked_metadata
from kapi.identity.clients.remote_documents import RemoteDocuments
from kapi.identity.clients.sectors import sector_mistake
from kapi.jose import base64url
from kapi.store.records import key_of
from kapi.store.registered_clients import RegisteredClient, RegisteredClients

_NOT_SENT = frozenset(
    {
        "registration_access_token",
        "registration_client_uri",
        "client_secret_expires_at",
        "client_id_issued_at",
    }
)


@dataclass(frozen=True, slots=True)
class Registration:
    """A stored client and its new secrets; empty without a new one."""

    client: RegisteredClient
    secret: str = field(default="", repr=False)
    token: str = field(default="", repr=False)


def register(
    store: RegisteredClients,
    sent: Any,
    policy: Policy,
    *,
    documents: RemoteDocuments,
    random_bytes: Callable[[int], bytes],
    new_id: Callable[[], str],
    now: int,
) -> Registration:
    """Store a new client. Raises RegistrationError."""
    metadata = checked_metadata(sent, policy)
    check_sector(metadata["settings"], documents, now)
    token = _secret(random_bytes)
    salt, secret, digest = credentials(
        random_bytes, needed=_needs_secret(metadata, policy)
    )
    client = RegisteredClient(new_id(), metadata, salt, digest, key_of(token), now)
    store.put(client)
    return Registration(client, secret, token)


def change(
    store: RegisteredClients,
    before: RegisteredClient,
    sent: Any,
    policy: Policy,
    *,
    documents: RemoteDocuments,
    random_bytes: Callable[[int], bytes],
    now: int,
) -> Registration | None:
    """Replace the metadata of a client (RFC 7592 §2.2). Raises RegistrationError.

    The client keeps its secret, or gets one if its new method needs one. None if it was removed.
    """
    if isinstance(sent, dict):
        _check_update(before, sent)
    metadata = checked_metadata(sent, policy)
    check_sector(metadata["settings"], documents, now)
    needed = _needs_secret(metadata, policy)
    secret = ""

    def changed(current: RegisteredClient) -> RegisteredClient:
        nonlocal secret
        client, secret = with_credentials(current, random_bytes, needed=needed)
        return dataclasses.replace(client, metadata=metadata)

    client = store.change(before.id, changed)
    if client is None:
        return None
    return Registration(client, secret)


def rotate_secret(
    store: RegisteredClients,
    client_id: str,
    random_bytes: Callable[[int], bytes],
) -> Registration | None:
    """Give a client a new secret; the old one is refused. Raises RegistrationError.

    None if there is no client with this id.
    """
    salt, secret, digest = credentials(random_bytes, needed=True)

    def changed(before: RegisteredClient) -> RegisteredClient:
        if not before.secret_digest:
            raise RegistrationError(
                "invalid_client_metadata", "this client has no secret"
            )
        return dataclasses.replace(before, salt=salt, secret_digest=digest)

    client = store.change(client_id, changed)
    if client is None:
        return None
    return Registration(client, secret)


def _check_update(before: RegisteredClient, sent: Mapping[str, Any]) -> None:
    """The members that identify the client must not change (RFC 7592 §2.2)."""
    if sent.get("client_id", before.id) != before.id:
        raise RegistrationError(
            "invalid_client_metadata", "client_id is not the one of this client"
        )
    forbidden = _NOT_SENT & set(sent)
    if forbidden:
        raise RegistrationError(
            "invalid_client_metadata",
            f"{', '.join(sorted(forbidden))} must not be sent (RFC 7592 2.2)",
        )
    if "client_secret" in sent and not is_secret(before, sent["client_secret"]):
        raise RegistrationError(
            "invalid_client_metadata",
            "client_secret is not the one of this client; it cannot be chosen",
        )


def check_sector(
    settings: Mapping[str, Any], documents: RemoteDocuments, now: int
) -> None:
    """Fetch the redirect URIs of the client's sector. Raises RegistrationError."""
    uri, redirect_uris = settings["sector_identifier_uri"], settings["redirect_uris"]
    mistake = sector_mistake(
        uri, redirect_uris, lambda url: documents.fetch_new(url, now)
    )
    if mistake:
        raise RegistrationError("invalid_client_metadata", mistake)


def _needs_secret(metadata: Mapping[str, Any], policy: Policy) -> bool:
    return policy.facts.has_secret(metadata["settings"]["token_endpoint_auth_method"])


def credentials(
    random_bytes: Callable[[int], bytes], *, needed: bool
) -> tuple[bytes, str, bytes]:
    """Salt, secret and digest; empty when the client's method uses no secret."""
    if not needed:
        return b"", "", b""
    salt, secret = random_bytes(16), _secret(random_bytes)
    return salt, secret, hashlib.sha256(salt + secret.encode()).digest()


def with_credentials(
    client: RegisteredClient, random_bytes: Callable[[int], bytes], *, needed: bool
) -> tuple[RegisteredClient, str]:
    """The client with a secret if its method needs one, and the secret if it is a new one."""
    if needed == bool(client.secret_digest):
        return client, ""
    salt, secret, digest = credentials(random_bytes, needed=needed)
    return dataclasses.replace(client, salt=salt, secret_digest=digest), secret


def is_secret(client: RegisteredClient, secret: Any) -> bool:
    """Whether this is the secret of a client."""
    if not isinstance(secret, str) or not client.secret_digest:
        return False
    digest = hashlib.sha256(
        client.salt + secret.encode("utf-8", "surrogatepass")
    ).digest()
    return hmac.compare_digest(digest, client.secret_digest)


def _secret(random_bytes: Callable[[int], bytes]) -> str:
    return base64url.encode(random_bytes(32))
