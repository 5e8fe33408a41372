"""The system APIs of applications and subscriptions: `/api/applications`, `/api/subscriptions`. JSON in and out. Called by `app.py`.

All need a token with the scope apk:api_create, and are about the organization of that token.
"""

from __future__ import annotations

from typing import Any

from starlette.concurrency import run_in_threadpool
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from kapi import error_codes
from kapi.errors import Problem
from kapi.front.web.http.access import Access, Row, json_answer, versioned
from kapi.front.web.http.bodies import read_json_body
from kapi.front.web.system.apis import DEPLOY_SCOPE
from kapi.gateway.applications import Applications
from kapi.store.applications import Application, ConsumerKey, Subscription


class ApplicationsApi:
    """The endpoints, bound to what they need."""

    def __init__(self, applications: Applications, access: Access) -> None:
        self._applications = applications
        self._access = access

    def routes(self) -> list[Route]:
        """The one page of paths."""
        table: tuple[Row, ...] = (
            ("GET", "/api/applications", "", self.list),
            ("POST", "/api/applications", "", self.create),
            ("DELETE", "/api/applications", "/{id}", self.remove),
            ("POST", "/api/applications", "/{id}/keys", self.add_key),
            ("DELETE", "/api/applications", "/{id}/keys/{key:path}", self.remove_key),
            ("GET", "/api/subscriptions", "", self.subscriptions),
            ("POST", "/api/subscriptions", "", self.subscribe),
            ("PATCH", "/api/subscriptions", "/{id}", self.change),
            ("DELETE", "/api/subscriptions", "/{id}", self.unsubscribe),
        )
        # `/api/applications/1.2.0` is the list of that version, not the application of that name.
        return sorted(versioned(table), key=lambda route: "{" in route.path)

    async def list(self, request: Request) -> Response:
        """The organization's applications with their keys and subscriptions."""
        found = await run_in_threadpool(self._applications.list, self._organization(request))
        return json_answer({"applications": [_shown(item) for item in found]})

    async def create(self, request: Request) -> Response:
        """`{name, tier?, id?}`; 201."""
        organization, body = (
            self._organization(request),
            await _body(request, {"name": "", "tier": "", "id": ""}),
        )
        values = (body["name"], body["tier"], body["id"])
        made = await run_in_threadpool(self._applications.create, organization, *values)
        return json_answer(_shown(made), 201)

    async def remove(self, request: Request) -> Response:
        """By id or name; 204."""
        await run_in_threadpool(
            self._applications.remove, self._organization(request), request.path_params["id"]
        )
        return Response(status_code=204)

    async def add_key(self, request: Request) -> Response:
        """`{consumerKey, type?, environment?}`; 201 with the application."""
        organization = self._organization(request)
        body = await _body(request, {"consumerKey": "", "type": "PRODUCTION", "environment": ""})
        key = ConsumerKey(body["consumerKey"], body["type"], body["environment"])
        return json_answer(
            _shown(
                await run_in_threadpool(
                    self._applications.add_key, organization, request.path_params["id"], key
                )
            ),
            201,
        )

    async def remove_key(self, request: Request) -> Response:
        """204."""
        organization, names = self._organization(request), request.path_params
        await run_in_threadpool(
            self._applications.remove_key, organization, names["id"], names["key"]
        )
        return Response(status_code=204)

    async def subscriptions(self, request: Request) -> Response:
        """The organization's subscriptions."""
        found = await run_in_threadpool(self._applications.list, self._organization(request))
        return json_answer(
            {
                "subscriptions": [
                    _subscription(one, item) for item in found for one in item.subscriptions
                ]
            }
        )

    async def subscribe(self, request: Request) -> Response:
        """`{application, api: {name, version?}, tier?, status?}`; 201."""
        organization = self._organization(request)
        body = await _body(request, {"application": "", "api": {}, "tier": "", "status": "ACTIVE"})
        api = _checked(body["api"], {"name": "", "version": ".*"}, "api.")
        wanted = Subscription("", api["name"], api["version"], body["status"], body["tier"])
        made = await run_in_threadpool(
            self._applications.subscribe, organization, body["application"], wanted
        )
        return json_answer(
            _subscription(
                made,
                await run_in_threadpool(self._applications.get, organization, body["application"]),
            ),
            201,
        )

    async def change(self, request: Request) -> Response:
        """`{status?, tier?}`; 200."""
        organization, body = (
            self._organization(request),
            await _body(request, {"status": None, "tier": None}),
        )
        made = await run_in_threadpool(
            self._applications.change,
            organization,
            request.path_params["id"],
            body["status"],
            body["tier"],
        )
        return json_answer(_subscription(made))

    async def unsubscribe(self, request: Request) -> Response:
        """204."""
        await run_in_threadpool(
            self._applications.unsubscribe, self._organization(request), request.path_params["id"]
        )
        return Response(status_code=204)

    def _organization(self, request: Request) -> str:
        return self._access.organization(self._access.principal(request, DEPLOY_SCOPE))


async def _body(request: Request, fields: dict[str, Any]) -> dict[str, Any]:
    """A JSON object with no other fields than these; `fields` holds their defaults, and by them their types."""
    value = await read_json_body(request, f"Send an object with {', '.join(fields)}.")
    return _checked(value, fields, "")


def _checked(value: Any, fields: dict[str, Any], prefix: str) -> dict[str, Any]:
    if not isinstance(value, dict):
        raise Problem.of(
            error_codes.INVALID_REQUEST,
            f"{prefix or 'the body '}must be an object",
            hint=f"Fields: {', '.join(fields)}.",
        )
    wrong = [prefix + name for name in value if name not in fields]
    wrong += [
        prefix + name
        for name, default in fields.items()
        if name in value and not isinstance(value[name], type("" if default is None else default))
    ]
    if wrong:
        raise Problem.of(
            error_codes.INVALID_REQUEST,
            f"Invalid {', '.join(wrong)[:200]}",
            hint=f"Fields: {', '.join(prefix + name for name in fields)}.",
        )
    return {**fields, **value}


def _shown(item: Application) -> dict[str, Any]:
    return {
        "id": item.id,
        "name": item.name,
        "organization": item.organization,
        "tier": item.tier,
        "source": item.source,
        "createdAt": item.created_at,
        "keys": [
            {"consumerKey": key.consumer_key, "type": key.key_type, "environment": key.environment}
            for key in item.keys
        ],
        "subscriptions": [_subscription(one) for one in item.subscriptions],
    }


def _subscription(item: Subscription, of: Application | None = None) -> dict[str, Any]:
    owner = {"application": of.name, "applicationId": of.id} if of else {}
    api = {"name": item.api_name, "version": item.api_version}
    return {
        "id": item.id,
        **owner,
        "api": api,
        "status": item.status,
        "tier": item.tier,
        "createdAt": item.created_at,
    }
