"""Client ID metadata documents (draft-ietf-oauth-client-id-metadata-document).

The id of such a client is the https address of its metadata. The document is fetched, checked like
a registration, and kept for a few minutes. Called by `ClientRegistry.client`.
"""

from __future__ import annotations

import posixpath
import re
from functools import lru_cache

from kapi.addresses import url_parts
from kapi.errors import OAuthError
from kapi.identity.clients.clients import Client
from kapi.identity.clients.metadata import Policy, checked_metadata
from kapi.identity.clients.remote_documents import (
    Busy,
    RemoteDocuments,
    Unavailable,
    plain,
)
from kapi.identity.clients.sectors import sector_mistake
from kapi.json_reading import NotJson, read_object
from kapi.settings import ClientSettings
from kapi.settings.values import built

_LONGEST = 512
_ADDRESS = re.compile(r'https?://[!"$-\[\]-~]*')
"""Printable ASCII without a blank, a fragment or a backslash."""


def is_document_id(client_id: str) -> bool:
    """Whether a client id is such an address: a path, no dot segments, fragment or user name."""
    if len(client_id) > _LONGEST or not _ADDRESS.fullmatch(client_id):
        return False
    parts = url_parts(client_id)
    if not parts.hostname or parts.username is not None:
        return False
    return _is_normal_path(parts.path)


def _is_normal_path(path: str) -> bool:
    """Whether a path is not empty and has no dot segments, which would give a document two ids."""
    if path in {"", "/"} or "//" in path:
        return False
    return posixpath.normpath(path) == path.rstrip("/")


def document_client(
    documents: RemoteDocuments, client_id: str, policy: Policy, now: int
) -> Client | None:
    """The client of a metadata document; None for an id that is not such an address.

    Raises OAuthError with the reason when the document is refused.
    """
    if not is_document_id(client_id):
        return None
    try:
        client = _client(client_id, documents.get(client_id, now), policy)
        uri, redirect_uris = (
            client.settings.sector_identifier_uri,
            client.settings.redirect_uris,
        )
        mistake = sector_mistake(
            uri, redirect_uris, lambda url: documents.get(url, now)
        )
        if mistake:
            raise OAuthError(
                "invalid_client", f"The client metadata document: {mistake}"
            )
        return client
    except Busy as error:
        raise OAuthError(
            "temporarily_unavailable",
            str(error),
            status=503,
            headers=(("retry-after", "5"),),
        ) from error
    except Unavailable as error:
        raise OAuthError(
            "invalid_client",
            f"The client metadata document cannot be fetched: {plain(error)}",
        ) from error


@lru_cache(maxsize=500)
def _client(client_id: str, content: bytes, policy: Policy) -> Client:
    try:
        sent = read_object(content)
    except NotJson:
        sent = {}
    if sent.get("client_id") != client_id:
        raise OAuthError(
            "invalid_client",
            "The client metadata document is not JSON whose client_id is its own address",
        )
    if "client_secret" in sent or "client_secret_expires_at" in sent:
        raise OAuthError(
            "invalid_client", "A client metadata document must not contain a secret"
        )
    metadata = checked_metadata({"token_endpoint_auth_method": "none"} | sent, policy)
    settings: ClientSettings = built(
        ClientSettings, {**metadata["settings"], "id": client_id, "secret": ""}
    )
    return Client(
        client_id,
        frozenset(settings.grants),
        frozenset(settings.scopes),
        settings,
        b"",
        b"",
    )
