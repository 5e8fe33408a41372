"""Loopback, private and public addresses, and host labels. Pure.

The networks are written down here, from the special-purpose registries of IANA (RFC 6890), because
the answers of the standard library's `ipaddress` change with its patch version.
"""

from __future__ import annotations

import ipaddress
import re
from typing import Final, Literal
from urllib.parse import SplitResult, urlsplit

IpAddress = ipaddress.IPv4Address | ipaddress.IPv6Address
Reach = Literal["public", "private", "never"]
"""Where an address is: on the internet, on a private or example network, or not reachable."""

LOOPBACK_LITERALS = ("127.0.0.1", "::1")
"""Hosts of redirect URIs of native applications, over http, any port (RFC 8252 §7.3)."""
_LABEL = re.compile(r"[a-z0-9]([a-z0-9-]{0,61}[a-z0-9])?")
_LOOPBACK = (ipaddress.ip_network("127.0.0.0/8"), ipaddress.ip_network("::1/128"))


def _networks(*texts: str) -> tuple[ipaddress.IPv4Network | ipaddress.IPv6Network, ...]:
    return tuple(map(ipaddress.ip_network, texts))


_NEVER = _networks(
    # "This network", link-local (with the metadata services of clouds), multicast, reserved.
    *("0.0.0.0/8", "169.254.0.0/16", "224.0.0.0/4", "240.0.0.0/4"),
    # Unspecified, link-local, site-local (RFC 3879), multicast.
    *("::/128", "fe80::/10", "fec0::/10", "ff00::/8"),
)
_PRIVATE = _networks(
    # Loopback, private (RFC 1918), shared (RFC 6598).
    *("127.0.0.0/8", "10.0.0.0/8", "172.16.0.0/12", "192.168.0.0/16", "100.64.0.0/10"),
    # Protocol assignments, relays of 6to4, benchmarks, documentation.
    *(
        "192.0.0.0/24",
        "192.88.99.0/24",
        "198.18.0.0/15",
        "192.0.2.0/24",
        "198.51.100.0/24",
        "203.0.113.0/24",
    ),
    # Loopback, unique local (RFC 4193), protocol assignments with Teredo, documentation (RFC 3849,
    # RFC 9637).
    *("::1/128", "fc00::/7", "2001::/23", "2001:db8::/32", "3fff::/20"),
)
_MAPPED = ipaddress.IPv6Network("::ffff:0:0/96")
_NAT64 = ipaddress.IPv6Network("64:ff9b::/96")
_SIX_TO_FOUR = ipaddress.IPv6Network("2002::/16")
_GLOBAL_UNICAST = ipaddress.IPv6Network("2000::/3")
"""All other IPv6 addresses are not assigned (RFC 4291 §2.4)."""


NO_URL: Final = urlsplit("")
"""The parts of a text that is not a URL: all are empty."""


def url_parts(text: str) -> SplitResult:
    """The parts of a URL; NO_URL if it is malformed, or its port is not a number below 65536."""
    try:
        parts = urlsplit(text)
        _ = parts.port
    except ValueError:
        return NO_URL
    return parts


def is_loopback(host: str) -> bool:
    """Whether a host is loopback: `localhost` (RFC 6761 §6.3), 127.0.0.0/8 or ::1."""
    try:
        address = _plain(ipaddress.ip_address(host))
    except ValueError:
        return host.lower() == "localhost"
    return any(address in network for network in _LOOPBACK)


def is_label(text: str) -> bool:
    """Whether it is a lower-case host label (RFC 1123 §2.1): 1 to 63 letters, digits and `-`."""
    return _LABEL.fullmatch(text) is not None


def reach(address: IpAddress) -> Reach:
    """Where an address is. An embedded IPv4 address (6to4, NAT64) must be public too."""
    address = _plain(address)
    if any(address in network for network in _NEVER):
        return "never"
    if any(address in network for network in _PRIVATE):
        return "private"
    if isinstance(address, ipaddress.IPv4Address):
        return "public"
    if address in _SIX_TO_FOUR:
        return _of_embedded(int(address) >> 80)
    if address in _NAT64:
        return _of_embedded(int(address))
    if address in _GLOBAL_UNICAST:
        return "public"
    return "never"


def _of_embedded(number: int) -> Reach:
    if reach(ipaddress.IPv4Address(number & 0xFFFFFFFF)) == "public":
        return "public"
    return "never"


def _plain(address: IpAddress) -> IpAddress:
    """An IPv4 address that is written as IPv6 (RFC 4291 §2.5.5.2) is the IPv4 address."""
    if isinstance(address, ipaddress.IPv6Address) and address in _MAPPED:
        return ipaddress.IPv4Address(int(address) & 0xFFFFFFFF)
    return address
