"""Backend JWT (apk-conf policy `BackendJwt`, request): the backend gets a JWT of ours about the caller, in a header.

A Lua filter in Envoy asks the enforcer for it with the claims that the token filter has verified, and keeps it until shortly before it
expires (`lua/backend_jwt.lua`), so nearly every call is answered inside Envoy. What a caller sends in that header never passes.
"""

from __future__ import annotations

import hashlib
import json
from dataclasses import dataclass
from typing import Any, ClassVar

from kapi.apis.claims import claim_value
from kapi.apis.conf.model import ApiConf, Fields, OperationConf, PolicyConf
from kapi.apis.conf.rules import Fault
from kapi.policies.authentication import Authentication
from kapi.policies.callers.rbac import API_KEY_CLAIMS, CLAIMS
from kapi.policies.contract import EnvoyRoute, HttpFilter, Phase, Place
from kapi.policies.lua import script

name = "backend_jwt"
phase = Phase.MEDIATE

FILTER = "kapi.backend_jwt"
ENFORCER = "control"
"""The cluster of the control process."""
PATH = "/enforcer/backend-jwt"
_LUA = "type.googleapis.com/envoy.extensions.filters.http.lua.v3."
_SOURCE = {"source_codes": {name: {"inline_string": script("json", "backend_jwt")}}}
filters = (
    HttpFilter(
        phase, FILTER, {"@type": _LUA + "Lua", "clear_route_cache": False, **_SOURCE}, disabled=True
    ),
)


@dataclass(frozen=True, slots=True)
class BackendJwt:
    """What the backend gets. `claims` are names and JSON values; `ttl` is in seconds."""

    policy: ClassVar[str] = name
    header: str = "X-JWT-Assertion"
    encoding: str = "Base64Url"
    ttl: int = 3600
    claims: tuple[tuple[str, str | int | float | bool], ...] = ()


def compile(conf: ApiConf, operation: OperationConf) -> BackendJwt | None:  # noqa: A001 - the verb of the policy contract
    """The operation's wins over the API's; of several in one list the last."""
    for policies in (operation.policies.request, conf.policies.request):
        found = [item for item in policies if item.name == "BackendJwt"]
        if found:
            return _node(found[-1]) if found[-1].parameter("enabled", default=True) else None
    return None


def _node(item: PolicyConf) -> BackendJwt:
    usual = BackendJwt()
    claims = {}
    for claim in item.parameter("customClaims", ()):
        value = (
            claim_value(claim.get("value"), claim.get("type", "string"))
            if isinstance(claim, Fields)
            else Fault("")
        )
        if not isinstance(value, Fault):
            claims[claim.get("claim")] = value
    return BackendJwt(
        header=item.parameter("header", usual.header),
        encoding=item.parameter("encoding", usual.encoding),
        ttl=item.parameter("tokenTTL", usual.ttl),
        claims=tuple(claims.items()),
    )


def envoy(node: BackendJwt, place: Place) -> EnvoyRoute:
    """Tell the script what to ask, and for which header."""
    authentication = next(
        (item for item in place.operation.policies if isinstance(item, Authentication)),
        Authentication(),
    )
    api = {
        "name": place.api.name,
        "version": place.api.version,
        "context": place.base_path,
        "organization": place.api.organization,
        "keytype": "SANDBOX" if place.sandbox else "PRODUCTION",
    }
    wanted = {"encoding": node.encoding, "ttl": node.ttl, "claims": dict(node.claims)}
    of: dict[str, Any] = {
        "header": node.header.lower(),
        # Without a check there is nobody to say anything about; the header is emptied all the same.
        "secured": authentication.required,
        "bearer": [item.is_plain and item.mandatory for item in authentication.credentials]
        == [True],
        "cluster": ENFORCER,
        "path": PATH,
        "timeout": place.gateway.enforcer.timeout * 1000,
        "payloads": [CLAIMS, API_KEY_CLAIMS],
        # JSON without the braces: the script adds the claims.
        "asking": json.dumps({"api": api, "jwt": wanted})[1:-1],
    }
    digest = hashlib.sha256(json.dumps(of, sort_keys=True).encode()).hexdigest()[:32]
    per_route = {
        "@type": _LUA + "LuaPerRoute",
        "name": name,
        "filter_context": {"id": digest, "of": of},
    }
    return EnvoyRoute({FILTER: per_route}, sets_request_headers=(node.header.lower(),))
