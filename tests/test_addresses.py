"""Which addresses are public, private or never fetched from, whatever the version of Python says;
what loopback and a label are.
"""

from __future__ import annotations

import ipaddress
from typing import Any

import pytest

from kapi.addresses import is_label, is_loopback, reach
from kapi.errors import Unfetched
from kapi.fetch import FetchOptions, get

PUBLIC = (
    "1.1.1.1",
    "9.255.255.255",
    "172.15.0.1",
    "172.32.0.1",
    "192.0.1.1",
    "2606:4700::1111",
    "2a00::1",
    "2002:101:101::1",
)
PRIVATE = (
    *(
        "127.0.0.1",
        "127.255.0.1",
        "10.1.2.3",
        "172.16.0.1",
        "172.31.255.255",
        "192.168.1.1",
        "100.64.0.1",
        "100.127.255.255",
    ),
    *(
        "192.0.0.1",
        "192.0.0.8",
        "192.0.0.9",
        "192.0.0.170",
        "192.0.0.255",
        "198.18.0.1",
        "192.0.2.1",
        "198.51.100.7",
        "203.0.113.9",
    ),
    *(
        "192.88.99.1",
        "::1",
        "fc00::1",
        "fd12:3456::1",
        "2001::1",
        "2001:db8::1",
        "3fff::1",
        "::ffff:127.0.0.1",
        "::ffff:10.0.0.1",
    ),
)
NEVER = (
    *(
        "0.0.0.0",
        "0.1.2.3",
        "169.254.169.254",
        "224.0.0.1",
        "239.1.1.1",
        "240.0.0.1",
        "255.255.255.255",
    ),
    *(
        "::",
        "fe80::1",
        "fec0::1",
        "ff02::1",
        "::ffff:169.254.169.254",
        "::127.0.0.1",
        "100::1",
        "4000::1",
        "5f00::1",
    ),
    # IPv4 addresses inside: 6to4 (RFC 3056) and NAT64 (RFC 6052).
    *(
        "2002:7f00:1::",
        "2002:a9fe:a9fe::1",
        "2002:a00:1::1",
        "64:ff9b::7f00:1",
        "64:ff9b::a9fe:a9fe",
        "64:ff9b:1::1",
    ),
)
CASES = [
    (text, where)
    for where, texts in (("public", PUBLIC), ("private", PRIVATE), ("never", NEVER))
    for text in texts
]


@pytest.mark.parametrize(
    ("text", "where"),
    [*CASES, ("64:ff9b::101:101", "public"), ("::ffff:1.1.1.1", "public")],
)
def test_where_an_address_is(text: str, where: str) -> None:
    assert reach(ipaddress.ip_address(text)) == where


@pytest.mark.parametrize("text", [*PRIVATE, *NEVER])
def test_a_document_is_not_fetched_from_it(text: str) -> None:
    host = f"[{text}]" if ":" in text else text
    with pytest.raises(Unfetched) as caught:
        get(f"http://{host}:9/", FetchOptions(1000, 5, allow_private=False))
    assert caught.value.code == "address"


@pytest.mark.parametrize("text", [text for text in NEVER if text != "::"])
def test_it_is_not_fetched_from_even_where_private_networks_are_allowed(
    text: str,
) -> None:
    host = f"[{text}]" if ":" in text else text
    with pytest.raises(Unfetched) as caught:
        get(f"http://{host}:9/", FetchOptions(1000, 5, allow_private=True))
    assert caught.value.code == "address"


@pytest.mark.parametrize(
    ("host", "local"),
    [
        *(
            (host, True)
            for host in (
                "127.0.0.1",
                "127.1.2.3",
                "::1",
                "0:0:0:0:0:0:0:1",
                "::ffff:127.0.0.1",
                "localhost",
                "LocalHost",
            )
        ),
        *(
            (host, False)
            for host in (
                "",
                "0.0.0.0",
                "::",
                "128.0.0.1",
                "localhost.example",
                "127.0.0.1.example",
                "2130706433",
            )
        ),
    ],
)
def test_what_loopback_is(host: str, local: bool) -> None:
    assert is_loopback(host) is local


@pytest.mark.parametrize(
    ("text", "good"),
    [
        ("a", True),
        ("a-1", True),
        ("0", True),
        ("a" * 63, True),
        ("", False),
        ("A", False),
        ("-a", False),
        ("a-", False),
        ("a" * 64, False),
        ("a.b", False),
        ("a_b", False),
        ("a\n", False),
        ("é", False),
    ],
)
def test_what_a_label_is(text: str, good: Any) -> None:
    assert is_label(text) is good
