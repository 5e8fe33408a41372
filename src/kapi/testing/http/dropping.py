"""uvicorn's protocol with a way to reset the connection, for the fault `drop`.

That of h11: the one of httptools loses the body of a request that offers an upgrade to HTTP/2, as
Java's client does for plain http. A server may ignore the offer (RFC 9110 §7.8).
"""

from __future__ import annotations

from collections.abc import MutableMapping
from typing import Any

from uvicorn.protocols.http.h11_impl import H11Protocol

from kapi.testing.http.calls import DROP


class DroppingProtocol(H11Protocol):
    """Offers the application to drop the connection, as an ASGI extension."""

    def __init__(self, *arguments: Any, **named: Any) -> None:
        super().__init__(*arguments, **named)
        app = self.app

        async def dropping(
            scope: MutableMapping[str, Any], receive: Any, send: Any
        ) -> None:
            scope["extensions"] = {DROP: self.transport.abort}
            await app(scope, receive, send)

        self.app = dropping
