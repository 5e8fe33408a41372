"""Client ID metadata documents (draft-ietf-oauth-client-id-metadata-document): a client whose id is the https address of its metadata.

Nobody registers it; the document is fetched, checked like a registration, and kept for a few minutes. Called by `Provider.client`.
"""

from __future__ import annotations

import posixpath
from functools import lru_cache
from urllib.parse import urlsplit

from kapi.errors import OAuthError
from kapi.identity.clients.clients import Client
from kapi.identity.clients.registration import Policy, checked_metadata
from kapi.identity.clients.remote_documents import Busy, RemoteDocuments, Unavailable
from kapi.identity.clients.sectors import sector_mistake
from kapi.json_reading import NotJson, read_object
from kapi.settings import ClientSettings
from kapi.settings.values import built

_LONGEST = 512


def is_document_id(client_id: str) -> bool:
    """Whether a client id has the form of such an address: a path, no dot segments, no fragment, no user name."""
    if (
        not client_id.startswith(("https://", "http://"))
        or len(client_id) > _LONGEST
        or not client_id.isascii()
        or not client_id.isprintable()
    ):
        return False
    try:
        parts = urlsplit(client_id)
        _ = parts.port
    except ValueError:
        return False
    # Dot segments would let two ids name one document.
    plain = (
        posixpath.normpath(parts.path) == (parts.path.rstrip("/") or "/") and "//" not in parts.path
    )
    return (
        bool(parts.hostname)
        and parts.path not in {"", "/"}
        and plain
        and parts.username is None
        and not {"#", " ", "\\"} & set(client_id)
    )


def document_client(
    documents: RemoteDocuments, client_id: str, policy: Policy, now: int
) -> Client | None:
    """The client that the document describes; None when there is none or it is not good. Raises OAuthError with the reason."""
    if not is_document_id(client_id):
        return None
    try:
        client = _client(client_id, documents.get(client_id, now), policy)
        uri, redirect_uris = client.settings.sector_identifier_uri, client.settings.redirect_uris
        if mistake := sector_mistake(uri, redirect_uris, lambda url: documents.get(url, now)):
            raise OAuthError("invalid_client", f"The client metadata document: {mistake}")
        return client
    except Busy as error:
        raise OAuthError(
            "temporarily_unavailable", str(error), status=503, headers=(("retry-after", "5"),)
        ) from error
    except Unavailable as error:
        plain = "".join(
            letter if 31 < ord(letter) < 127 and letter not in '"\\' else "?"
            for letter in str(error)
        )
        raise OAuthError(
            "invalid_client", f"The client metadata document cannot be had: {plain}"
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
        raise OAuthError("invalid_client", "A client metadata document must not hold a secret")
    metadata = checked_metadata({"token_endpoint_auth_method": "none"} | sent, policy)
    settings: ClientSettings = built(
        ClientSettings, {**metadata["settings"], "id": client_id, "secret": ""}
    )
    return Client(
        client_id, frozenset(settings.grants), frozenset(settings.scopes), settings, b"", b""
    )
