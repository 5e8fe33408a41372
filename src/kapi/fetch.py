"""Gets a document by URL without becoming a tool for reaching places the caller could not (server-side request forgery).

Every address a name resolves to is checked, and the connection goes to the checked address, so a second look-up cannot
change it. Called by the system API that generates a configuration from a URL, and by the command line.
"""

from __future__ import annotations

import http.client
import ipaddress
import socket
import ssl
import time
from urllib.parse import SplitResult, urljoin, urlsplit

from kapi.errors import Problem

_MOST_REDIRECTS = 3
_PIECE = 64 * 1024


def fetch(url: str, *, max_bytes: int, timeout: float, allow_private: bool, redirects: int = _MOST_REDIRECTS) -> bytes:
    """The document's bytes. `timeout` in seconds, for all of it; so many `redirects` are followed.

    Raises Problem 406 (APK 909044) when the URL is not to be fetched, cannot be, or leads to too much.
    """
    deadline = time.monotonic() + timeout
    for _ in range(redirects + 1):
        try:
            answer = _get(_checked(url), deadline, max_bytes, allow_private=allow_private)
        except (OSError, http.client.HTTPException, ValueError) as error:
            raise _refused(f"{_shown(url)} could not be fetched: {_reason(error)}") from error
        if isinstance(answer, bytes):
            return answer
        url = _joined(url, answer.location)
    raise _refused("too many redirects")


class _Redirect:
    def __init__(self, location: str) -> None:
        self.location = location


def _checked(url: str) -> SplitResult:
    try:
        parts = urlsplit(url)
        _ = parts.port
    except ValueError as error:
        raise _refused("the URL is malformed") from error
    if parts.scheme not in {"http", "https"} or not parts.hostname or parts.username is not None or len(url) > 2048:
        raise _refused("the URL must be http:// or https:// with a host and without a user name")
    if not url.isascii() or not url.isprintable() or " " in url:
        raise _refused("the URL must be printable ASCII without spaces")
    return parts


def _joined(url: str, location: str) -> str:
    try:
        return urljoin(url, location)
    except ValueError as error:
        raise _refused("it redirects to a malformed URL") from error


def _get(parts: SplitResult, deadline: float, max_bytes: int, *, allow_private: bool) -> bytes | _Redirect:
    host, port = parts.hostname or "", parts.port or (443 if parts.scheme == "https" else 80)
    peer = socket.create_connection((_address(host, port, allow_private=allow_private), port), timeout=_left(deadline))
    try:
        if parts.scheme == "https":
            peer = ssl.create_default_context().wrap_socket(peer, server_hostname=host)
        connection = http.client.HTTPConnection(host, port)
        connection.sock = peer
        connection.request(
            "GET", (parts.path or "/") + (f"?{parts.query}" if parts.query else ""), headers={"Accept": "*/*", "Connection": "close"}
        )
        answer = connection.getresponse()
        if answer.status in {301, 302, 303, 307, 308} and (location := answer.getheader("Location")):
            return _Redirect(location)
        if answer.status != http.HTTPStatus.OK:
            raise _refused(f"{host} answered {answer.status}")
        content = b""
        while piece := answer.read1(_PIECE):
            content += piece
            if len(content) > max_bytes:
                raise _refused(f"the document is larger than {max_bytes} bytes")
            peer.settimeout(_left(deadline))
        return content
    finally:
        peer.close()


def _address(host: str, port: int, *, allow_private: bool) -> str:
    """The first address of the host; all of them must be allowed."""
    addresses = [str(entry[4][0]) for entry in socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)]
    for text in addresses:
        address = ipaddress.ip_address(text.partition("%")[0])
        address = getattr(address, "ipv4_mapped", None) or address
        never = address.is_link_local or address.is_multicast or address.is_unspecified or address.is_reserved
        if never or not (address.is_global or allow_private):
            raise _refused(f"{host} is at an address that is not to be fetched from")
    return addresses[0]


def _left(deadline: float) -> float:
    left = deadline - time.monotonic()
    if left <= 0:
        raise TimeoutError
    return left


def _reason(error: Exception) -> str:
    if isinstance(error, TimeoutError):
        return "it took too long"
    if isinstance(error, ssl.SSLError):
        return f"TLS: {error.reason or 'handshake failed'}"
    return getattr(error, "strerror", None) or type(error).__name__


def _shown(url: str) -> str:
    """The URL without what may be secret in it."""
    return url.partition("?")[0][:200]


def _refused(detail: str) -> Problem:
    hint = "Check the URL, or send the document itself as the part `definition`."
    return Problem(406, "909044", "Invalid url provided for openapi definition", detail, hint)
