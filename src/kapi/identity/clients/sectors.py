"""The sector of a client: clients of one sector see the same pairwise subject.

OpenID Connect Core §8.1, Dynamic Client Registration §5.
Called by `subjects.py`, by registration and for client metadata documents.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from urllib.parse import urlsplit

from kapi.identity.clients.clients import Client
from kapi.identity.clients.remote_documents import Unavailable
from kapi.json_reading import NotJson, is_texts, read_json


def sector_of(client: Client) -> str:
    """The name of the client's sector: that of the settings, a host, or the client's id."""
    settings = client.settings
    if settings.sector_identifier:
        return settings.sector_identifier
    addresses = (settings.sector_identifier_uri, *settings.redirect_uris[:1])
    return next(filter(None, map(_host, addresses)), client.id)


def sector_mistake(
    uri: str, redirect_uris: Sequence[str], fetch: Callable[[str], bytes]
) -> str:
    """Why a client may not name this `sector_identifier_uri`; empty when it may, or names none.

    The document must be a JSON list of all redirect URIs of the client: the owner of its host
    decides which clients belong to it.
    """
    if not uri:
        return ""
    try:
        listed = read_json(fetch(uri))
    except Unavailable as error:
        return f"sector_identifier_uri could not be fetched: {error}"
    except NotJson as error:
        return f"sector_identifier_uri is not JSON: {error}"
    if not is_texts(listed):
        return "sector_identifier_uri is not a JSON list of redirect URIs"
    for item in redirect_uris:
        if item not in listed:
            return f"sector_identifier_uri does not list the redirect URI {item[:200]}"
    return ""


def _host(uri: str) -> str:
    return urlsplit(uri).hostname or ""
