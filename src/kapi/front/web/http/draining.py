"""Reads the rest of a request before it is refused.

A proxy resets the stream of a caller that is still sending when the response arrives, and the
caller may then never see the response. The rest is limited in bytes and time.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, MutableMapping
from typing import Any

MOST_BYTES = 32 * 1024 * 1024
MOST_SECONDS = 10.0

Message = MutableMapping[str, Any]
Receive = Callable[[], Awaitable[Message]]
Send = Callable[[Message], Awaitable[None]]
App = Callable[[MutableMapping[str, Any], Receive, Send], Awaitable[None]]


async def discard_body(receive: Receive) -> None:
    """Read to the end of the body, or to a limit."""
    left = MOST_BYTES
    try:
        async with asyncio.timeout(MOST_SECONDS):
            while left > 0:
                message = await receive()
                left -= len(message.get("body", b""))
                if message["type"] != "http.request" or not message.get(
                    "more_body", False
                ):
                    return
    except TimeoutError:
        return


def draining(app: App) -> App:
    """The application, with its answer held back until the request has been read."""

    async def drained(
        scope: MutableMapping[str, Any], receive: Receive, send: Send
    ) -> None:
        if scope["type"] != "http":
            await app(scope, receive, send)
            return
        ended = False

        async def watched_receive() -> Message:
            nonlocal ended
            message = await receive()
            ended = (
                ended
                or message["type"] != "http.request"
                or not message.get("more_body", False)
            )
            return message

        async def patient_send(message: Message) -> None:
            nonlocal ended
            if not ended and message["type"] == "http.response.start":
                ended = True
                await discard_body(receive)
            await send(message)

        await app(scope, watched_receive, patient_send)

    return drained
