"""The system APIs on `api.am.wso2.com`: generate, deploy, undeploy and list APIs, as in APK.

The control process serves this Starlette application on its Unix socket. Blocking work (compiling,
waiting for Envoy) runs in threads, so that a deployment does not delay other requests.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Sequence
from dataclasses import asdict, replace
from typing import Any, Protocol

import orjson
from starlette.applications import Starlette
from starlette.concurrency import run_in_threadpool
from starlette.exceptions import HTTPException
from starlette.requests import ClientDisconnect, Request
from starlette.responses import Response
from starlette.routing import BaseRoute, Route

from kapi import error_codes
from kapi.addresses import is_loopback
from kapi.apis.kinds import DEFAULT
from kapi.apis.model.choices import API_TYPE, DOCUMENT_CHOICES, Choices, Wanted
from kapi.dataclass import dataclass
from kapi.errors import Diagnostic, KapiError, Problem
from kapi.figures import Counter
from kapi.front.web.http.access import Access, Row, json_answer, versioned
from kapi.front.web.http.conf_form import (
    TEXT_BYTES,
    URL_BYTES,
    chosen,
    deployed_files,
)
from kapi.front.web.http.draining import App, draining
from kapi.front.web.http.lanes import Lane
from kapi.front.web.http.multipart import read_form
from kapi.front.web.http.problems import answer
from kapi.front.web.operate.auditing import about, entry_of
from kapi.gateway.deployment.deployer import Deployer
from kapi.gateway.deployment.deployment import Deployment
from kapi.settings import Settings
from kapi.store import StoredApi
from kapi.store.engine.database import Connection

DEPLOY_SCOPE = "apk:api_create"
DEPLOYMENT_HEADER = "Kapi-Deployment"
"""Of an answered deployment: `created`, `replaced` or `unchanged`."""
CHANGE_HEADER = "Kapi-Change"
"""Of a deployment: the number of the change, which the nodes confirm (`/api/nodes`)."""
URLS_HEADER = "Kapi-Urls"
"""Header of a deployment: addresses where the API answers, separated by spaces."""
GONE_HEADER = "Kapi-Gone"
"""Header of a deployment: addresses where the API no longer answers, separated by spaces."""
WARNINGS_HEADER = "Kapi-Warnings"
"""Header of a deployment: warnings, a JSON list of diagnostics in ASCII."""
LEFT_OUT_HEADER = "Kapi-Warnings-Left-Out"
"""Header of a deployment: how many warnings do not fit, and are in the log only."""
_WARNINGS_BYTES = 8192
"""Largest value of `WARNINGS_HEADER`."""


class Fetch(Protocol):
    """Gets a definition by URL; see `kapi.fetch.fetch`."""

    def __call__(
        self, url: str, *, max_bytes: int, timeout: float, allow_private: bool
    ) -> bytes: ...


@dataclass(frozen=True, slots=True)
class Lanes:
    """The lanes of work that takes long."""

    fetching: Lane
    generating: Lane
    deploying: Lane
    state: Lane
    """Dumps and restores: the key of a passphrase takes 64 MiB, so one is made at a time."""

    @classmethod
    def of(cls, places: int) -> Lanes:
        """`places`: documents of one kind that are read at a time. Deployments wait for Envoy."""
        return cls(
            fetching=Lane(16, 32, 8),
            generating=Lane(places, 16, max(1, places // 2)),
            deploying=Lane(4 * places, 64, 4 * places),
            state=Lane(1, 8, 1),
        )


class SystemApi:
    """The endpoints of this API."""

    def __init__(
        self,
        *,
        settings: Settings,
        deployer: Deployer,
        access: Access,
        fetch: Fetch,
        ready: Callable[[], bool],
        generate: Callable[[bytes, str, str, Choices], str],
        lanes: Lanes,
        deployments: Counter,
    ) -> None:
        """`generate`: definition, API type, file name and choices to apk-conf."""
        self._deployments = deployments
        self._generate = generate
        self._lanes = lanes
        self._settings = settings
        self._deployer = deployer
        self._access = access
        self._fetch = fetch
        self._ready = ready

    def routes(self) -> list[Route]:
        """The routes of this API."""
        table: tuple[Row, ...] = (
            (
                "POST",
                "/api/configurator",
                "/apis/generate-configuration",
                self.generate_configuration,
            ),
            ("POST", "/api/deployer", "/apis/deploy", self.deploy),
            ("POST", "/api/deployer", "/apis/undeploy", self.undeploy),
            ("GET", "/api/deployer", "/apis", self.list_apis),
        )
        return [
            Route("/health", self.health, methods=["GET"]),
            Route("/ready", self.ready, methods=["GET"]),
            *versioned(table),
        ]

    async def health(self, request: Request) -> Response:  # noqa: ARG002 - Starlette's shape
        """Answer 200: the process serves requests."""
        return json_answer({"status": "healthy"})

    async def ready(self, request: Request) -> Response:  # noqa: ARG002
        """Ready once Envoy holds what the store says."""
        if self._ready():
            return json_answer({"status": "ready"})
        return json_answer({"status": "starting"}, 503)

    async def generate_configuration(self, request: Request) -> Response:
        """An apk-conf of a definition: part `definition` or `url`; `apiType` is REST by default.

        `name`, `version` and `basePath` are used instead of those of the definition.
        """
        apis = self._settings.apis
        texts = dict.fromkeys((API_TYPE, *DOCUMENT_CHOICES), TEXT_BYTES)
        form = await read_form(
            request,
            {"definition": apis.max_definition_bytes, "url": URL_BYTES, **texts},
        )
        if ("definition" in form) == ("url" in form):
            raise Problem.of(
                error_codes.INVALID_DEFINITION,
                "Specify either definition or url",
                hint="Send one of the two parts: definition (a file) or url (text).",
            )
        api_type = DEFAULT.type
        if API_TYPE in form:
            api_type = form[API_TYPE].text(API_TYPE)
        if "definition" in form:
            file, url = form["definition"], ""
            content, file_name = file.content, file.file_name
        else:
            url = form["url"].text("url")
            content = await self._lanes.fetching.run(request, self._fetched, url)
            file_name = url.partition("?")[0].rpartition("/")[2]
        choices = replace(chosen(form, DOCUMENT_CHOICES), url=url)
        conf = await self._lanes.generating.run(
            request, self._generate, content, api_type, file_name, choices
        )
        return Response(conf, 200, media_type="application/yaml")

    def _fetched(self, url: str) -> bytes:
        apis = self._settings.apis
        on_loopback = is_loopback(self._settings.gateway.listen)
        allow_private = on_loopback or apis.fetch_private_networks
        return self._fetch(
            url,
            max_bytes=apis.max_definition_bytes,
            timeout=apis.fetch_timeout,
            allow_private=allow_private,
        )

    async def deploy(self, request: Request) -> Response:
        """Deploy an API; answers once Envoy has confirmed it and the store has kept it."""
        principal = self._access.principal(request, DEPLOY_SCOPE)
        conf, definition = await deployed_files(request, self._settings.apis)
        organization = self._access.organization(principal)
        try:
            deployed = await self._lanes.deploying.run(
                request, self._deploy, request, conf, definition, organization
            )
        except KapiError:
            self._deployments.add(("refused",))
            raise
        headers = self._change_headers(deployed)
        self._deployments.add((headers[DEPLOYMENT_HEADER],))
        return Response(deployed.conf_text, 200, headers, "application/yaml")

    def _deploy(
        self,
        request: Request,
        conf: bytes | Wanted,
        definition: bytes,
        organization: str,
    ) -> Deployment:
        entry = entry_of(request)

        def recorded(db: Connection, deployed: Deployment) -> None:
            about(request, _named(deployed), _outcome(deployed))
            if entry:
                entry.store(db)

        deployed = self._deployer.deploy(conf, definition, organization, recorded)
        if entry:
            entry.stored()
        return deployed

    async def undeploy(self, request: Request) -> Response:
        """Take an API away: query parameter `apiId`."""
        principal = self._access.principal(request, DEPLOY_SCOPE)
        ids = [text.strip() for text in request.query_params.getlist("apiId")]
        if len(ids) != 1 or not ids[0]:
            raise Problem.of(
                error_codes.API_ID_MISSING,
                hint="POST …/undeploy?apiId=<id>; `kapi apis` lists the ids.",
            )
        organization = self._access.organization(principal)
        about(request, ids[0])
        change = await self._lanes.deploying.run(
            request, self._undeploy, request, ids[0], organization
        )
        self._deployments.add(("removed",))
        return Response(
            orjson.dumps({"status": f"API with id {ids[0]} undeployed successfully"}),
            202,
            {CHANGE_HEADER: str(change)},
            media_type="text/plain",
        )

    def _undeploy(self, request: Request, api_id: str, organization: str) -> int:
        entry = entry_of(request)
        if entry is None:
            return self._deployer.undeploy(api_id, organization)
        change = self._deployer.undeploy(api_id, organization, entry.store)
        entry.stored()
        return change

    async def list_apis(self, request: Request) -> Response:
        """The caller's organization's APIs, with the addresses they answer on."""
        principal = self._access.principal(request, DEPLOY_SCOPE)
        apis = await run_in_threadpool(
            self._deployer.list, self._access.organization(principal)
        )
        return json_answer({"apis": list(map(self._listed, apis))})

    def _change_headers(self, deployed: Deployment) -> dict[str, str]:
        """Headers that state what a deployment changed, and its warnings."""
        headers = {
            DEPLOYMENT_HEADER: _outcome(deployed),
            CHANGE_HEADER: str(deployed.change),
        }
        current: list[str] = []
        if deployed.stored is not None:
            current = self._urls(deployed.stored)
            headers[URLS_HEADER] = " ".join(current)
        if deployed.before is not None and deployed.stored is not None:
            gone = [url for url in self._urls(deployed.before) if url not in current]
            if gone:
                headers[GONE_HEADER] = " ".join(gone)
        return headers | _warning_headers(deployed.warnings)

    def _urls(self, api: StoredApi) -> list[str]:
        gateway = self._settings.gateway
        host = api.organization
        if api.environment:
            host = f"{api.organization}-{api.environment}"
        return [
            f"{gateway.origin(f'{host}.{gateway.domain}')}{path}"
            for path in api.base_paths
        ]

    def _listed(self, api: StoredApi) -> dict[str, Any]:
        return {
            "id": api.id,
            "name": api.name,
            "version": api.version,
            "organization": api.organization,
            "environment": api.environment,
            "basePath": api.base_path,
            "defaultBasePath": api.default_base_path,
            "revision": api.revision,
            "deployedAt": api.deployed_at,
            "urls": self._urls(api),
        }


def _outcome(deployed: Deployment) -> str:
    """The value of DEPLOYMENT_HEADER."""
    if deployed.before is None or deployed.stored is None:
        return "created"
    if deployed.unchanged:
        return "unchanged"
    return "replaced"


def _named(deployed: Deployment) -> str:
    """The API, for the audit log."""
    api = deployed.stored
    return deployed.id if api is None else f"{api.name} {api.version} ({api.id})"


async def _on_error(request: Request, error: Exception) -> Response:
    if isinstance(error, ClientDisconnect):
        return Response(status_code=400)
    if isinstance(error, HTTPException):
        titles = {404: "Not Found", 405: "Method Not Allowed"}
        title = titles.get(error.status_code, "Invalid request")
        return answer(
            request,
            Problem(
                error.status_code,
                str(error.status_code),
                title,
                headers=dict(error.headers or {}),
            ),
        )
    return answer(request, error)


def build_system_api(routes: Sequence[BaseRoute]) -> App:
    """The ASGI application of the control process: all system APIs, with one form of errors."""
    handlers: Any = dict.fromkeys(
        (KapiError, HTTPException, ClientDisconnect, OSError, Exception), _on_error
    )
    app = Starlette(routes=routes, exception_handlers=handlers)
    # A path with a slash too many is not there; a redirect would be one more answer to explain.
    app.router.redirect_slashes = False
    return draining(app)


def _warning_headers(warnings: Sequence[Diagnostic]) -> dict[str, str]:
    """As many of them as fit, and how many do not."""
    if not warnings:
        return {}
    items: list[str] = []
    length = len("[]")
    for warning in warnings:
        item = json.dumps(asdict(warning))
        length += len(item) + len(", ")
        if length > _WARNINGS_BYTES:
            break
        items.append(item)
    headers = {WARNINGS_HEADER: f"[{', '.join(items)}]"}
    if len(items) < len(warnings):
        headers[LEFT_OUT_HEADER] = str(len(warnings) - len(items))
    return headers
