"""The system APIs of applications and subscriptions: `/api/applications`, `/api/subscriptions`.

All need a token with the scope apk:api_create. They concern the organization of that token.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from starlette.concurrency import run_in_threadpool
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from kapi import error_codes
from kapi.front.web.http.access import Access, Row, json_answer, versioned
from kapi.front.web.http.shapes import Member, Shape, read_members
from kapi.front.web.operate.auditing import about
from kapi.front.web.system.apis import DEPLOY_SCOPE
from kapi.gateway.applications import Applications
from kapi.store.gateway.applications import Application, ConsumerKey, Subscription


def _shape(subject: str, members: Mapping[str, Member]) -> Shape:
    return Shape(subject, error_codes.INVALID_REQUEST, members)


_TEXT = Member(str, "")
_APPLICATION = _shape("application", {"name": _TEXT, "tier": _TEXT, "id": _TEXT})
_KEY = _shape(
    "application",
    {"consumerKey": _TEXT, "type": Member(str, "PRODUCTION"), "environment": _TEXT},
)
_API = Member(dict, members={"name": _TEXT, "version": Member(str, ".*")})
_SUBSCRIPTION = _shape(
    "subscription",
    {"application": _TEXT, "api": _API, "tier": _TEXT, "status": Member(str, "ACTIVE")},
)
_CHANGE = _shape("subscription", {"status": Member(str), "tier": Member(str)})


class ApplicationsApi:
    """The endpoints of this API."""

    def __init__(self, applications: Applications, access: Access) -> None:
        self._applications = applications
        self._access = access

    def routes(self) -> list[Route]:
        """The routes of this API."""
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
        return json_answer({"applications": list(map(_shown, found))})

    async def create(self, request: Request) -> Response:
        """`{name, tier?, id?}`; 201."""
        organization = self._organization(request)
        body = await read_members(request, _APPLICATION)
        values = (body["name"], body["tier"], body["id"])
        about(request, str(body["name"]))
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
        body = await read_members(request, _KEY)
        key = ConsumerKey(body["consumerKey"], body["type"], body["environment"])
        changed = await run_in_threadpool(
            self._applications.add_key, organization, request.path_params["id"], key
        )
        return json_answer(_shown(changed), 201)

    async def remove_key(self, request: Request) -> Response:
        """Remove a consumer key; 204."""
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
        body = await read_members(request, _SUBSCRIPTION)
        name, api = body["application"], body["api"]
        about(request, f"{name} to {api['name']}")
        wanted = Subscription("", api["name"], api["version"], body["status"], body["tier"])
        made = await run_in_threadpool(self._applications.subscribe, organization, name, wanted)
        owner = await run_in_threadpool(self._applications.get, organization, name)
        return json_answer(_subscription(made, owner), 201)

    async def change(self, request: Request) -> Response:
        """`{status?, tier?}`; 200."""
        organization = self._organization(request)
        body = await read_members(request, _CHANGE)
        made = await run_in_threadpool(
            self._applications.change,
            organization,
            request.path_params["id"],
            body["status"],
            body["tier"],
        )
        return json_answer(_subscription(made))

    async def unsubscribe(self, request: Request) -> Response:
        """Delete a subscription; 204."""
        await run_in_threadpool(
            self._applications.unsubscribe, self._organization(request), request.path_params["id"]
        )
        return Response(status_code=204)

    def _organization(self, request: Request) -> str:
        return self._access.organization(self._access.principal(request, DEPLOY_SCOPE))


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
        "subscriptions": list(map(_subscription, item.subscriptions)),
    }


def _subscription(item: Subscription, of: Application | None = None) -> dict[str, Any]:
    owner = {}
    if of:
        owner = {"application": of.name, "applicationId": of.id}
    api = {"name": item.api_name, "version": item.api_version}
    return {
        "id": item.id,
        **owner,
        "api": api,
        "status": item.status,
        "tier": item.tier,
        "createdAt": item.created_at,
    }
