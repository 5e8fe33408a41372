"""Protected resource metadata (RFC 9728): which authorization servers the system APIs and each deployed API trust.

A client that got a 401 finds here where to ask for a token. Answers on the host of the system APIs and on the gateway's hosts,
below `/.well-known/oauth-protected-resource`; the rest of the path is that of the resource. Called by `app.py`.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Any

import orjson
import yaml
from starlette.concurrency import run_in_threadpool
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from kapi.errors import Problem
from kapi.gateway.deployer import Deployer
from kapi.identity.foreign_jwt import ASYMMETRIC
from kapi.identity.issuers.preset import SYSTEM_ORGANIZATION
from kapi.identity.verify import IssuerKeys
from kapi.settings import Settings
from kapi.store import Store, StoredApi

PATH = "/.well-known/oauth-protected-resource"
SYSTEM_SCOPES = ("apk:api_create", "kapi:clients", "kapi:issuers", "kapi:keys", "kapi:metrics", "kapi:users")


class ProtectedResources:
    """The endpoint, bound to what is deployed and who is trusted."""

    def __init__(self, settings: Settings, store: Store, deployer: Deployer, issuers: Any) -> None:
        """`issuers` gives the trusted issuers of the system APIs."""
        self._settings = settings
        self._store = store
        self._deployer = deployer
        self._issuers = issuers

    def routes(self) -> list[Route]:
        """At the root, and with the path of a resource behind (RFC 9728 §3.1)."""
        return [Route(PATH, self.show, methods=["GET"]), Route(f"{PATH}/{{rest:path}}", self.show, methods=["GET"])]

    async def show(self, request: Request) -> Response:
        """The metadata of the resource that the host and the rest of the path name."""
        host = request.headers.get("host", "").partition(":")[0].lower()
        path = f"/{request.path_params['rest']}".rstrip("/") if "rest" in request.path_params else ""
        if host in {self._settings.gateway.api_host.lower(), "localhost"}:
            found = self._system(path)
        else:
            found = await run_in_threadpool(self._deployed, host, path)
        if found is None:
            raise Problem(404, "404", "Not Found", "There is no protected resource at this address")
        headers = {"Cache-Control": "max-age=60", "Access-Control-Allow-Origin": "*"}
        return Response(orjson.dumps(found), 200, headers, "application/json")

    def _system(self, path: str) -> dict[str, Any] | None:
        if path and path != "/api" and not path.startswith("/api/"):
            return None
        trusted: Sequence[IssuerKeys] = self._issuers()
        issuers = (item.issuer.issuer for item in trusted if item.issuer.in_organization(SYSTEM_ORGANIZATION))
        host = self._settings.gateway.api_host
        bound = {"dpop_signing_alg_values_supported": list(ASYMMETRIC), "tls_client_certificate_bound_access_tokens": True}
        return {**self._document(host, path, issuers, SYSTEM_SCOPES, "kapi system APIs"), **bound}

    def _deployed(self, host: str, path: str) -> dict[str, Any] | None:
        api = next((api for api in self._store.apis() if path in _paths(api) and host in self._hosts(api)), None)
        if api is None:
            return None
        trusted = (item.issuer for item in self._deployer.issuers if not item.api_keys and item.serves(api.organization, api.environment))
        return self._document(host, path, trusted, self._scopes(api), api.name)

    def _document(self, host: str, path: str, issuers: Iterable[str], scopes: Sequence[str], name: str) -> dict[str, Any]:
        port = "" if self._settings.gateway.port == 443 else f":{self._settings.gateway.port}"
        return {
            "resource": f"https://{host}{port}{path}",
            "authorization_servers": list(dict.fromkeys(issuers)),
            "scopes_supported": list(scopes),
            "bearer_methods_supported": ["header"],
            "resource_name": name,
        }

    def _hosts(self, api: StoredApi) -> tuple[str, ...]:
        label = f"{api.organization}-{api.environment}" if api.environment else api.organization
        domain = self._settings.gateway.domain
        return (f"{label}.{domain}".lower(), f"{label}.sandbox.{domain}".lower())

    def _scopes(self, api: StoredApi) -> tuple[str, ...]:
        """The scopes that its operations ask for, as the conf names them."""
        source = self._store.api_source(api.id)
        conf = yaml.safe_load(source[0]) if source else None
        operations = conf.get("operations") if isinstance(conf, dict) else None
        named = (item.get("scopes") or () for item in operations or () if isinstance(item, dict))
        return tuple(dict.fromkeys(scope for scopes in named for scope in scopes if isinstance(scope, str)))


def _paths(api: StoredApi) -> tuple[str, ...]:
    paths = (api.base_path, *([] if api.default_base_path is None else [api.default_base_path]))
    return tuple(path.rstrip("/") for path in paths)
