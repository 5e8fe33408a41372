"""The provider to test against: mint, clock, faults, journal, key drills, many issuers.

For tests only: production never imports it. In this process, without a socket:

    from kapi.testing import Server

    with Server() as server:
        issuer = server.issuer()                    # fresh: own keys, clients, clock
        token = issuer.token(user="org1user")       # a right one
        old = issuer.mint("expired")                # a wrong one

`serve` has a real socket, `gateway` is a platform with the real gateway; `pytest_plugin.py` has
fixtures.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from kapi.testing.issuer import Issuer
    from kapi.testing.platforms import Gateway, echo_api, gateway
    from kapi.testing.server import Server
    from kapi.testing.sockets import serve

_PLACES = {
    "Gateway": "kapi.testing.platforms",
    "echo_api": "kapi.testing.platforms",
    "gateway": "kapi.testing.platforms",
    "Issuer": "kapi.testing.issuer",
    "Server": "kapi.testing.server",
    "serve": "kapi.testing.sockets",
}
__all__ = ["Gateway", "Issuer", "Server", "echo_api", "gateway", "serve"]


def __getattr__(name: str) -> Any:
    """Import a public name when it is used: the pytest plugin must cost nothing before."""
    if name not in _PLACES:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    from importlib import import_module

    return getattr(import_module(_PLACES[name]), name)
