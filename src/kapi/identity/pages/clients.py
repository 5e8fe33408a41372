"""The client on pages: name, logo, links to home page, privacy policy and terms (RFC 7591 §2).

The logo is the only external resource of a page; browsers load it without a referrer. The logo of a
client that registered itself must be on the host of a redirect URI (RFC 7591 §5): the person is
sent there anyway, so no third party learns of the sign-in, and no client shows another's logo.
"""

from __future__ import annotations

from typing import Any
from urllib.parse import urlsplit

from kapi.identity.clients.clients import Client
from kapi.settings import IdentitySettings
from kapi.settings.identity.client_checks import link_mistake

_LINKS = (
    ("client_uri", "Home page"),
    ("policy_uri", "Privacy policy"),
    ("tos_uri", "Terms of service"),
)


def about_client(identity: IdentitySettings, client: Client) -> dict[str, Any]:
    """Values of the templates: `client`, `links` as pairs of text and address, `logo`."""
    settings = client.settings
    links = []
    for name, text in _LINKS:
        uri = getattr(settings, name)
        if uri and not link_mistake(uri):
            links.append((text, uri))
    logo = ""
    if _may_show_logo(identity, client):
        logo = settings.logo_uri
    return {"client": client.title, "links": links, "logo": logo}


def _may_show_logo(identity: IdentitySettings, client: Client) -> bool:
    uri = client.settings.logo_uri
    if not uri.startswith("https://") or link_mistake(uri):
        return False
    if any(item.id == client.id for item in identity.clients):
        return True
    hosts = {urlsplit(known).hostname for known in client.settings.redirect_uris}
    return urlsplit(uri).hostname in hosts
