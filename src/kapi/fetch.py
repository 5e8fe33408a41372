"""Fetches a document by URL, without server-side request forgery.

Every address a name resolves to is checked, and the connection goes to the checked address, so a
second look-up cannot change it. Size and time are capped for the whole of it, whatever the server
does. Called by the system API that generates a configuration from a URL, by the fetching of other
issuers' keys, and by the command line.
"""

from __future__ import annotations

import ipaddress
import socket
import ssl
import threading
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager, suppress
from dataclasses import field
from typing import TYPE_CHECKING, Any
from urllib.parse import SplitResult, urljoin, urlsplit

from kapi import error_codes
from kapi.addresses import is_loopback, reach
from kapi.callers import stopped_by_leaving
from kapi.dataclass import dataclass
from kapi.errors import Problem, Unfetched

if TYPE_CHECKING:
    from http.client import HTTPConnection, HTTPResponse

_MOST_REDIRECTS = 3
_PIECE = 64 * 1024
_USUAL_PORTS = {"http": 80, "https": 443}
_REDIRECTS = frozenset({301, 302, 303, 307, 308})


@dataclass(frozen=True, slots=True)
class FetchOptions:
    """How a document may be fetched."""

    max_bytes: int
    timeout: float
    """Seconds for all of it."""
    allow_private: bool
    """Whether it may be on a private or loopback address. Link-local ones are never used."""
    ca: str = ""
    """Certificates in PEM that the server is checked against; empty means the system's."""
    hosts: Mapping[str, str] = field(default_factory=dict)
    """Addresses of names: `host` or `host:port` to `address[:port]`; allowed on any network."""
    other_hosts: bool = True
    """Whether a redirect may lead to another host."""
    redirects: int = _MOST_REDIRECTS
    form: bytes = b""
    """If not empty, it is posted, and any status of 200 to 299 is a success."""


@dataclass(frozen=True, slots=True)
class Document:
    """The response: 200 with the content, or 304 without. Header names are in lower case."""

    status: int
    headers: Mapping[str, str]
    content: bytes


def fetch(
    url: str,
    *,
    max_bytes: int,
    timeout: float,
    allow_private: bool,
    redirects: int = _MOST_REDIRECTS,
) -> bytes:
    """The document's bytes. `timeout` in seconds, for all of it. At most `redirects` are followed.

    Raises Problem 406 (APK 909044) when the URL is not to be fetched, cannot be, or leads to too
    much.
    """
    try:
        return get(
            url, FetchOptions(max_bytes, timeout, allow_private, redirects=redirects)
        ).content
    except Unfetched as error:
        hint = "Check the URL, or send the document itself as the part `definition`."
        raise Problem.of(
            error_codes.INVALID_URL, detail=error.detail, hint=hint
        ) from error


def get(
    url: str, options: FetchOptions, headers: Mapping[str, str] | None = None
) -> Document:
    """The document. Raises Unfetched.

    Its code is url, address, name, connect, tls, timeout, status, size, redirect or http.
    """
    import http.client  # Most processes fetch nothing while they start.

    deadline = time.monotonic() + options.timeout
    for _ in range(options.redirects + 1):
        parts = _checked(url)
        try:
            answer = _get(parts, options, deadline, headers or {})
        except (OSError, http.client.HTTPException, ValueError) as error:
            kind, reason = _reason(error)
            if deadline <= time.monotonic():
                kind, reason = "timeout", "it took too long"
            raise Unfetched(
                kind, f"{_shown(url)} could not be fetched: {reason}"
            ) from error
        if isinstance(answer, Document):
            return answer
        target = _joined(url, answer)
        if not options.other_hosts and _origin(_checked(target)) != _origin(parts):
            raise Unfetched(
                "redirect",
                f"{_shown(url)} redirects to another host, which is not followed",
            )
        url = target
    raise Unfetched("redirect", "too many redirects")


def _checked(url: str) -> SplitResult:
    try:
        parts = urlsplit(url)
        _ = parts.port
    except ValueError as error:
        raise Unfetched("url", "the URL is malformed") from error
    has_host = parts.scheme in _USUAL_PORTS and parts.hostname
    has_user = parts.username is not None
    if not has_host or has_user or len(url) > 2048:
        raise Unfetched(
            "url",
            "the URL must be http:// or https:// with a host and without a user name",
        )
    if not url.isascii() or not url.isprintable() or " " in url:
        raise Unfetched("url", "the URL must be printable ASCII without spaces")
    return parts


def _origin(parts: SplitResult) -> tuple[str, str, int]:
    return parts.scheme, parts.hostname or "", _port(parts)


def _port(parts: SplitResult) -> int:
    return parts.port or _USUAL_PORTS.get(parts.scheme, 80)


def _joined(url: str, location: str) -> str:
    try:
        return urljoin(url, location)
    except ValueError as error:
        raise Unfetched("redirect", "it redirects to a malformed URL") from error


def _get(
    parts: SplitResult,
    options: FetchOptions,
    deadline: float,
    headers: Mapping[str, str],
) -> Document | str:
    """The answer, or where it redirects to."""
    from http.client import HTTPConnection

    host, port = parts.hostname or "", _port(parts)
    peer = socket.create_connection(
        _address(host, port, options), timeout=_left(deadline)
    )
    with closed_at(peer, deadline):
        if parts.scheme == "https":
            context = ssl.create_default_context(cadata=options.ca or None)
            peer = context.wrap_socket(peer, server_hostname=host)
        with peer:
            connection = HTTPConnection(host, port)
            connection.sock = peer
            _send(connection, parts, options, headers)
            answer = connection.getresponse()
            location = answer.getheader("Location")
            if location and answer.status in _REDIRECTS:
                return location
            if not _is_success(answer.status, options):
                raise Unfetched("status", f"{host} answered {answer.status}")
            found = {name.lower(): value for name, value in answer.getheaders()}
            content = _content(answer, peer, options.max_bytes, deadline)
            return Document(answer.status, found, content)


def _send(
    connection: HTTPConnection,
    parts: SplitResult,
    options: FetchOptions,
    headers: Mapping[str, str],
) -> None:
    host, path = parts.hostname or "", parts.path or "/"
    if ":" in host:
        host = f"[{host}]"
    if parts.port is not None:
        host = f"{host}:{parts.port}"
    if parts.query:
        path = f"{path}?{parts.query}"
    sent = {"Host": host, "Accept": "*/*", "Connection": "close", **headers}
    if options.form:
        sent["Content-Type"] = "application/x-www-form-urlencoded"
        connection.request("POST", path, options.form, headers=sent)
    else:
        connection.request("GET", path, headers=sent)


def _is_success(status: int, options: FetchOptions) -> bool:
    if options.form:
        return 200 <= status < 300
    return status in {200, 304}


def _content(
    answer: HTTPResponse,
    peer: socket.socket,
    max_bytes: int,
    deadline: float,
) -> bytes:
    content = b""
    while piece := answer.read1(_PIECE):
        content += piece
        if len(content) > max_bytes:
            raise Unfetched("size", f"the document is larger than {max_bytes} bytes")
        peer.settimeout(_left(deadline))
    _left(deadline)  # The end may be our own doing.
    if answer.length:
        raise ConnectionError("the answer ends too soon")
    return content


@contextmanager
def closed_at(peer: socket.socket, deadline: float) -> Iterator[socket.socket]:
    """A limit for the whole response: the socket's own timeout restarts with every byte.

    `deadline` is a time of `time.monotonic`.
    """
    copy = peer.dup()

    def cut() -> None:
        with suppress(OSError):  # It may be closed already.
            copy.shutdown(socket.SHUT_RDWR)

    timer = threading.Timer(_left(deadline), cut)
    timer.daemon = True
    timer.start()
    try:
        with stopped_by_leaving(cut):
            yield peer
    finally:
        timer.cancel()
        copy.close()
        peer.close()


def _address(host: str, port: int, options: FetchOptions) -> tuple[str, int]:
    """The first address of the host; all of them must be allowed."""
    mapped = _stand_in(host, port, options.hosts)
    if mapped:
        return mapped
    addresses = [
        str(entry[4][0])
        for entry in socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)
    ]
    allowed = {"public"}
    if options.allow_private:
        allowed.add("private")
    for text in addresses:
        address = ipaddress.ip_address(text.partition("%")[0])
        if reach(address) not in allowed:
            raise Unfetched(
                "address", f"{host} is at an address that is not to be fetched from"
            )
    return addresses[0], port


def is_on_this_machine(url: str, hosts: Mapping[str, str]) -> bool:
    """Whether a URL leads to a loopback address by what it says and by `hosts`.

    No name server is asked.
    """
    try:
        parts = urlsplit(url)
        host, port = parts.hostname or "", _port(parts)
    except ValueError:
        return False
    address, _ = _stand_in(host, port, hosts) or (host, port)
    return is_loopback(address)


def _stand_in(host: str, port: int, hosts: Mapping[str, str]) -> tuple[str, int] | None:
    """The address that replaces a name."""
    mapped = hosts.get(f"{host}:{port}") or hosts.get(host)
    if not mapped:
        return None
    is_bare_ipv6 = mapped.count(":") > 1 and not mapped.startswith("[")
    if is_bare_ipv6:
        mapped = f"[{mapped}]"
    parts = urlsplit(f"//{mapped}")
    return parts.hostname or "", parts.port or port


def _left(deadline: float) -> float:
    left = deadline - time.monotonic()
    if left <= 0:
        raise TimeoutError
    return left


def _reason(error: Exception) -> tuple[str, str]:
    for kind, code, words in _REASONS:
        if isinstance(error, kind):
            return code, words(error)
    return "http", f"the answer is not HTTP ({type(error).__name__})"


_REASONS: tuple[tuple[type[Exception], str, Callable[[Any], str]], ...] = (
    (TimeoutError, "timeout", lambda _: "it took too long"),
    (ssl.SSLCertVerificationError, "tls", lambda error: f"TLS: {error.verify_message}"),
    (ssl.SSLError, "tls", lambda error: f"TLS: {error.reason or 'handshake failed'}"),
    (socket.gaierror, "name", lambda _: "the name does not resolve"),
    (OSError, "connect", lambda error: error.strerror or type(error).__name__),
)
"""Kinds of errors, the first that fits; the code of `Unfetched`, and the words."""


def _shown(url: str) -> str:
    """The URL without what may be secret in it."""
    return url.partition("?")[0][:200]
