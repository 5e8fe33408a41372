"""What pages say about a client: its name, its logo, links to its home page, privacy policy and terms (RFC 7591 §2).

A logo is the only thing that a page loads from elsewhere. The browser asks for it without a referrer, so that it learns nothing of
the sign-in. A client that registered itself shows one from the host of a redirect URI only (RFC 7591 §5): to that host the person
goes on anyway, so that no third party sees who signs in where, and no client shows the logo of somebody else's host.
"""

from __future__ import annotations

from typing import Any
from urllib.parse import urlsplit

from kapi.identity.clients.clients import Client
from kapi.identity.provider import Provider
from kapi.settings.identity.client_checks import link_mistake

_LINKS = (
    ("client_uri", "Home page"),
    ("policy_uri", "Privacy policy"),
    ("tos_uri", "Terms of service"),
)


def about_client(provider: Provider, client: Client) -> dict[str, Any]:
    """Values of the templates: `client`, `links` as pairs of text and address, `logo`."""
    settings = client.settings
    links = [
        (text, uri)
        for name, text in _LINKS
        if (uri := getattr(settings, name)) and not link_mistake(uri)
    ]
    return {
        "client": settings.name or client.id,
        "links": links,
        "logo": settings.logo_uri if _may_show_logo(provider, client) else "",
    }


def _may_show_logo(provider: Provider, client: Client) -> bool:
    uri = client.settings.logo_uri
    if not uri.startswith("https://") or link_mistake(uri):
        return False
    if any(item.id == client.id for item in provider.settings.identity.clients):
        return True
    return urlsplit(uri).hostname in {
        urlsplit(known).hostname for known in client.settings.redirect_uris
    }
