"""The counts of a worker, for the control process on this machine."""

from __future__ import annotations

from collections.abc import MutableMapping
from typing import Any

import orjson

from kapi.front.web.http.draining import App, Receive, Send
from kapi.identity.figures import PATH, ProviderFigures


def with_figures(app: App, figures: ProviderFigures) -> App:
    """The application, with a path for its counts."""

    async def counted(
        scope: MutableMapping[str, Any], receive: Receive, send: Send
    ) -> None:
        if scope.get("path") != PATH:
            await app(scope, receive, send)
            return
        headers = [(b"content-type", b"application/json")]
        await send({"type": "http.response.start", "status": 200, "headers": headers})
        await send({"type": "http.response.body", "body": orjson.dumps(figures.rows())})

    return counted
