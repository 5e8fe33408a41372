"""uvicorn's protocol with a way to reset the connection, for the fault `drop`."""

from __future__ import annotations

from typing import Any

from uvicorn.protocols.http.httptools_impl import HttpToolsProtocol

from kapi.testing.http.calls import DROP


class DroppingProtocol(HttpToolsProtocol):
    """Offers the application to drop the connection, as an ASGI extension."""

    def on_message_begin(self) -> None:
        """A request begins."""
        super().on_message_begin()
        extensions: dict[str, Any] = {DROP: self.transport.abort}
        self.scope["extensions"] = extensions
