"""Tells the audit log of clients that did not prove who they are."""

from __future__ import annotations

from collections.abc import Sequence

from kapi.audit import Record
from kapi.errors import OAuthError
from kapi.front.web.http.addresses import address_of
from kapi.store.audit import FAILURE, Event


def tell_failure(
    record: Record, error: OAuthError, headers: Sequence[tuple[bytes, bytes]]
) -> None:
    """Record the error if a client was not authenticated; without waiting for the store."""
    if error.error != "invalid_client":
        return
    record(
        Event(
            "client.authenticate",
            FAILURE,
            detail=error.detail,
            client=error.client,
            address=address_of(headers),
        )
    )
