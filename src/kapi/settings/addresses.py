"""Forms of addresses in settings: host names, IP addresses, networks, URLs."""

from __future__ import annotations

import ipaddress
import re
from collections.abc import Callable
from functools import partial
from typing import Any
from urllib.parse import SplitResult, urlsplit

from kapi.addresses import is_loopback
from kapi.settings.checks import check_text

_LABEL = r"[A-Za-z0-9]([A-Za-z0-9-]{0,61}[A-Za-z0-9])?"
_HOST = re.compile(rf"(?=.{{1,253}}$){_LABEL}(\.{_LABEL})*")

check_host = check_text(_HOST.fullmatch, "{} is not a host name")
"""The check of a setting that is a host name."""


def is_address(value: str) -> bool:
    """Whether it is an IP address."""
    return _accepts(ipaddress.ip_address, value)


def is_network(value: str) -> bool:
    """Whether it is an IP network or address."""
    return _accepts(partial(ipaddress.ip_network, strict=False), value)


def _accepts(read: Callable[[str], Any], value: str) -> bool:
    try:
        read(value)
    except ValueError:
        return False
    return True


def is_issuer(value: str) -> bool:
    """Whether it can be an issuer (RFC 8414 §2); http is for loopback only."""
    parts = _url(value)
    if parts is None or not parts.hostname:
        return False
    if not _is_printable_without(value, "?#"):
        return False
    if parts.scheme == "http":
        return is_loopback(parts.hostname)
    return parts.scheme == "https"


def is_service_url(value: str) -> bool:
    """Whether it is an http or https URL without user name, query and fragment."""
    parts = _url(value)
    if parts is None or parts.scheme not in ("http", "https"):
        return False
    host = parts.hostname or ""
    if not _HOST.fullmatch(host) and not is_address(host):
        return False
    return _is_printable_without(value, "?#@ ")


def is_host_port(value: str) -> bool:
    """Whether it is a host name, with or without a port."""
    host, colon, port = value.partition(":")
    if not _HOST.fullmatch(host):
        return False
    if not colon:
        return True
    return port.isdigit() and 0 < int(port) < 65536


def is_address_port(value: str) -> bool:
    """Whether it is an IP address, with or without a port."""
    is_bare_ipv6 = value.count(":") > 1 and not value.startswith("[")
    authority = value
    if is_bare_ipv6:
        authority = f"[{value}]"
    parts = _url(f"//{authority}")
    if parts is None or parts.path or parts.port == 0:
        return False
    return is_address(parts.hostname or "")


def _url(value: str) -> SplitResult | None:
    """The parts of a URL whose port is a number; None for anything else."""
    try:
        parts = urlsplit(value)
        _ = parts.port
    except ValueError:
        return None
    return parts


def _is_printable_without(value: str, forbidden: str) -> bool:
    """Whether a text is printable ASCII and contains none of these characters."""
    return value.isascii() and value.isprintable() and not set(forbidden) & set(value)
