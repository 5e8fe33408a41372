"""The step that writes the journal."""

from __future__ import annotations

from kapi.testing.http.calls import Call, Onward, Reply
from kapi.testing.powers.clock import Clock
from kapi.testing.powers.journal import (
    Journal,
    redacted,
    shown_headers,
    url_without_secrets,
    without_secrets,
)


class Recording:
    """Notes each call with its reply."""

    def __init__(self, journal: Journal, clock: Clock) -> None:
        self._journal = journal
        self._clock = clock

    async def __call__(self, call: Call, onward: Onward) -> Reply:
        """Let the call go on, and note it."""
        at = self._clock.now
        reply = await onward(call)
        self._note(call, reply, at)
        return reply

    def _note(self, call: Call, reply: Reply, at: int) -> None:
        location = reply.header("location")
        self._journal.add(
            at=at,
            endpoint=call.endpoint,
            method=call.method,
            path=call.path,
            status=reply.status,
            client=call.client,
            auth_method=call.auth_method,
            grant=call.parameters.get("grant_type", ""),
            error=_error(reply, location),
            fault=" ".join(reply.faults),
            parameters=without_secrets(dict(call.parameters)),
            headers=shown_headers(list(call.headers)),
            answer=_shown(reply),
            location=url_without_secrets(location),
        )


def _error(reply: Reply, location: str) -> str:
    if reply.members is not None and isinstance(reply.members.get("error"), str):
        return str(reply.members["error"])
    _, _, rest = location.partition("error=")
    return rest.partition("&")[0]


def _shown(reply: Reply) -> object:
    if reply.members is not None:
        return without_secrets(reply.members)
    kind = reply.header("content-type").partition(";")[0]
    if kind in {"application/jwt", "application/token-introspection+jwt"}:
        return redacted(reply.text)
    if reply.body:
        return f"{kind}, {len(reply.body)} bytes"
    return ""
