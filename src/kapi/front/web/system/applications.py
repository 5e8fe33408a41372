"""The system APIs of applications and subscriptions: `/api/applications`, `/api/subscriptions`.

All need a token with the scope apk:api_create. They concern the organization of that token.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

from starlette.concurrency import run_in_threadpool
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from kapi import error_codes
from kapi.errors import Problem
from kapi.front.web.http.access import Access, Row, json_answer, versioned
from kapi.front.web.http.preconditions import guarded, tag_of, tagged
from kapi.front.web.http.shapes import Member, Shape, read_members
from kapi.front.web.operate.auditing import about
from kapi.front.web.system.apis import DEPLOY_SCOPE
from kapi.front.web.system.unknown_apis import Deployed, warnings_of
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
_UPDATE = _shape("application", {"name": Member(str), "tier": Member(str)})
_CHANGE = _shape("subscription", {"status": Member(str), "tier": Member(str)})


class ApplicationsApi:
    """The endpoints of this API."""

    def __init__(
        self, applications: Applications, access: Access, deployed: Deployed
    ) -> None:
        self._applications = applications
        self._deployed = deployed
        self._access = access

    def routes(self) -> list[Route]:
        """The routes of this API."""
        table: tuple[Row, ...] = (
            ("GET", "/api/applications", "", self.list),
            ("POST", "/api/applications", "", self.create),
            ("GET", "/api/applications", "/{id}", self.show),
            ("PATCH", "/api/applications", "/{id}", self.update),
            ("DELETE", "/api/applications", "/{id}", self.remove),
            ("POST", "/api/applications", "/{id}/keys", self.add_key),
            ("DELETE", "/api/applications", "/{id}/keys/{key:path}", self.remove_key),
            ("GET", "/api/subscriptions", "", self.subscriptions),
            ("POST", "/api/subscriptions", "", self.subscribe),
            ("GET", "/api/subscriptions", "/{id}", self.show_subscription),
            ("PATCH", "/api/subscriptions", "/{id}", self.change),
            ("DELETE", "/api/subscriptions", "/{id}", self.unsubscribe),
        )
        # `/api/applications/1.2.0` is the list of that version, not the application of that name.
        return sorted(versioned(table), key=lambda route: "{" in route.path)

    async def list(self, request: Request) -> Response:
        """The organization's applications with their keys and subscriptions."""
        found = await run_in_threadpool(
            self._applications.list, self._organization(request)
        )
        return json_answer({"applications": list(map(_shown, found))})

    async def create(self, request: Request) -> Response:
        """`{name, tier?, id?}`; 201."""
        organization = self._organization(request)
        body = await read_members(request, _APPLICATION)
        values = (body["name"], body["tier"], body["id"])
        about(request, str(body["name"]))
        made = await run_in_threadpool(self._applications.create, organization, *values)
        return tagged(request, _shown(made), 201)

    async def show(self, request: Request) -> Response:
        """An application, by id or name."""
        organization, name = self._organization(request), request.path_params["id"]
        found = await run_in_threadpool(self._applications.get, organization, name)
        return tagged(request, _shown(found))

    async def update(self, request: Request) -> Response:
        """`{name?, tier?}`; 200 with the application."""
        organization = self._organization(request)
        body = await read_members(request, _UPDATE)
        wanted, members = (
            request.path_params["id"],
            {"name": body["name"], "tier": body["tier"]},
        )
        tag, update = self._tag(organization, wanted), self._applications.update
        changed = await guarded(request, tag, update, organization, wanted, **members)
        return tagged(request, _shown(changed))

    async def remove(self, request: Request) -> Response:
        """By id or name; 204."""
        organization, name = self._organization(request), request.path_params["id"]
        tag = self._tag(organization, name)
        await guarded(request, tag, self._applications.remove, organization, name)
        return Response(status_code=204)

    async def add_key(self, request: Request) -> Response:
        """`{consumerKey, type?, environment?}`; 201 with the application."""
        organization = self._organization(request)
        body = await read_members(request, _KEY)
        key = ConsumerKey(body["consumerKey"], body["type"], body["environment"])
        name = request.path_params["id"]
        tag = self._tag(organization, name)
        changed = await guarded(
            request, tag, self._applications.add_key, organization, name, key
        )
        return tagged(request, _shown(changed), 201)

    async def remove_key(self, request: Request) -> Response:
        """Remove a consumer key; 204."""
        organization, names = self._organization(request), request.path_params
        tag = self._tag(organization, names["id"])
        remove = self._applications.remove_key
        await guarded(request, tag, remove, organization, names["id"], names["key"])
        return Response(status_code=204)

    async def subscriptions(self, request: Request) -> Response:
        """The organization's subscriptions."""
        found = await run_in_threadpool(
            self._applications.list, self._organization(request)
        )
        return json_answer(
            {
                "subscriptions": [
                    _subscription(one, item)
                    for item in found
                    for one in item.subscriptions
                ]
            }
        )

    async def show_subscription(self, request: Request) -> Response:
        """Answer with one subscription."""
        organization, wanted = self._organization(request), request.path_params["id"]
        found = await run_in_threadpool(
            self._applications.subscription, organization, wanted
        )
        return tagged(request, _subscription(found))

    async def subscribe(self, request: Request) -> Response:
        """`{application, api: {name, version?}, tier?, status?}`; 201."""
        organization = self._organization(request)
        body = await read_members(request, _SUBSCRIPTION)
        name, api = body["application"], body["api"]
        about(request, f"{name} to {api['name']}")
        wanted = Subscription(
            "", api["name"], api["version"], body["status"], body["tier"]
        )
        made = await run_in_threadpool(
            self._applications.subscribe, organization, name, wanted
        )
        owner = await run_in_threadpool(self._applications.get, organization, name)
        warnings = warnings_of([wanted.api_name], self._deployed(organization))
        more = {"application": owner.name, "applicationId": owner.id, **warnings}
        return tagged(request, _subscription(made), 201, more=more)

    async def change(self, request: Request) -> Response:
        """Change status or tier of a subscription."""
        organization = self._organization(request)
        body = await read_members(request, _CHANGE)
        changed, wanted = (body["status"], body["tier"]), request.path_params["id"]
        tag = self._subscription_tag(organization, wanted)
        change = self._applications.change
        made = await guarded(request, tag, change, organization, wanted, *changed)
        return tagged(request, _subscription(made))

    async def unsubscribe(self, request: Request) -> Response:
        """Delete a subscription; 204."""
        organization, wanted = self._organization(request), request.path_params["id"]
        tag = self._subscription_tag(organization, wanted)
        await guarded(
            request, tag, self._applications.unsubscribe, organization, wanted
        )
        return Response(status_code=204)

    def _tag(self, organization: str, name_or_id: str) -> Callable[[], str]:
        """Reads the tag of an application."""
        return _tag_of(lambda: _shown(self._applications.get(organization, name_or_id)))

    def _subscription_tag(
        self, organization: str, subscription_id: str
    ) -> Callable[[], str]:
        """Reads the tag of a subscription."""
        find = self._applications.subscription
        return _tag_of(lambda: _subscription(find(organization, subscription_id)))

    def _organization(self, request: Request) -> str:
        return self._access.organization(self._access.principal(request, DEPLOY_SCOPE))


def _tag_of(read: Callable[[], Mapping[str, Any]]) -> Callable[[], str]:
    def tag() -> str:
        try:
            return tag_of(read())
        except Problem as problem:
            if problem.status == 404:
                return ""
            raise

    return tag


def _shown(item: Application) -> dict[str, Any]:
    return {
        "id": item.id,
        "name": item.name,
        "organization": item.organization,
        "tier": item.tier,
        "source": item.source,
        "createdAt": item.created_at,
        "keys": [
            {
                "consumerKey": key.consumer_key,
                "type": key.key_type,
                "environment": key.environment,
            }
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
