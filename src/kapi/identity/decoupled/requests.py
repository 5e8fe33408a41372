"""Authorization where the person is elsewhere than the client: device codes (RFC 8628), CIBA in poll mode.

The client holds a secret and polls; the person decides on another device. One record for each request; deciding and redeeming
are single transactions, so that of parallel uses one wins.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from kapi.errors import OAuthError
from kapi.identity.clients.clients import Client
from kapi.identity.protocol.http import Request
from kapi.identity.protocol.waiting import keep_waiting
from kapi.identity.provider import Provider
from kapi.identity.tokens.authorized import authorization_of
from kapi.identity.tokens.issuance import Issuance, TokenRequest
from kapi.identity.tokens.person_tokens import first_tokens, narrowed, revoke_family
from kapi.identity.tokens.still_allowed import still_allowed
from kapi.settings.values import built
from kapi.store.records import Record, key_of

PENDING, ALLOWED, DENIED = "pending", "allowed", "denied"
SLOWER_BY = 5
"""Seconds that every poll too soon adds to the interval (RFC 8628 §3.5)."""
_KEPT = 600
"""Seconds an expired request is still known, so that the client hears `expired_token`."""


@dataclass(frozen=True, slots=True)
class Pending:
    """One request. Times in seconds since the epoch."""

    client_id: str
    scope: str
    expires_at: int
    interval: int
    state: str = PENDING
    polled_at: int = 0
    family: str = ""
    """What its tokens are tied together by; set when it is allowed."""
    authorization: dict[str, Any] = field(default_factory=dict)
    """What was allowed: an Authorization's payload."""
    user: str = ""
    """Whom it is addressed to (CIBA): the subject of an account."""
    message: str = ""
    """The binding message (CIBA §7.1)."""
    confirmation: dict[str, str] = field(default_factory=dict)
    """The key that was proven when it was asked for; its tokens are bound to it."""


def ask(
    provider: Provider,
    client: Client,
    request: Request,
    kind: str,
    secret: str,
    pending: Pending,
    owner: str,
) -> None:
    """Keep a request; `owner` finds it again with `Records.family`. Raises OAuthError when too many of this caller wait."""
    record = Record(key_of(secret), owner, dataclasses.asdict(pending), pending.expires_at + _KEPT)
    keep_waiting(provider, client, request.credentials, kind, record, request.now)


def pending_of(record: Record) -> Pending:
    """The request of a record."""
    made: Pending = built(Pending, dict(record.payload))
    return made


def decide(
    provider: Provider, kind: str, key: str, now: int, authorization: Mapping[str, Any] | None
) -> bool:
    """Write down what the person decided; None denies. False when it was decided before, is too old or is unknown."""
    decided = False

    def change(record: Record) -> Mapping[str, Any] | None:
        nonlocal decided
        pending = pending_of(record)
        if pending.state != PENDING or pending.expires_at <= now:
            return None
        decided = True
        if authorization is None:
            return {**record.payload, "state": DENIED}
        return {
            **record.payload,
            "state": ALLOWED,
            "authorization": dict(authorization),
            "family": provider.new_id(),
        }

    provider.records.update(kind, key, now, change)
    return decided


def redeem(provider: Provider, kind: str, secret: str, request: TokenRequest) -> Issuance:
    """Tokens for what was allowed, once.

    Raises OAuthError: authorization_pending, slow_down, access_denied, expired_token, or invalid_grant.
    """
    client, now = request.client, request.now
    record = _polled(provider, kind, secret, client, now)
    pending = pending_of(record)
    if record.consumed_at is not None:
        revoke_family(provider, pending.family, now, "a code was used twice")
        raise OAuthError("invalid_grant", "This was used before; what it issued is revoked")
    if pending.confirmation and pending.confirmation != dict(request.confirmation.members):
        raise OAuthError("invalid_grant", "This was asked for with another key (RFC 9449 10)")
    allowed = dataclasses.replace(
        authorization_of(pending.authorization), grant=request.form.need("grant_type")
    )
    authorization = still_allowed(client, allowed)
    issued_as = narrowed(authorization, request)
    return first_tokens(
        provider,
        client,
        authorization,
        now,
        family=pending.family,
        source=(kind, record.key),
        issued_as=issued_as,
    )


def _polled(provider: Provider, kind: str, secret: str, client: Client, now: int) -> Record:
    """The allowed request of this client; counts the poll."""
    too_soon = False

    def change(record: Record) -> Mapping[str, Any] | None:
        nonlocal too_soon
        pending = pending_of(record)
        if pending.client_id != client.id or pending.state != PENDING:
            return None
        too_soon = now - pending.polled_at < pending.interval
        interval = pending.interval + SLOWER_BY if too_soon else pending.interval
        return {**record.payload, "polled_at": now, "interval": interval}

    record = provider.records.update(kind, key_of(secret), now, change)
    if record is None or record.payload["client_id"] != client.id:
        raise OAuthError("invalid_grant", "The code is unknown, or was issued to another client")
    pending = pending_of(record)
    if pending.expires_at <= now:
        raise OAuthError("expired_token", "Nobody decided in time; begin anew")
    if pending.state == DENIED:
        raise OAuthError("access_denied", "The person did not allow it")
    if pending.state == PENDING:
        if too_soon:
            raise OAuthError("slow_down", f"Wait {pending.interval} seconds between polls")
        raise OAuthError("authorization_pending", "The person has not decided yet")
    return record
