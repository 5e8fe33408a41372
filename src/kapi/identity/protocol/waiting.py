"""What callers make the provider keep before any person has said yes: pushed requests, device codes, CIBA requests, DPoP proofs.

Bounded, so that nobody fills the store. Whoever authenticates as a client has a number of them; public clients, and those that only
publish their metadata, are whoever says so, and share the number of the address they call from.
"""

from __future__ import annotations

from kapi.errors import OAuthError
from kapi.identity.clients.clients import Client
from kapi.identity.protocol.http import Credentials
from kapi.identity.provider import Provider
from kapi.store.records import Record

MOST = 1000
"""Unused ones of a kind that one client, or one address, has at a time."""
MOST_OF_ALL = 10_000
"""Unused ones of a kind, whoever has them: of more, those that end first go."""
MOST_PROOFS = 10_000
"""DPoP proofs that are remembered for one address. None is forgotten early: it could be used again."""


def keep_waiting(
    provider: Provider,
    client: Client,
    credentials: Credentials,
    kind: str,
    record: Record,
    now: int,
) -> None:
    """Keep a record until it is used or ends. Raises OAuthError, 429 with Retry-After, when the caller has too many that wait."""
    holder = (
        f"address {credentials.network}" if _is_anybody(provider, client) else f"client {client.id}"
    )
    if seconds := provider.records.admit(
        kind, record, now, holder=holder, most=MOST, of_all=MOST_OF_ALL
    ):
        raise _too_many("Too many requests of this client or this address wait to be used", seconds)


def is_used_proof(
    provider: Provider,
    client: Client | None,
    credentials: Credentials,
    kind: str,
    proof: Record,
    now: int,
) -> bool:
    """Remember a DPoP proof; True when it was remembered before. None for `client` says that an access token vouches for the caller.

    Raises OAuthError, 429 with Retry-After, when the caller proves nothing else and has sent too many.
    """
    if client is None or not _is_anybody(provider, client):
        return not provider.records.add(kind, proof, now)
    holder = f"address {credentials.network}"
    if seconds := provider.records.full(kind, holder, now, MOST_PROOFS):
        raise _too_many("Too many DPoP proofs from this address", seconds)
    return not provider.records.add(kind, proof, now, holder)


def _is_anybody(provider: Provider, client: Client) -> bool:
    """Whether the client's id proves nothing: it has no credentials, or whoever called brought them along (a metadata document)."""
    return client.is_public or provider.clients.get(client.id) is None


def _too_many(detail: str, seconds: int) -> OAuthError:
    detail = f"{detail}; try again in {seconds} seconds"
    return OAuthError(
        "temporarily_unavailable", detail, status=429, headers=(("retry-after", str(seconds)),)
    )
