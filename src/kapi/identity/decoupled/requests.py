"""Authorization on another device than the client's: device codes (RFC 8628), CIBA in poll mode.

The client polls with a secret; the person decides on another device. A request is one record;
decision and redemption are single transactions, so that one of parallel uses succeeds.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Callable, Mapping
from dataclasses import field
from typing import Any

from kapi.dataclass import dataclass
from kapi.errors import OAuthError
from kapi.identity.clients.clients import Client, Clients
from kapi.identity.people.authorized import authorization_of
from kapi.identity.protocol.http import Request
from kapi.identity.protocol.waiting import keep_waiting, quota_holder
from kapi.identity.tokens.issuance import Issuance, TokenRequest
from kapi.identity.tokens.person_tokens import PersonTokens, first_tokens, narrowed
from kapi.identity.tokens.still_allowed import still_allowed
from kapi.settings.values import built
from kapi.store.records import Record, Records, key_of

PENDING, ALLOWED, DENIED = "pending", "allowed", "denied"
SLOWER_BY = 5
"""Seconds that each early poll adds to the interval (RFC 8628 §3.5)."""
_KEPT = 600
"""Seconds that an expired request is kept, so that the client gets `expired_token`."""


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
    """The family of its tokens; set when it is allowed."""
    authorization: dict[str, Any] = field(default_factory=dict)
    """The payload of the Authorization, when it is allowed."""
    user: str = ""
    """The person who is asked (CIBA): the subject of an account."""
    message: str = ""
    """The binding message (CIBA §7.1)."""
    confirmation: dict[str, str] = field(default_factory=dict)
    """The key that the client proved with the request; its tokens are bound to it."""

    def is_open(self, now: int) -> bool:
        """Whether the person may still decide."""
        return self.state == PENDING and self.expires_at > now


@dataclass(frozen=True, slots=True)
class DecoupledRequests:
    """The values that storing and deciding requests needs."""

    records: Records
    clients: Clients
    new_id: Callable[[], str]


def ask(
    requests: DecoupledRequests,
    client: Client,
    request: Request,
    kind: str,
    secret: str,
    pending: Pending,
    owner: str,
) -> None:
    """Store a request, found by `owner` with `Records.family`.

    Raises OAuthError when the caller's quota is used up.
    """
    record = Record(
        key_of(secret), owner, dataclasses.asdict(pending), pending.expires_at + _KEPT
    )
    holder = quota_holder(requests.clients, client, request.credentials)
    keep_waiting(requests.records, holder, kind, record, request.now)


def pending_of(record: Record) -> Pending:
    """The request of a record."""
    made: Pending = built(Pending, dict(record.payload))
    return made


def decide(
    requests: DecoupledRequests,
    kind: str,
    key: str,
    now: int,
    authorization: Mapping[str, Any] | None,
) -> bool:
    """Store the decision; None denies. False when it was decided before or has expired."""
    decided = False

    def change(record: Record) -> Mapping[str, Any] | None:
        nonlocal decided
        pending = pending_of(record)
        if not pending.is_open(now):
            return None
        decided = True
        if authorization is None:
            return {**record.payload, "state": DENIED}
        return {
            **record.payload,
            "state": ALLOWED,
            "authorization": dict(authorization),
            "family": requests.new_id(),
        }

    requests.records.update(kind, key, now, change)
    return decided


def redeem(
    tokens: PersonTokens, kind: str, secret: str, request: TokenRequest
) -> Issuance:
    """The tokens of an allowed request, once.

    Raises OAuthError authorization_pending, slow_down, access_denied, expired_token, invalid_grant.
    """
    client, now = request.client, request.now
    record = _polled(tokens.records, kind, secret, client, now)
    pending = pending_of(record)
    if record.consumed_at is not None:
        tokens.revoke(pending.family, now, "a code was used twice")
        raise OAuthError(
            "invalid_grant", "This was used before; what it issued is revoked"
        )
    if pending.confirmation and pending.confirmation != dict(
        request.confirmation.members
    ):
        raise OAuthError(
            "invalid_grant", "This was asked for with another key (RFC 9449 10)"
        )
    allowed = dataclasses.replace(
        authorization_of(pending.authorization), grant=request.form.need("grant_type")
    )
    authorization = still_allowed(client, allowed)
    issued_as = narrowed(authorization, request)
    return first_tokens(
        tokens,
        client,
        authorization,
        now,
        family=pending.family,
        source=(kind, record.key),
        issued_as=issued_as,
    )


def _polled(
    records: Records, kind: str, secret: str, client: Client, now: int
) -> Record:
    """The allowed request of this client; counts the poll."""
    too_soon = False

    def change(record: Record) -> Mapping[str, Any] | None:
        nonlocal too_soon
        pending = pending_of(record)
        if pending.client_id != client.id or pending.state != PENDING:
            return None
        too_soon = now - pending.polled_at < pending.interval
        interval = pending.interval + SLOWER_BY * too_soon
        return {**record.payload, "polled_at": now, "interval": interval}

    record = records.update(kind, key_of(secret), now, change)
    if record is None or record.payload["client_id"] != client.id:
        raise OAuthError(
            "invalid_grant", "The code is unknown, or was issued to another client"
        )
    pending = pending_of(record)
    if pending.expires_at <= now:
        raise OAuthError(
            "expired_token", "The person did not decide in time; begin again"
        )
    if pending.state == DENIED:
        raise OAuthError("access_denied", "The person did not allow it")
    if pending.state == PENDING:
        if too_soon:
            raise OAuthError(
                "slow_down", f"Wait {pending.interval} seconds between polls"
            )
        raise OAuthError("authorization_pending", "The person has not decided yet")
    return record
