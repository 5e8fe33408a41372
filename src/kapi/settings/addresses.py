"""Forms of addresses in settings: host names, IP addresses, networks, URLs."""

from __future__ import annotations

import ipaddress
import re
from collections.abc import Callable
from functools import partial
from typing import Any

from kapi.addresses import NO_URL, is_loopback, url_parts
from kapi.settings.checks import check_text

_LABEL = r"[A-Za-z0-9]([A-Za-z0-9-]{0,61}[A-Za-z0-9])?"
_HOST = re.compile(rf"(?=.{{1,253}}$){_LABEL}(\.{_LABEL})*")
_HOST_PORT = re.compile(rf"(?=[^:]{{1,253}}(:|$)){_LABEL}(\.{_LABEL})*(:[0-9]+)?")

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
    parts = url_parts(value)
    if not parts.hostname:
        return False
    if not _is_printable_without(value, "?#"):
        return False
    if parts.scheme == "http":
        return is_loopback(parts.hostname)
    return parts.scheme == "https"


def is_service_url(value: str) -> bool:
    """Whether it is an http or https URL without user name, query and fragment."""
    parts = url_parts(value)
    if parts.scheme not in ("http", "https"):
        return False
    host = parts.hostname or ""
    if not _HOST.fullmatch(host) and not is_address(host):
        return False
    return _is_printable_without(value, "?#@ ")


def is_host_port(value: str) -> bool:
    """Whether it is a host name, with or without a port."""
    parts = url_parts(f"//{value}")
    return bool(_HOST_PORT.fullmatch(value)) and parts is not NO_URL and parts.port != 0


def is_address_port(value: str) -> bool:
    """Whether it is an IP address, with or without a port."""
    if is_address(value):
        return True
    parts = url_parts(f"//{value}")
    if parts.path or parts.port == 0:
        return False
    return is_address(parts.hostname or "")


def _is_printable_without(value: str, forbidden: str) -> bool:
    """Whether a text is printable ASCII and contains none of these characters."""
    return value.isascii() and value.isprintable() and not set(forbidden) & set(value)
