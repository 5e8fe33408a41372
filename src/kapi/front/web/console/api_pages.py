"""The pages of APIs: all of them, and one with its operations, policies and figures."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from typing import Any, Final

import yaml
from starlette.concurrency import run_in_threadpool
from starlette.responses import RedirectResponse, Response

from kapi import error_codes
from kapi.errors import Problem
from kapi.front.web.console.console import PageRow, Visit, checked_form
from kapi.front.web.console.summary import SPANS, Overview, Span, overview
from kapi.gateway.calls.history import CallHistory
from kapi.identity.clients.console_client import START_PATH

_LOADER: Final = getattr(yaml, "CSafeLoader", yaml.SafeLoader)

Source = Callable[[str], tuple[str, bytes] | None]
"""Conf and definition of a deployed API by its id."""


class ApiPages:
    """The pages, bound to the sources of the deployed APIs."""

    def __init__(
        self, source: Source, history: CallHistory, now: Callable[[], float]
    ) -> None:
        self._source = source
        self._history = history
        self._now = now

    def rows(self) -> tuple[PageRow, ...]:
        """The routes of these pages."""
        return (
            ("GET", "/", self.all),
            ("GET", "/apis/{id}", self.one),
            ("POST", "/apis/{id}/undeploy", self.undeploy),
        )

    async def all(self, visit: Visit) -> Response:
        """The APIs of the organization, each with its figures."""
        apis = (await visit.apis.get("/api/deployer/apis"))["apis"]
        span = _span(visit)
        found = await self._overview(visit, span)
        rows = [(api, found.of(api["name"], api["version"])) for api in apis]
        return visit.page("apis.html", apis=rows, found=found, span=span, spans=SPANS)

    async def one(self, visit: Visit) -> Response:
        """An API. Raises Problem 404 for one of another organization."""
        api = await api_of(visit)
        source = await run_in_threadpool(self._source, api["id"])
        conf_text = source[0] if source else ""
        conf = await run_in_threadpool(_conf, conf_text)
        span = _span(visit)
        found = await self._overview(visit, span, (api["name"], api["version"]))
        return visit.page(
            "api.html",
            api=api,
            conf=conf,
            conf_text=conf_text,
            operations=list(_operations(conf, found)),
            policies=sorted(set(_policies(conf))),
            found=found,
            span=span,
            spans=SPANS,
        )

    async def _overview(
        self, visit: Visit, span: Span, api: tuple[str, str] | None = None
    ) -> Overview:
        organization, now = visit.session.organization, int(self._now())
        return await run_in_threadpool(
            overview, self._history, organization, span, now, api
        )

    async def undeploy(self, visit: Visit) -> Response:
        """Remove an API, after the person confirmed it with its name."""
        form = await checked_form(visit, {"name": 256})
        api = await api_of(visit)
        if "name" not in form or form["name"].text("name").strip() != api["name"]:
            raise Problem.of(
                error_codes.INVALID_SYSTEM_REQUEST,
                "The API was not removed",
                detail="What was typed is not the name of the API.",
                hint=f"Go back, and type {api['name']}.",
            )
        await visit.apis.call(
            "POST", "/api/deployer/apis/undeploy", f"apiId={api['id']}"
        )
        return RedirectResponse(START_PATH, 303)


async def api_of(visit: Visit) -> dict[str, Any]:
    """The API that the path names. Raises Problem 404 for one of another organization."""
    wanted = visit.request.path_params["id"]
    for api in (await visit.apis.get("/api/deployer/apis"))["apis"]:
        if api["id"] == wanted:
            return dict(api)
    raise Problem.of(error_codes.NOT_FOUND, detail="No deployed API has this id.")


def _span(visit: Visit) -> Span:
    """The span that the page is for; the first one if it names none."""
    for span in SPANS:
        if span.name == visit.request.query_params.get("span"):
            return span
    return SPANS[0]


def _conf(text: str) -> Mapping[str, Any]:
    """The values of a conf, which was checked when it was deployed."""
    value = yaml.load(text, _LOADER)  # noqa: S506 - a safe loader
    return value if isinstance(value, dict) else {}


def _operations(conf: Mapping[str, Any], found: Overview) -> Iterator[dict[str, Any]]:
    for operation in conf.get("operations") or ():
        name = f"{operation.get('verb')} {operation.get('target')}"
        yield {
            "verb": operation.get("verb"),
            "target": operation.get("target"),
            "secured": operation.get("secured", True),
            "scopes": operation.get("scopes")
            or operation.get("scopeAlternatives")
            or (),
            "policies": sorted(set(_named_policies(operation))),
            "figures": found.of(name),
        }


def _policies(conf: Mapping[str, Any]) -> Iterator[str]:
    """The names of the policies of the whole API."""
    yield from _named_policies({"operationPolicies": conf.get("apiPolicies")})
    for name, text in _FIELDS:
        if conf.get(name):
            yield text


_FIELDS: Final = (
    ("rateLimit", "rate limit"),
    ("corsConfiguration", "CORS"),
    ("subscriptionValidation", "subscriptions"),
    ("authentication", "authentication"),
    ("aiProvider", "AI provider"),
)


def _named_policies(owner: Mapping[str, Any]) -> Iterator[str]:
    flows = owner.get("operationPolicies") or {}
    for flow in ("request", "response"):
        for policy in flows.get(flow) or ():
            yield str(policy.get("policyName"))
    if owner.get("rateLimit"):
        yield "rate limit"
