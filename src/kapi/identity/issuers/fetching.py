"""Fetches the keys of an issuer: its discovery document if needed, then its JWKS.

OpenID Connect Discovery §4, RFC 8414 §3. Capped in size and time, over verified https, without
redirects to other hosts. Called by the thread that follows an issuer.
"""

from __future__ import annotations

import dataclasses
import re
from collections.abc import Callable, Mapping
from urllib.parse import urlsplit

from kapi.dataclass import dataclass
from kapi.errors import Unfetched
from kapi.fetch import Document, FetchOptions, is_on_this_machine
from kapi.identity.issuers.declaration import Issuer
from kapi.json_reading import NotJson, read_object

LARGEST_DOCUMENT = 512 * 1024
SECONDS = 10.0
"""For discovery and JWKS, each."""
_LONGEST_AGE = 24 * 3600
_MAX_AGE = re.compile(r"(?:^|[,\s])max-age\s*=\s*\"?(\d{1,9})")

Get = Callable[[str, FetchOptions, Mapping[str, str]], Document]
"""`kapi.fetch.get`, or a test's replacement of the network."""


@dataclass(frozen=True, slots=True)
class Fetched:
    """A JWKS document; `content` is None when it has not changed since the entity tag was given."""

    content: bytes | None
    jwks_uri: str
    etag: str
    max_age: int | None
    """Seconds its server lets it be kept; None when it does not say."""


def fetch_keys(
    issuer: Issuer, get: Get, options: FetchOptions, etag: str = "", known_uri: str = ""
) -> Fetched:
    """The issuer's current keys. `etag` is that of `known_uri`. Raises Unfetched."""
    options = dataclasses.replace(options, ca=issuer.ca, other_hosts=False)
    uri = issuer.jwks_uri or discovered(issuer, get, options)
    headers = {"Accept": "application/jwk-set+json, application/json"}
    if etag and uri == known_uri:
        headers["If-None-Match"] = etag
    document = get(uri, options, headers)
    tag, age = _entity_tag(document), max_age(document.headers)
    if document.status != 304:
        return Fetched(document.content, uri, tag, age)
    if "If-None-Match" not in headers:
        raise Unfetched(
            "status",
            "the JWKS address answered 304 without being asked whether it changed",
        )
    return Fetched(None, uri, tag or etag, age)


def _entity_tag(document: Document) -> str:
    """Its ETag (RFC 9110 §8.8.3), or an empty text for one that cannot be sent back."""
    tag = document.headers.get("etag", "")
    if len(tag) <= 256 and tag.isascii() and tag.isprintable():
        return tag
    return ""


def discovered(issuer: Issuer, get: Get, options: FetchOptions) -> str:
    """The JWKS address that the discovery document names. Raises Unfetched."""
    document = get(issuer.discovery, options, {"Accept": "application/json"})
    try:
        value = read_object(document.content)
    except NotJson as error:
        raise Unfetched(
            "discovery", f"{issuer.discovery} is not a JSON object: {error}"
        ) from error
    if value.get("issuer") != issuer.issuer:
        shown = repr(value.get("issuer"))[:200]
        # OpenID Connect Discovery §4.3, RFC 8414 §3.3: it MUST be the same, or one issuer could
        # speak for another.
        raise Unfetched(
            "issuer",
            f"{issuer.discovery} says the issuer is {shown}, not {issuer.issuer!r}",
        )
    uri = value.get("jwks_uri")
    if not isinstance(uri, str) or not _may_follow(
        uri, issuer.discovery, options.hosts
    ):
        raise Unfetched("discovery", f"{issuer.discovery} names no usable jwks_uri")
    return uri


def max_age(headers: Mapping[str, str]) -> int | None:
    """What Cache-Control allows (RFC 9111 §5.2.2), in seconds."""
    control = headers.get("cache-control", "").lower()
    if "no-cache" in control or "no-store" in control:
        return 0
    found = _MAX_AGE.search(control)
    if found:
        return min(int(found[1]), _LONGEST_AGE)
    return None


def _may_follow(uri: str, discovery: str, hosts: Mapping[str, str]) -> bool:
    """A document got over https must not lead to one got without.

    One got on this machine over http must not lead off it over http.
    """
    try:
        scheme = urlsplit(uri).scheme
    except ValueError:
        return False
    if scheme == "https":
        return True
    both_plain = scheme == "http" == urlsplit(discovery).scheme
    return both_plain and is_on_this_machine(uri, hosts)
