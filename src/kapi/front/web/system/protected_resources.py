"""Protected resource metadata (RFC 9728) of the system APIs and of each deployed API.

After a 401, a client finds here the issuers that it may request a token from. The documents are on
the host of the system APIs and on the gateway's hosts, below
`/.well-known/oauth-protected-resource`, followed by the path of the resource.
"""

from __future__ import annotations

import threading
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

import orjson
from starlette.concurrency import run_in_threadpool
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from kapi.apis.report import Report
from kapi.apis.yaml_positions import plain, read_yaml
from kapi.errors import Problem
from kapi.gateway.deployment.deployer import Deployer
from kapi.gateway.envoy.resources.routes.version_aliases import aliases
from kapi.identity.issuers.preset import SYSTEM_ORGANIZATION
from kapi.identity.issuers.verify import IssuerKeys
from kapi.policies.authentication.challenge import RESOURCES as PATH
from kapi.settings import Settings
from kapi.settings.words import PROOF_ALGORITHMS
from kapi.store import Store, StoredApi
from kapi.typed import of_kind

_MOST_KEPT = 2000
SYSTEM_SCOPES = (
    "apk:api_create",
    "kapi:clients",
    "kapi:issuers",
    "kapi:keys",
    "kapi:metrics",
    "kapi:logs",
    "kapi:audit",
    "kapi:backup",
    "kapi:users",
)


class ProtectedResources:
    """The endpoint, bound to what is deployed and who is trusted."""

    def __init__(
        self, settings: Settings, store: Store, deployer: Deployer, issuers: Any
    ) -> None:
        """`issuers` gives the trusted issuers of the system APIs."""
        self._settings = settings
        self._store = store
        self._deployer = deployer
        self._issuers = issuers
        self._kept: dict[tuple[str, int], tuple[tuple[str, ...], dict[str, Any]]] = {}
        self._reading = threading.Lock()

    def routes(self) -> list[Route]:
        """At the root, and with the path of a resource behind (RFC 9728 §3.1)."""
        return [
            Route(PATH, self.show, methods=["GET"]),
            Route(f"{PATH}/{{rest:path}}", self.show, methods=["GET"]),
        ]

    async def show(self, request: Request) -> Response:
        """The metadata of the resource that the host and the rest of the path name."""
        host = request.headers.get("host", "").partition(":")[0].lower()
        path = f"/{request.path_params.get('rest', '')}".rstrip("/")
        if host in self._settings.gateway.api_hosts:
            found = self._system(host, path)
        else:
            found = await run_in_threadpool(self._deployed, host, path)
        if found is None:
            raise Problem(
                404,
                "404",
                "Not Found",
                "There is no protected resource at this address",
            )
        headers = {"Cache-Control": "max-age=60", "Access-Control-Allow-Origin": "*"}
        return Response(orjson.dumps(found), 200, headers, "application/json")

    def _system(self, host: str, path: str) -> dict[str, Any] | None:
        if path and path != "/api" and not path.startswith("/api/"):
            return None
        trusted: Sequence[IssuerKeys] = self._issuers()
        issuers = [item.issuer for item in trusted]
        accepted = []
        for item in issuers:
            if item.in_organization(SYSTEM_ORGANIZATION):
                accepted += self._own_name(host, (item.issuer, *item.more_names))
        bound = {
            "dpop_signing_alg_values_supported": list(PROOF_ALGORITHMS),
            "tls_client_certificate_bound_access_tokens": True,
        }
        return {
            **self._document(host, path, accepted, SYSTEM_SCOPES, "kapi system APIs"),
            **bound,
        }

    def _deployed(self, host: str, path: str) -> dict[str, Any] | None:
        api = self._api_at(host, path)
        if api is None:
            return None
        scopes, dpop = self._conf_members(api)
        names: dict[str, list[str]] = {}
        for item in self._deployer.issuers:
            issues_tokens = not item.api_keys
            if issues_tokens and item.serves(api.organization, api.environment):
                names.setdefault(item.same_as or item.issuer, []).append(item.issuer)
        trusted = [
            name for each in names.values() for name in self._own_name(host, each)
        ]
        return {**self._document(host, path, trusted, scopes, api.name), **dpop}

    def _own_name(self, host: str, names: Sequence[str]) -> list[str]:
        """The name of an issuer that a caller of this host can reach: the second with the second.

        The inbuilt provider has several; others have one.
        """
        if len(names) > 1 and self._settings.gateway.is_second_name(host):
            return [names[1]]
        return [names[0]]

    def _api_at(self, host: str, path: str) -> StoredApi | None:
        apis = self._store.apis()
        paths = {api.id: [item.rstrip("/") for item in api.base_paths] for api in apis}
        if self._settings.gateway.version_routing:
            for api_id, alias in aliases(apis).items():
                paths[api_id].append(alias.rstrip("/"))
        for api in apis:
            if path in paths[api.id] and host in self._hosts(api):
                return api
        return None

    def _document(
        self,
        host: str,
        path: str,
        issuers: Iterable[str],
        scopes: Sequence[str],
        name: str,
    ) -> dict[str, Any]:
        return {
            "resource": f"{self._settings.gateway.origin(host)}{path}",
            "authorization_servers": list(dict.fromkeys(issuers)),
            "scopes_supported": list(scopes),
            "bearer_methods_supported": ["header"],
            "resource_name": name,
        }

    def _hosts(self, api: StoredApi) -> tuple[str, ...]:
        label = (
            f"{api.organization}-{api.environment}"
            if api.environment
            else api.organization
        )
        domains = self._settings.gateway.domains
        found = [(f"{label}.{name}", f"{label}.sandbox.{name}") for name in domains]
        return tuple(host.lower() for pair in found for host in pair)

    def _conf_members(self, api: StoredApi) -> tuple[tuple[str, ...], dict[str, Any]]:
        """The scopes, and the members about DPoP. A conf is read once for each revision."""
        place = api.id, api.revision
        with self._reading:
            if place not in self._kept:
                conf = self._conf(api)
                if len(self._kept) >= _MOST_KEPT:
                    self._kept.clear()
                self._kept[place] = (_scopes(conf), _dpop(conf))
            return self._kept[place]

    def _conf(self, api: StoredApi) -> Mapping[str, Any]:
        """The conf of an API; empty if the API was removed meanwhile."""
        source = self._store.api_source(api.id)
        if source is None:
            return {}
        root = read_yaml(source[0].encode(), Report(""))
        return {} if root is None else plain(root)


def _scopes(conf: Mapping[str, Any]) -> tuple[str, ...]:
    """The scopes of its operations, from `scopes` and `scopeAlternatives`, in their order."""
    found: dict[str, None] = {}
    for operation in conf.get("operations") or ():
        if not isinstance(operation, dict):
            continue
        alternatives = operation.get("scopeAlternatives") or ()
        for scopes in (operation.get("scopes") or (), *alternatives):
            found |= dict.fromkeys(of_kind(scopes, str))
    return tuple(found)


def _dpop(conf: Mapping[str, Any]) -> dict[str, Any]:
    """The members about DPoP (RFC 9728 §2); empty if the API accepts no proofs."""
    found: dict[str, Any] = {}
    proofs = _proofs(conf)
    if proofs:
        found["dpop_signing_alg_values_supported"] = list(PROOF_ALGORITHMS)
    if proofs == "mandatory":
        found["dpop_bound_access_tokens_required"] = True
        found["bearer_methods_supported"] = []
    return found


def _proofs(conf: Mapping[str, Any]) -> Any:
    """`dpop` of the first enabled OAuth2 authentication."""
    for item in conf.get("authentication") or ():
        if not isinstance(item, dict) or item.get("authType") != "OAuth2":
            continue
        if item.get("enabled", True):
            return item.get("dpop")
    return None
