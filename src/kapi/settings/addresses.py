"""Forms of addresses in settings: host names, IP addresses, networks, URLs. Called by `settings/reading.py`."""

from __future__ import annotations

import ipaddress
import re
from urllib.parse import urlsplit

from kapi.addresses import is_loopback

HOST = re.compile(
    r"(?=.{1,253}$)[A-Za-z0-9]([A-Za-z0-9-]{0,61}[A-Za-z0-9])?(\.[A-Za-z0-9]([A-Za-z0-9-]{0,61}[A-Za-z0-9])?)*"
)


def is_address(value: str) -> bool:
    """Whether it is an IP address."""
    try:
        ipaddress.ip_address(value)
    except ValueError:
        return False
    return True


def is_network(value: str) -> bool:
    """Whether it is an IP network or address."""
    try:
        ipaddress.ip_network(value, strict=False)
    except ValueError:
        return False
    return True


def is_issuer(value: str) -> bool:
    """Whether it can be an issuer (RFC 8414 §2); http is for loopback only."""
    try:
        parts = urlsplit(value)
        _ = parts.port
    except ValueError:
        return False
    secure = parts.scheme == "https" or (
        parts.scheme == "http" and is_loopback(parts.hostname or "")
    )
    return bool(
        secure
        and parts.hostname
        and not {"?", "#"} & set(value)
        and value.isascii()
        and value.isprintable()
    )


def is_service_url(value: str) -> bool:
    """Whether it is an http or https URL without user name, query and fragment."""
    try:
        parts = urlsplit(value)
        _ = parts.port
    except ValueError:
        return False
    plain = value.isascii() and value.isprintable() and not {"?", "#", "@", " "} & set(value)
    return (
        plain
        and parts.scheme in ("http", "https")
        and bool(HOST.fullmatch(parts.hostname or "") or is_address(parts.hostname or ""))
    )


def is_host_port(value: str) -> bool:
    """Whether it is a host name, with or without a port."""
    host, colon, port = value.partition(":")
    return bool(HOST.fullmatch(host)) and (not colon or (port.isdigit() and 0 < int(port) < 65536))


def is_address_port(value: str) -> bool:
    """Whether it is an IP address, with or without a port."""
    parts = urlsplit(
        f"//{value}" if value.count(":") < 2 or value.startswith("[") else f"//[{value}]"
    )
    try:
        return (
            bool(parts.hostname)
            and is_address(parts.hostname or "")
            and (parts.port is None or parts.port > 0)
            and not parts.path
        )
    except ValueError:
        return False
