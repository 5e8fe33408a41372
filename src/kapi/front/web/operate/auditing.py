"""Records each change over the system APIs in the audit log, and each refused caller.

It is around all of them, so that a new API cannot forget it. An endpoint may name what it changed
with `about`; the parts of its path are named anyway. Nothing of a body is recorded.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, MutableMapping, Sequence
from dataclasses import replace
from functools import partial
from typing import Any, Final

from starlette.concurrency import run_in_threadpool
from starlette.requests import Request
from starlette.routing import Route

from kapi.audit import Record
from kapi.front.web.http.access import PRINCIPAL
from kapi.front.web.http.addresses import address_of
from kapi.front.web.http.draining import App, Message, Receive, Send
from kapi.front.web.http.problems import REASON
from kapi.identity.issuers.verify import Principal
from kapi.store.audit import FAILURE, SUCCESS, Event
from kapi.store.engine.database import Connection

_READS: Final = frozenset({"GET", "HEAD", "OPTIONS"})
_NAMES: Final = {
    "POST /api/deployer/apis/deploy": "api.deploy",
    "POST /api/deployer/apis/undeploy": "api.undeploy",
    "PUT /api/secrets/{name}/{key}": "secret.set",
    "DELETE /api/secrets/{name}/{key}": "secret.remove",
    "POST /api/issuers": "issuer.add",
    "PUT /api/issuers/{name}": "issuer.change",
    "PATCH /api/issuers/{name}": "issuer.change",
    "DELETE /api/issuers/{name}": "issuer.remove",
    "POST /api/users": "user.add",
    "PATCH /api/users/{username}": "user.change",
    "DELETE /api/users/{username}": "user.remove",
    "PUT /api/users/{username}/password": "user.password",
    "PUT /api/users/{username}/disabled": "user.disabled",
    "DELETE /api/sessions/{session}": "session.revoke",
    "DELETE /api/consents/{consent}": "consent.revoke",
    "POST /api/clients": "client.add",
    "PATCH /api/clients/{client_id}": "client.change",
    "DELETE /api/clients/{client_id}": "client.remove",
    "POST /api/clients/{client_id}/secret": "client.rotate_secret",
    "POST /api/api-keys": "api_key.add",
    "DELETE /api/api-keys/{id}": "api_key.revoke",
    "POST /api/applications": "application.add",
    "PATCH /api/applications/{id}": "application.change",
    "DELETE /api/applications/{id}": "application.remove",
    "POST /api/applications/{id}/keys": "application.add_key",
    "DELETE /api/applications/{id}/keys/{key:path}": "application.remove_key",
    "POST /api/subscriptions": "subscription.add",
    "PATCH /api/subscriptions/{id}": "subscription.change",
    "DELETE /api/subscriptions/{id}": "subscription.remove",
    "POST /api/apply": "apply",
    "POST /api/dump": "dump",
    "POST /api/restore": "restore",
    "POST /api/keys": "key.add",
    "POST /api/keys/rotate": "key.rotate",
    "POST /api/keys/{kid}/activate": "key.activate",
    "DELETE /api/keys/{kid}": "key.retire",
    "POST /api/notification/notify": "token.revoke",
}
EVENTS: Final = tuple(dict.fromkeys(_NAMES.values()))
"""Names of what changes over the system APIs."""
_NOT_CHANGES: Final = frozenset(
    {
        "POST /api/configurator/apis/generate-configuration",
        "POST /api/configurator/apis/generate-k8s-resources",
        "POST /api/issuers/{name}/test",
    }
)
_REFUSED: Final = "access.refused"
_TARGET, _DETAIL, _CHANGES = "audit_target", "audit_detail", "audit_changes"
_ENTRY, _WRITTEN = "audit_entry", "audit_written"

RecordWithin = Callable[[Connection, Event], Callable[[], None]]
"""`kapi.audit.Audit.record_within`."""


def about(request: Request, target: str, detail: str = "") -> None:
    """Name what a request changes, for the audit log; no secret."""
    setattr(request.state, _TARGET, target)
    setattr(request.state, _DETAIL, detail)


def changes(request: Request, made: Sequence[tuple[str, str]]) -> None:
    """Name the events of a request that makes several changes, each with its target."""
    setattr(request.state, _CHANGES, tuple(made))


class Entry:
    """The entry of a request whose work writes it in its own transaction.

    That saves a wait for the disk, and the work is never without its entry.
    """

    def __init__(
        self,
        record: RecordWithin,
        event: Callable[[], Event | None],
        state: dict[str, Any],
    ) -> None:
        """`event` returns what is known then: call `about` before."""
        self._record = record
        self._event = event
        self._state = state
        self._write: list[Callable[[], None]] = []

    def store(self, db: Connection) -> None:
        """Write it within a transaction that may still fail."""
        event = self._event()
        if event is not None:
            self._write = [self._record(db, event)]

    def stored(self) -> None:
        """Call this after the transaction. Without it, the response decides what is recorded."""
        for write in self._write:
            write()
            self._state[_WRITTEN] = True


def entry_of(request: Request) -> Entry | None:
    """The entry of a request, for work that writes it itself; None if there is no audit log."""
    found: Entry | None = getattr(request.state, _ENTRY, None)
    return found


class Auditing:
    """Around an application with these routes."""

    def __init__(
        self,
        record: Record,
        organization: str,
        routes: Sequence[Route],
        record_within: RecordWithin | None = None,
    ) -> None:
        """`organization` is the owner if a token names none.

        With `record_within`, work can write its entry in its own transaction (`entry_of`).
        """
        self._record = record
        self._record_within = record_within
        self._organization = organization
        self._paths: dict[Any, str] = {}
        for route in routes:
            self._paths.setdefault(route.endpoint, route.path)

    def around(self, app: App) -> App:
        """The application that records."""

        async def recorded(
            scope: MutableMapping[str, Any], receive: Receive, send: Send
        ) -> None:
            if not scope.get("path", "").startswith("/api/"):
                await app(scope, receive, send)
                return
            state: dict[str, Any] = {}
            scope["state"] = state
            if self._record_within:
                done = partial(self.event_of, scope, 200)
                state[_ENTRY] = Entry(self._record_within, done, state)

            async def recording_send(message: Message) -> None:
                if message["type"] == "http.response.start" and _WRITTEN not in state:
                    event = self.event_of(scope, message["status"])
                    for item in _each(event, scope["state"].get(_CHANGES)):
                        await run_in_threadpool(self._record, item)
                await send(message)

            await app(scope, receive, recording_send)

        return recorded

    def event_of(self, scope: Mapping[str, Any], status: int) -> Event | None:
        """The entry of an answered request; None for what changes nothing."""
        name = self._name(scope, status)
        if not name:
            return None
        state = scope["state"]
        outcome, detail = SUCCESS, state.get(_DETAIL, "")
        if status >= 400:
            outcome, detail = FAILURE, f"HTTP {status}"
            if reason := state.get(REASON):
                detail += f": {reason}"
        parts = "/".join(map(str, scope.get("path_params", {}).values()))
        if name == _REFUSED:
            parts = f"{scope['method']} {scope['path']}"
        event = Event(
            name,
            outcome,
            target=state.get(_TARGET) or parts,
            detail=detail,
            address=address_of(scope["headers"]),
            organization=self._organization,
        )
        principal = state.get(PRINCIPAL)
        return event if principal is None else _of(event, principal)

    def _name(self, scope: Mapping[str, Any], status: int) -> str:
        """The name of the event; empty for what is not recorded."""
        method, path = scope["method"], self._paths.get(scope.get("endpoint"), "")
        known = f"{method} {path}"
        if status in {401, 403}:
            return _NAMES.get(known, _REFUSED)
        if method in _READS or known in _NOT_CHANGES or not path:
            return ""
        return _NAMES.get(known, known)


def _each(event: Event | None, made: Sequence[tuple[str, str]] | None) -> list[Event]:
    """The entries of a request: one, or one for each of its changes. A failure has its own."""
    if event is None:
        return []
    if made is None:
        return [event]
    entries = []
    for name, target in made:
        detail = event.event if name != event.event else ""
        entry = replace(
            event, event=name, outcome=SUCCESS, target=target, detail=detail
        )
        entries.append(entry)
    if event.outcome == FAILURE:
        entries.append(event)
    return entries


def _of(event: Event, principal: Principal) -> Event:
    """The entry, with the caller."""
    return replace(
        event,
        subject=principal.subject,
        client=principal.client_id,
        issuer=principal.issuer,
        token=principal.token,
        organization=principal.organization or event.organization,
    )
