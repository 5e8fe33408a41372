"""Limits for records that callers create without a person: pushed requests, device codes, proofs.

An authenticated client has a quota of its own. The id of a public client, or of one that publishes
its metadata, proves nothing, so these share one quota per network address.
"""

from __future__ import annotations

from kapi.errors import OAuthError
from kapi.identity.clients.clients import Client, Clients
from kapi.identity.protocol.http import Credentials
from kapi.identity.provider import Provider
from kapi.store.records import Record

MOST = 1000
"""Unused records of a kind per client, or per address."""
MOST_OF_ALL = 10_000
"""Unused records of a kind in total: beyond it, those that expire first are deleted."""
MOST_PROOFS = 10_000
"""DPoP proofs per address. None is deleted before it expires: it could be used again."""


def keep_waiting(
    provider: Provider,
    client: Client,
    credentials: Credentials,
    kind: str,
    record: Record,
    now: int,
) -> None:
    """Keep a record until it is used or expires.

    Raises OAuthError, 429 with Retry-After, when the caller's quota is used up.
    """
    holder = f"client {client.id}"
    if _is_unproven(provider.clients, client):
        holder = f"address {credentials.network}"
    if seconds := provider.records.admit(
        kind, record, now, holder=holder, most=MOST, of_all=MOST_OF_ALL
    ):
        raise _too_many("Too many requests of this client or this address are waiting", seconds)


def is_used_proof(
    provider: Provider,
    client: Client | None,
    credentials: Credentials,
    kind: str,
    proof: Record,
    now: int,
) -> bool:
    """Store a DPoP proof; True when it was stored before. `client` is None with an access token.

    Raises OAuthError, 429 with Retry-After, for a caller without other credentials whose quota is
    used up.
    """
    if client is None or not _is_unproven(provider.clients, client):
        return not provider.records.add(kind, proof, now)
    holder = f"address {credentials.network}"
    if seconds := provider.records.full(kind, holder, now, MOST_PROOFS):
        raise _too_many("Too many DPoP proofs from this address", seconds)
    return not provider.records.add(kind, proof, now, holder)


def _is_unproven(clients: Clients, client: Client) -> bool:
    """Whether the client's id proves nothing: a public client, or one with a metadata document."""
    return client.is_public or clients.get(client.id) is None


def _too_many(detail: str, seconds: int) -> OAuthError:
    detail = f"{detail}; try again in {seconds} seconds"
    return OAuthError(
        "temporarily_unavailable", detail, status=429, headers=(("retry-after", str(seconds)),)
    )
