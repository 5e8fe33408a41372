"""The sector of a client: clients of one sector see the same pairwise subject (OpenID Connect Core §8.1, Registration §5).

Called by `subjects.py`, and wherever a client is taken that is not from the settings.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from urllib.parse import urlsplit

from kapi.identity.clients import Client
from kapi.identity.remote_documents import Unavailable
from kapi.json_reading import NotJson, read_json


def sector_of(client: Client) -> str:
    """The name of the client's sector: one that the settings give, else a host, else the client's id."""
    settings = client.settings
    first = settings.redirect_uris[0] if settings.redirect_uris else ""
    return settings.sector_identifier or _host(settings.sector_identifier_uri) or _host(first) or client.id


def sector_mistake(uri: str, redirect_uris: Sequence[str], fetch: Callable[[str], bytes]) -> str:
    """Why a client may not name this `sector_identifier_uri`; empty when it may, or names none.

    The document must be a JSON list that contains every redirect URI of the client: so the owner of its host says who belongs to it.
    """
    if not uri:
        return ""
    try:
        listed = read_json(fetch(uri))
    except Unavailable as error:
        return f"sector_identifier_uri could not be fetched: {error}"
    except NotJson as error:
        return f"sector_identifier_uri is not JSON: {error}"
    if not isinstance(listed, list) or not all(isinstance(item, str) for item in listed):
        return "sector_identifier_uri is not a JSON list of redirect URIs (OpenID Connect Registration 5)"
    missing = [item for item in redirect_uris if item not in listed]
    if missing:
        return f"sector_identifier_uri does not list the redirect URI {missing[0][:200]} (OpenID Connect Registration 5)"
    return ""


def _host(uri: str) -> str:
    return urlsplit(uri).hostname or ""
