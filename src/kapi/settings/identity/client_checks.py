"""Checks of an OAuth client, from the settings, a registration or a metadata document alike."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Iterator
from pathlib import Path
from typing import Any
from urllib.parse import SplitResult

from kapi.addresses import NO_URL, url_parts
from kapi.dataclass import dataclass
from kapi.settings.checks import Mistake, below
from kapi.settings.identity.clients import ClientSettings
from kapi.settings.identity.profiles import profile_mistakes

_NEVER = frozenset(
    {
        "javascript",
        "data",
        "vbscript",
        "file",
        "blob",
        "about",
        "filesystem",
        "ws",
        "wss",
        "ftp",
    }
)
"""Schemes that do not lead to a client."""
_WEB = frozenset({"http", "https"})
_LONGEST_URI = 2048
_AUTHORITY = re.compile(r"(?:[A-Za-z0-9._-]+|\[[0-9A-Fa-f:.]+\])(?::\d{1,5})?")
"""It may become part of a Content-Security-Policy: no character that separates there."""
LINKS = ("client_uri", "policy_uri", "tos_uri", "logo_uri")
"""Addresses of a client that people see."""


_NAMES = ("subject_dn", "san_dns", "san_uri", "san_ip", "san_email")
"""What a certificate may name a client by: `tls_client_auth_…` (RFC 8705 §2.1.2)."""
_PLAIN = re.compile(rf'[^\x00-\x20\x7f-\U0010ffff"<>\\^`{{|}}]{{0,{_LONGEST_URI}}}')


@dataclass(frozen=True, slots=True)
class ClientFacts:
    """What the provider's grants and authentication methods state about their clients.

    The facts are in `identity/grants` and `identity/client_authentication`; the reader of settings
    is given this value.
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
        """Whether a client with this method has a secret; without a registered method it has."""
        return not method or method in self.methods_with_secret


def unknown_names(clients: Any, facts: ClientFacts) -> Iterator[Mistake]:
    """Grants and authentication methods that the provider does not have.

    `clients` is the value of `identity.clients` as it was written; wrong types are reported
    elsewhere.
    """
    if not isinstance(clients, list | tuple):
        return
    for number, item in enumerate(clients):
        yield from below(f"[{number}]", _unknown_names_of(item, facts))


def _unknown_names_of(client: Any, facts: ClientFacts) -> Iterator[Mistake]:
    if not isinstance(client, dict):
        return
    grants = client.get("grants")
    if isinstance(grants, list | tuple):
        for place, grant in enumerate(grants):
            yield from _unknown(f".grants[{place}]", grant, facts.grants)
    method = client.get("token_endpoint_auth_method", "")
    yield from _unknown(".token_endpoint_auth_method", method, ("", *facts.methods))


def _unknown(where: str, value: Any, known: tuple[str, ...]) -> Iterator[Mistake]:
    if isinstance(value, str) and value not in known:
        yield Mistake(
            f"{value!r} is not known here", f"Known: {', '.join(known)}.", where
        )


def clients_mistakes(
    clients: tuple[ClientSettings, ...], facts: ClientFacts
) -> Iterator[Mistake]:
    """Each mistake in the clients of the settings."""
    for number, client in enumerate(clients):
        yield from below(f"[{number}]", secret_mistakes(client, facts))
        yield from below(f"[{number}]", map(Mistake, client_mistakes(client, facts)))


def secret_mistakes(client: ClientSettings, facts: ClientFacts) -> Iterator[Mistake]:
    """Each mistake of a client's secret."""
    method = client.token_endpoint_auth_method
    public_hint = 'Public clients say token_endpoint_auth_method = "none".'
    if not client.secret:
        if facts.has_secret(method):
            yield Mistake("secret (or secret_file) is missing", public_hint)
        return
    if not facts.has_secret(method):
        yield Mistake(f"a client with {method} has no secret", public_hint)
    is_short = len(client.secret.encode()) < 32
    if method == "client_secret_jwt" and is_short:
        yield Mistake(
            "client_secret_jwt needs a secret of at least 32 bytes (RFC 7518 3.2)"
        )


def client_mistakes(client: ClientSettings, facts: ClientFacts) -> Iterator[str]:
    """Each mistake of a client but those of its secret, in words."""
    method = client.token_endpoint_auth_method
    yield from _broken_rules(_RULES, client, facts)
    yield from _address_mistakes(client)
    yield from profile_mistakes(client, facts.fapi_methods, facts.grants_outside_fapi)
    for response_type in client.response_types:
        for what in _broken_rules(
            _RESPONSE_TYPE_RULES, client, response_type.split(" ")
        ):
            yield f"response type {response_type!r} {what}"
    yield from _sector_mistakes(client)
    names = [name for name in _NAMES if getattr(client, f"tls_client_auth_{name}")]
    has_one_name = len(names) == 1
    uses_name = method == "tls_client_auth"
    if uses_name != has_one_name:
        what = "needs exactly one tls_client_auth_... name (RFC 8705 2.1.2)"
        yield f"tls_client_auth, and only it, {what}"


_Rule = tuple[Callable[[ClientSettings, Any], Any], str]
"""What breaks a rule, and the message, in which `{client}` is the client."""


def _broken_rules(
    rules: Iterable[_Rule], client: ClientSettings, other: Any
) -> Iterator[str]:
    for is_broken, message in rules:
        if is_broken(client, other):
            yield message.format(client=client)


def _lacks_keys(client: ClientSettings, facts: ClientFacts) -> bool:
    has_keys = client.jwks or client.jwks_uri
    return client.token_endpoint_auth_method in facts.methods_with_keys and not has_keys


def _has_no_list_of_keys(client: ClientSettings, _facts: ClientFacts) -> bool:
    return bool(client.jwks) and not isinstance(client.jwks.get("keys"), list | tuple)


def _may_reuse_refresh_tokens(client: ClientSettings, _facts: ClientFacts) -> bool:
    is_safe = client.refresh_token_rotation or _is_bound(client)
    return client.is_public and not is_safe


def _is_bound(client: ClientSettings) -> bool:
    """Whether its tokens are always bound to a key."""
    return (
        client.dpop_bound_access_tokens
        or client.tls_client_certificate_bound_access_tokens
    )


_ROTATION = (
    "refresh_token_rotation: a public client must rotate its refresh tokens,"
    " or bind its tokens to a key (RFC 9700 2.2.2)"
)
_RULES: tuple[_Rule, ...] = (
    (
        lambda client, _facts: client.jwks and client.jwks_uri,
        "jwks and jwks_uri exclude each other",
    ),
    (
        _lacks_keys,
        "{client.token_endpoint_auth_method} needs the client's keys: jwks or jwks_uri",
    ),
    (_has_no_list_of_keys, "jwks must be a JWK Set: a table with the list keys"),
    (
        lambda client, _facts: client.jwks_uri and not _is_web(client.jwks_uri),
        "jwks_uri must be an https URL",
    ),
    (
        _may_reuse_refresh_tokens,
        _ROTATION,
    ),
)
_RESPONSE_TYPE_RULES: tuple[_Rule, ...] = (
    (
        lambda client, words: "id_token" in words and "implicit" not in client.grants,
        "needs the grant implicit",
    ),
    (
        lambda client, words: (
            {"code"} < set(words) and "authorization_code" not in client.grants
        ),
        "needs the grant authorization_code",
    ),
    (
        lambda client, words: "token" in words and _is_bound(client),
        "cannot bind its access token to a key",
    ),
    (
        lambda client, words: client.profile and words != ["code"],
        "is forbidden: profile {client.profile} allows code only",
    ),
)
"""OpenID Connect Dynamic Client Registration §2: each response type needs its grants.

They are given the words of a response type.
"""


def _sector_mistakes(client: ClientSettings) -> Iterator[str]:
    """Redirect URIs on several hosts do not name one sector (OpenID Connect Core §8.1)."""
    uri = client.sector_identifier_uri
    if uri:
        wrong = _first_mistake(uri, (uri_mistake, link_mistake))
        yield from _told("sector_identifier_uri", wrong)
        if client.sector_identifier:
            yield "sector_identifier and sector_identifier_uri exclude each other"
        return
    if client.sector_identifier or client.subject_type != "pairwise":
        return
    hosts = set()
    for item in client.redirect_uris:
        if not uri_mistake(item):
            hosts.add(url_parts(item).hostname)
    if len(hosts) > 1:
        what = "subject_type pairwise with redirect URIs on several hosts"
        yield f"{what} needs a sector_identifier_uri (OpenID Connect Core 8.1)"


def _address_mistakes(client: ClientSettings) -> Iterator[str]:
    for name, mistake_of in _ADDRESS_LISTS:
        for uri in getattr(client, name):
            yield from _told(f"{name}: {uri[:200]!r}", mistake_of(uri))
    for name, mistake_of in _ADDRESSES:
        for uri in filter(None, (getattr(client, name),)):
            yield from _told(name, mistake_of(uri))
    yield from _logout_mistakes(client)


def _told(subject: str, mistake: str) -> Iterator[str]:
    if mistake:
        yield f"{subject}: {mistake}"


def _logout_mistakes(client: ClientSettings) -> Iterator[str]:
    """OpenID Connect Front-Channel Logout 1.0 §2."""
    uri = client.frontchannel_logout_uri
    if uri and _origin(uri) not in map(_origin, client.redirect_uris):
        yield "frontchannel_logout_uri must have scheme, host and port of a redirect URI"


def link_mistake(uri: str) -> str:
    """What is wrong with an address that pages link to; empty if nothing. Fragments are allowed."""
    return _first_mistake(uri, _LINK_RULES)


def _first_mistake(uri: str, rules: Iterable[Callable[[str], str]]) -> str:
    return next(filter(None, (mistake_of(uri) for mistake_of in rules)), "")


def _image_mistake(uri: str) -> str:
    return _first_mistake(uri, (link_mistake, _must(_is_https, _HTTPS_IMAGES)))


def _logout_uri_mistake(uri: str) -> str:
    return _first_mistake(uri, (uri_mistake, _must(_is_web, _WEB_ADDRESS)))


def _must(accepts: Callable[[str], bool], mistake: str) -> Callable[[str], str]:
    """A rule for an address, with the mistake if it is not kept."""

    def mistake_of(uri: str) -> str:
        if accepts(uri):
            return ""
        return mistake

    return mistake_of


def _mistake_before_fragment(uri: str) -> str:
    return uri_mistake(uri.partition("#")[0])


def _is_printable(uri: str) -> bool:
    return uri.isascii() and uri.isprintable()


def _is_https(uri: str) -> bool:
    return uri.startswith("https://")


def _is_web(uri: str) -> bool:
    return uri.startswith(("https://", "http://"))


_WEB_ADDRESS = "it must be a web address"
_HTTPS_IMAGES = "it must be an https address: pages may not load images over http"
_LINK_RULES = (
    _must(_is_web, _WEB_ADDRESS),
    _mistake_before_fragment,
    _must(_is_printable, "it must be printable ASCII"),
)


def _origin(uri: str) -> str:
    scheme, _, rest = uri.partition("://")
    return f"{scheme}://{rest.partition('/')[0].partition('?')[0]}".lower()


def uri_mistake(uri: str) -> str:
    """What is wrong with an address that a client wants people sent to; empty if nothing."""
    parts = url_parts(uri)
    for is_broken, message in _URI_RULES:
        if is_broken(uri, parts):
            return message
    return ""


def _is_not_plain(uri: str, _parts: SplitResult) -> bool:
    return not _PLAIN.fullmatch(uri)


def _leads_to_no_client(_uri: str, parts: SplitResult) -> bool:
    if parts.scheme in _WEB:
        return not parts.hostname
    return not parts.scheme or parts.scheme in _NEVER


def _has_bad_host(_uri: str, parts: SplitResult) -> bool:
    host = parts.netloc.rpartition("@")[2]
    return parts.scheme in _WEB and not _AUTHORITY.fullmatch(host)


_URI_RULES: tuple[tuple[Callable[[str, SplitResult], bool], str], ...] = (
    (lambda uri, parts: bool(uri) and parts is NO_URL, "it is malformed"),
    (
        _is_not_plain,
        f"it must be a URI of at most {_LONGEST_URI} printable ASCII characters",
    ),
    (lambda uri, _parts: "#" in uri, "it must have no fragment (RFC 6749 3.1.2)"),
    (
        _leads_to_no_client,
        "it must be absolute, with a scheme that leads to the client",
    ),
    (_has_bad_host, "its host must be a name or an address, with or without a port"),
    (lambda _uri, parts: parts.username is not None, "it must have no user name"),
)
_ADDRESS_LISTS = (
    ("redirect_uris", uri_mistake),
    ("post_logout_redirect_uris", uri_mistake),
    # A fragment is a hash of the document (OpenID Connect Registration §2).
    ("request_uris", link_mistake),
)
_ADDRESSES = (
    ("client_uri", link_mistake),
    ("policy_uri", link_mistake),
    ("tos_uri", link_mistake),
    ("logo_uri", _image_mistake),
    ("backchannel_logout_uri", _logout_uri_mistake),
    ("frontchannel_logout_uri", _logout_uri_mistake),
)


def check_certificates(file: str) -> Iterator[Mistake]:
    """The check of `identity.client_ca_file`: a file with certificates in PEM form."""
    if file and not _has_certificates(file):
        yield Mistake(f"{file} is not a readable file with certificates in PEM form")


def _has_certificates(file: str) -> bool:
    from cryptography import x509

    try:
        return bool(x509.load_pem_x509_certificates(Path(file).read_bytes()))
    except (OSError, ValueError):
        return False
