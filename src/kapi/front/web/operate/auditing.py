"""Records each change over the system APIs in the audit log, and each refused caller.

It is around all of them, so that a new API cannot forget it. An endpoint may name what it changed
with `about`; the parts of its path are named anyway. Nothing of a body is recorded.
"""

from __future__ import annotations

from collections.abc import Mapping, MutableMapping, Sequence
from dataclasses import replace
from typing import Any, Final

from starlette.concurrency import run_in_threadpool
from starlette.datastructures import Headers
from starlette.requests import Request
from starlette.routing import Route

from kapi.audit import Record
from kapi.front.web.http.access import PRINCIPAL
from kapi.front.web.http.draining import App, Message, Receive, Send
from kapi.identity.issuers.verify import Principal
from kapi.store.audit import FAILURE, SUCCESS, Event

_READS: Final = frozenset({"GET", "HEAD", "OPTIONS"})
_NAMES: Final = {
    "POST /api/deployer/apis/deploy": "api.deploy",
    "POST /api/deployer/apis/undeploy": "api.undeploy",
    "PUT /api/secrets/{name}/{key}": "secret.set",
    "DELETE /api/secrets/{name}/{key}": "secret.remove",
    "POST /api/issuers": "issuer.add",
    "PUT /api/issuers/{name}": "issuer.change",
    "DELETE /api/issuers/{name}": "issuer.remove",
    "POST /api/users": "user.add",
    "DELETE /api/users/{username}": "user.remove",
    "PUT /api/users/{username}/password": "user.password",
    "PUT /api/users/{username}/disabled": "user.disabled",
    "POST /api/clients": "client.add",
    "DELETE /api/clients/{client_id}": "client.remove",
    "POST /api/clients/{client_id}/secret": "client.rotate_secret",
    "POST /api/api-keys": "api_key.add",
    "DELETE /api/api-keys/{id}": "api_key.revoke",
    "POST /api/applications": "application.add",
    "DELETE /api/applications/{id}": "application.remove",
    "POST /api/applications/{id}/keys": "application.add_key",
    "DELETE /api/applications/{id}/keys/{key:path}": "application.remove_key",
    "POST /api/subscriptions": "subscription.add",
    "PATCH /api/subscriptions/{id}": "subscription.change",
    "DELETE /api/subscriptions/{id}": "subscription.remove",
    "POST /api/keys": "key.add",
    "POST /api/keys/rotate": "key.rotate",
    "POST /api/keys/{kid}/activate": "key.activate",
    "DELETE /api/keys/{kid}": "key.retire",
    "POST /api/notification/notify": "token.revoke",
}
_NOT_CHANGES: Final = frozenset(
    {
        "POST /api/configurator/apis/generate-configuration",
        "POST /api/configurator/apis/generate-k8s-resources",
        "POST /api/issuers/{name}/test",
    }
)
_REFUSED: Final = "access.refused"
_TARGET, _DETAIL = "audit_target", "audit_detail"


def about(request: Request, target: str, detail: str = "") -> None:
    """Name what a request changes, for the audit log; no secret."""
    setattr(request.state, _TARGET, target)
    setattr(request.state, _DETAIL, detail)


class Auditing:
    """Around an application with these routes."""

    def __init__(self, record: Record, organization: str, routes: Sequence[Route]) -> None:
        """`organization` is the owner if a token names none."""
        self._record = record
        self._organization = organization
        self._paths: dict[Any, str] = {}
        for route in routes:
            self._paths.setdefault(route.endpoint, route.path)

    def around(self, app: App) -> App:
        """The application that records."""

        async def recorded(scope: MutableMapping[str, Any], receive: Receive, send: Send) -> None:
            if not scope.get("path", "").startswith("/api/"):
                await app(scope, receive, send)
                return
            scope["state"] = {}

            async def recording_send(message: Message) -> None:
                if message["type"] == "http.response.start":
                    event = self.event_of(scope, message["status"])
                    if event is not None:
                        await run_in_threadpool(self._record, event)
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
        parts = "/".join(map(str, scope.get("path_params", {}).values()))
        if name == _REFUSED:
            parts = f"{scope['method']} {scope['path']}"
        event = Event(
            name,
            outcome,
            target=state.get(_TARGET) or parts,
            detail=detail,
            address=_address(scope),
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


def _address(scope: Mapping[str, Any]) -> str:
    """The address of the caller, which the gateway adds as the last one."""
    found = Headers(scope=dict(scope)).get("x-forwarded-for", "")
    return found.rpartition(",")[2].strip()


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
