"""The public keys of a client: in its metadata, or at its `jwks_uri` (RFC 7591 §2)."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from kapi.identity.clients.clients import Client
from kapi.identity.clients.remote_documents import RemoteDocuments, Unavailable, plain
from kapi.jose.jwt import MOST_KEYS, InvalidJwt
from kapi.json_reading import NotJson, read_json
from kapi.typed import of_kind


def keys_of(
    documents: RemoteDocuments, client: Client, kid: Any, now: int
) -> tuple[Mapping[str, Any], ...]:
    """The client's keys as JWKs; fetched again when none of them has this `kid`.

    Raises InvalidJwt.
    """
    if client.settings.jwks:
        return keys_in(client.settings.jwks)
    if not client.settings.jwks_uri:
        raise InvalidJwt("the client has registered no keys (jwks or jwks_uri)")
    try:
        keys = _read(documents.get(client.settings.jwks_uri, now))
        if isinstance(kid, str) and kid not in [key.get("kid") for key in keys]:
            keys = _read(documents.get(client.settings.jwks_uri, now, fresh=True))
    except Unavailable as error:
        raise InvalidJwt(
            f"the client's keys cannot be fetched: {plain(error)}"
        ) from error
    return keys


def keys_in(value: Any) -> tuple[Mapping[str, Any], ...]:
    """The keys of a JWK Set. Raises InvalidJwt."""
    if not isinstance(value, dict) or not isinstance(value.get("keys"), list | tuple):
        raise InvalidJwt("the client's keys are not a JWK Set")
    return tuple(of_kind(value["keys"][:MOST_KEYS], dict))


def _read(content: bytes) -> tuple[Mapping[str, Any], ...]:
    try:
        return keys_in(read_json(content))
    except NotJson as error:
        raise InvalidJwt("the client's keys are not JSON") from error
