"""Limits for records that callers create without a person: pushed requests, device codes, proofs.

An authenticated client has a quota of its own. The id of a public client, or of one that publishes
its metadata, proves nothing, so these share one quota per network address.
"""

from __future__ import annotations

from kapi.errors import OAuthError
from kapi.identity.clients.clients import Client, Clients
from kapi.identity.protocol.http import Credentials
from kapi.store.records import Record, Records

MOST = 1000
"""Unused records of a kind per client, or per address."""
MOST_OF_ALL = 10_000
"""Unused records of a kind in total: beyond it, those that expire first are deleted."""
MOST_PROOFS = 10_000
"""DPoP proofs per address. None is deleted before it expires: it could be used again."""


def quota_holder(clients: Clients, client: Client, credentials: Credentials) -> str:
    """The holder of the quota of a client's records: the client, or its address."""
    return unproven_address(clients, client, credentials) or f"client {client.id}"


def unproven_address(
    clients: Clients, client: Client | None, credentials: Credentials
) -> str:
    """The address of a caller whose client id proves nothing; "" for any other caller.

    That is a public client, or one with a metadata document. `client` is None with an access token.
    """
    if client is None or not (client.is_public or clients.get(client.id) is None):
        return ""
    return f"address {credentials.network}"


def keep_waiting(
    records: Records, holder: str, kind: str, record: Record, now: int
) -> None:
    """Keep a record until it is used or expires.

    Raises OAuthError, 429 with Retry-After, when the quota of `holder` is used up.
    """
    seconds = records.admit(
        kind, record, now, holder=holder, most=MOST, of_all=MOST_OF_ALL
    )
    if seconds:
        raise _too_many(
            "Too many requests of this client or this address are waiting", seconds
        )


def is_used_proof(
    records: Records, address: str, kind: str, proof: Record, now: int
) -> bool:
    """Store a DPoP proof; True when it was stored before.

    `address` is that of an unproven caller, or "". Raises OAuthError, 429 with Retry-After, when
    its quota is used up.
    """
    if not address:
        return not records.add(kind, proof, now)
    seconds = records.full(kind, address, now, MOST_PROOFS)
    if seconds:
        raise _too_many("Too many DPoP proofs from this address", seconds)
    return not records.add(kind, proof, now, address)


def _too_many(detail: str, seconds: int) -> OAuthError:
    detail = f"{detail}; try again in {seconds} seconds"
    return OAuthError(
        "temporarily_unavailable",
        detail,
        status=429,
        headers=(("retry-after", str(seconds)),),
    )
