"""`subscriptions/listen` of revision 2026-07-28 over several servers (SEP-2575).

The first message acknowledges what the servers will tell; each message has the id of the request.
When the stream of one server ends, that of the client ends in the same way: a client that listens
again reads anew what it needs.
"""

from __future__ import annotations

from collections.abc import AsyncGenerator, Mapping, Sequence
from typing import Any, Final

from kapi.dataclass import dataclass
from kapi.gateway.mcp_changes.events import LISTS, Ended, Events, Revision, told
from kapi.gateway.mcp_changes.feed import Feed, Source, by_server, stop

SUBSCRIPTION: Final = "io.modelcontextprotocol/subscriptionId"


@dataclass(frozen=True, slots=True)
class Asked:
    """A request for a stream."""

    id: Any
    uris: Sequence[str]
    lists: Sequence[str]
    """Members of LISTS."""

    @classmethod
    def of(cls, message: Mapping[str, Any]) -> Asked:
        """What a message asks for; the admission filter has checked it."""
        wanted = message.get("params", {}).get("notifications") or {}
        lists = [name for name in LISTS if wanted.get(name) is True]
        uris = dict.fromkeys(wanted.get("resourceSubscriptions") or ())
        return cls(message.get("id"), tuple(uris), lists)


async def listen(
    asked: Asked, source: Source, revision: Revision
) -> AsyncGenerator[Mapping[str, Any] | None]:
    """The messages for the client; None where there was nothing to tell for a while."""
    events = Events()
    feeds = []
    for server, uris in by_server(asked.uris).items():
        feeds.append(Feed(server, uris, events))
    try:
        for feed in feeds:
            feed.start(source)
        yield _acknowledgement(
            asked, [uri for feed in feeds for uri in await feed.honored()]
        )
        async for message in told(events, asked.lists, revision):
            if not isinstance(message, Ended):
                yield _with_id(message, asked.id)
            elif message.gracefully:
                yield _end(asked.id)
                return
            else:
                return
    finally:
        stop(feeds)


def _acknowledgement(asked: Asked, honored: Sequence[str]) -> Mapping[str, Any]:
    notifications: dict[str, Any] = dict.fromkeys(asked.lists, True)
    if honored:
        notifications["resourceSubscriptions"] = honored
    method = "notifications/subscriptions/acknowledged"
    message = {
        "jsonrpc": "2.0",
        "method": method,
        "params": {"notifications": notifications},
    }
    return _with_id(message, asked.id) or {}


def _with_id(
    message: Mapping[str, Any] | None, subscription: Any
) -> Mapping[str, Any] | None:
    if message is None:
        return None
    return {
        **message,
        "params": {**message.get("params", {}), "_meta": _meta(subscription)},
    }


def _end(subscription: Any) -> Mapping[str, Any]:
    result = {"resultType": "complete", "_meta": _meta(subscription)}
    return {"jsonrpc": "2.0", "id": subscription, "result": result}


def _meta(subscription: Any) -> Mapping[str, Any]:
    return {SUBSCRIPTION: subscription}
