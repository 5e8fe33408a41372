"""What must fit together in a client, wherever it comes from: the settings, a registration, a metadata document."""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

from kapi.settings.identity import ClientSettings
from kapi.settings.profiles import profile_mistakes

_NEVER = frozenset(
    {"javascript", "data", "vbscript", "file", "blob", "about", "filesystem", "ws", "wss", "ftp"}
)
"""Schemes that do not lead to a client."""
_LONGEST_URI = 2048
_AUTHORITY = re.compile(r"(?:[A-Za-z0-9._-]+|\[[0-9A-Fa-f:.]+\])(?::\d{1,5})?")
"""It may come to stand in a Content-Security-Policy, so nothing that separates there."""
LINKS = ("client_uri", "policy_uri", "tos_uri", "logo_uri")
"""Addresses of a client that people see."""


@dataclass(frozen=True, slots=True)
class ClientFacts:
    """What the provider's grants and authentication methods say about the clients that may have them.

    They state it themselves (`identity/grants`, `identity/client_authentication`); the reader of settings is given this value.
    """

    grants: tuple[str, ...]
    confidential_grants: frozenset[str]
    """A public client may not use them."""
    grants_outside_fapi: frozenset[str]
    methods: tuple[str, ...]
    methods_with_secret: frozenset[str]
    methods_with_keys: frozenset[str]
    """They need the client's public keys."""
    fapi_methods: frozenset[str]

    def has_secret(self, method: str) -> bool:
        """Whether a client with this method has a secret; without a registered method it has one."""
        return not method or method in self.methods_with_secret


def unknown_names(clients: Any, facts: ClientFacts) -> Iterator[tuple[str, str, str]]:
    """Grants and authentication methods that the provider does not have: the setting, what is wrong, and a hint.

    `clients` is the value as it was written. What has the wrong type is reported elsewhere.
    """
    for number, item in enumerate(clients if isinstance(clients, list | tuple) else ()):
        if not isinstance(item, dict):
            continue
        where = f"identity.clients[{number}]"
        grants = item.get("grants")
        if isinstance(grants, list | tuple):
            for place, grant in enumerate(grants):
                yield from _unknown(f"{where}.grants[{place}]", grant, facts.grants)
        method = item.get("token_endpoint_auth_method", "")
        yield from _unknown(f"{where}.token_endpoint_auth_method", method, ("", *facts.methods))


def _unknown(where: str, value: Any, known: tuple[str, ...]) -> Iterator[tuple[str, str, str]]:
    if isinstance(value, str) and value not in known:
        yield where, f"{value!r} is not known here", f"Known: {', '.join(known)}."


def client_mistakes(client: ClientSettings, facts: ClientFacts) -> Iterator[str]:
    """Each thing that does not fit, in words. Secrets are looked at by the caller."""
    method = client.token_endpoint_auth_method
    if client.jwks and client.jwks_uri:
        yield "jwks and jwks_uri exclude each other"
    if method in facts.methods_with_keys and not client.jwks and not client.jwks_uri:
        yield f"{method} needs the client's keys: jwks or jwks_uri"
    if client.jwks and not isinstance(client.jwks.get("keys"), list | tuple):
        yield "jwks must be a JWK Set: a table with the list keys"
    if client.jwks_uri and not client.jwks_uri.startswith(("https://", "http://")):
        yield "jwks_uri must be an https URL"
    bound = client.dpop_bound_access_tokens or client.tls_client_certificate_bound_access_tokens
    if not client.refresh_token_rotation and method == "none" and not bound:
        yield "refresh_token_rotation: a public client must rotate its refresh tokens, or bind its tokens to a key (RFC 9700 2.2.2)"
    yield from _address_mistakes(client)
    yield from profile_mistakes(client, facts.fapi_methods, facts.grants_outside_fapi)
    yield from _response_type_mistakes(client)
    yield from _sector_mistakes(client)
    names = [
        name
        for name in ("subject_dn", "san_dns", "san_uri", "san_ip", "san_email")
        if getattr(client, f"tls_client_auth_{name}")
    ]
    if (method == "tls_client_auth") != (len(names) == 1):
        yield "tls_client_auth, and only it, needs exactly one tls_client_auth_... name (RFC 8705 2.1.2)"


def _response_type_mistakes(client: ClientSettings) -> Iterator[str]:
    """OpenID Connect Dynamic Client Registration §2: each response type needs its grants."""
    for response_type in client.response_types:
        words = response_type.split(" ")
        if "id_token" in words and "implicit" not in client.grants:
            yield f"response type {response_type!r} needs the grant implicit"
        if "code" in words and len(words) > 1 and "authorization_code" not in client.grants:
            yield f"response type {response_type!r} needs the grant authorization_code"
        bound = client.dpop_bound_access_tokens or client.tls_client_certificate_bound_access_tokens
        if "token" in words and bound:
            yield f"response type {response_type!r} cannot bind its access token to a key"
        if client.profile and response_type != "code":
            yield f"profile {client.profile} allows the response type code only"


def _sector_mistakes(client: ClientSettings) -> Iterator[str]:
    """Redirect URIs on several hosts do not name one sector (OpenID Connect Core §8.1)."""
    uri = client.sector_identifier_uri
    if uri and (wrong := uri_mistake(uri) or link_mistake(uri)):
        yield f"sector_identifier_uri: {wrong}"
    if uri and client.sector_identifier:
        yield "sector_identifier and sector_identifier_uri exclude each other"
    hosts = {urlsplit(item).hostname for item in client.redirect_uris if not uri_mistake(item)}
    named = uri or client.sector_identifier
    if client.subject_type == "pairwise" and len(hosts) > 1 and not named:
        what = "subject_type pairwise with redirect URIs on several hosts"
        yield f"{what} needs a sector_identifier_uri (OpenID Connect Core 8.1)"


def _address_mistakes(client: ClientSettings) -> Iterator[str]:
    for uri in client.redirect_uris:
        if wrong := uri_mistake(uri):
            yield f"redirect_uris: {uri[:200]!r}: {wrong}"
    for uri in client.post_logout_redirect_uris:
        if wrong := uri_mistake(uri):
            yield f"post_logout_redirect_uris: {uri[:200]!r}: {wrong}"
    for uri in client.request_uris:
        # A fragment is a hash of what is there (OpenID Connect Registration §2).
        if wrong := link_mistake(uri):
            yield f"request_uris: {uri[:200]!r}: {wrong}"
    for name in LINKS:
        uri = getattr(client, name)
        if uri and (wrong := link_mistake(uri)):
            yield f"{name}: {wrong}"
    if client.logo_uri and not client.logo_uri.startswith("https://"):
        yield "logo_uri: it must be an https address: pages may not load images over http"
    for name in ("backchannel_logout_uri", "frontchannel_logout_uri"):
        uri = getattr(client, name)
        if uri and (
            wrong := uri_mistake(uri)
            or ("" if uri.startswith(("https://", "http://")) else "it must be a web address")
        ):
            yield f"{name}: {wrong}"
    # OpenID Connect Front-Channel Logout 1.0 §2.
    if client.frontchannel_logout_uri and _origin(client.frontchannel_logout_uri) not in map(
        _origin, client.redirect_uris
    ):
        yield "frontchannel_logout_uri must have scheme, host and port of a redirect URI"


def link_mistake(uri: str) -> str:
    """What is wrong with an address of a client that pages link to, in words; empty when nothing is. It may have a fragment."""
    if not uri.startswith(("https://", "http://")):
        return "it must be a web address"
    return uri_mistake(uri.partition("#")[0]) or (
        "" if uri.isascii() and uri.isprintable() else "it must be printable ASCII"
    )


def _origin(uri: str) -> str:
    scheme, _, rest = uri.partition("://")
    return f"{scheme}://{rest.partition('/')[0].partition('?')[0]}".lower()


def uri_mistake(uri: str) -> str:
    """What is wrong with an address that a client wants people sent to, in words; empty when nothing is."""
    try:
        parts = urlsplit(uri)
        _ = parts.port
    except ValueError:
        return "it is malformed"
    if (
        not uri.isascii()
        or not uri.isprintable()
        or {" ", '"', "<", ">", "\\", "^", "`", "{", "|", "}"} & set(uri)
        or len(uri) > _LONGEST_URI
    ):
        return f"it must be a URI of at most {_LONGEST_URI} printable ASCII characters"
    if "#" in uri:
        return "it must have no fragment (RFC 6749 3.1.2)"
    if (
        not parts.scheme
        or parts.scheme in _NEVER
        or (parts.scheme in {"http", "https"} and not parts.hostname)
    ):
        return "it must be absolute, with a scheme that leads to the client"
    if parts.scheme in {"http", "https"} and not _AUTHORITY.fullmatch(
        parts.netloc.rpartition("@")[2]
    ):
        return "its host must be a name or an address, with or without a port"
    if parts.username is not None:
        return "it must have no user name"
    return ""


def has_certificates(file: str) -> bool:
    """Whether a file can be read and holds certificates in PEM form."""
    from cryptography import x509

    try:
        return bool(x509.load_pem_x509_certificates(Path(file).read_bytes()))
    except (OSError, ValueError):
        return False
