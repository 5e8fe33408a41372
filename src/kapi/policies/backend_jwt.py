"""Backend JWT (apk-conf policy `BackendJwt`): a JWT about the caller in a header for the backend.

A Lua filter in Envoy asks the enforcer for it with the claims that the token filter has verified,
and keeps it until shortly before it expires (`lua/backend_jwt.lua`), so nearly every call is
answered inside Envoy. What a caller sends in that header never passes.
"""

from __future__ import annotations

import hashlib
import json
import re
from typing import Any, ClassVar, Final

from kapi.apis import report as codes
from kapi.apis.conf.nodes import mappings_at, text_at
from kapi.apis.conf.policy_lists import uses_of
from kapi.apis.conf.policy_part import ConfPart, ListedPolicy
from kapi.apis.conf.shapes import FLAG, NAME, TEXT, Items, Record, Text, Whole
from kapi.apis.model.conf import (
    ApiConf,
    Fields,
    OperationConf,
    PolicyConf,
    policy_named,
)
from kapi.apis.model.rules import Fault
from kapi.apis.report import Report
from kapi.apis.reserved_headers import may_hold_backend_jwt
from kapi.apis.yaml_positions import Mapping, key_mark, mark
from kapi.dataclass import dataclass
from kapi.policies.authentication.node import Authentication
from kapi.policies.contract import EnvoyRoute, HttpFilter, Phase, Place
from kapi.policies.custom_claims import TYPES, claim_value
from kapi.policies.kubernetes import KubernetesPlace, KubernetesRoute, not_possible
from kapi.policies.lua import script
from kapi.policies.rbac import API_KEY_CLAIMS, CLAIMS
from kapi.typed import of_kind

name = "backend_jwt"
phase = Phase.MEDIATE

POLICY: Final = "BackendJwt"
FILTER = "kapi.backend_jwt"
ENFORCER = "control"
"""The cluster of the control process."""
PATH = "/enforcer/backend-jwt"
_LUA = "type.googleapis.com/envoy.extensions.filters.http.lua.v3."
_SOURCE = {"source_codes": {name: {"inline_string": script("json", "backend_jwt")}}}
filters = (
    HttpFilter(
        phase,
        FILTER,
        {"@type": _LUA + "Lua", "clear_route_cache": False, **_SOURCE},
        disabled=True,
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


def compile(conf: ApiConf, operation: OperationConf) -> BackendJwt | None:
    """The operation's wins over the API's; of several in one list the last."""
    for policies in (operation.policies.request, conf.policies.request):
        found = policy_named(reversed(policies), POLICY)
        if found is not None:
            return _node(found) if found.parameter("enabled", default=True) else None
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
        of_kind(place.operation.policies, Authentication),
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
        # Without a check the caller is unknown; the header is emptied nevertheless.
        "secured": authentication.required,
        "bearer": [
            item.is_plain and item.mandatory for item in authentication.credentials
        ]
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


def kubernetes(node: BackendJwt | None, at: KubernetesPlace) -> KubernetesRoute:  # noqa: ARG001
    """Not possible."""
    return not_possible(
        "a backend JWT comes from kapi's enforcer, which Envoy Gateway does not ask",
        "Remove BackendJwt; the backend may verify the caller's token: sendTokenToUpstream.",
    )


_HEADER_NAME: Final = re.compile(r"[A-Za-z0-9!#$%&'*+.^_`|~-]+")
_MOST_SECONDS: Final = 365 * 24 * 3600


def _check(parameters: Mapping, pointer: str, report: Report) -> None:
    header = text_at(parameters, "header")
    if header and not _may_hold_jwt(header):
        message = f"header [{header[:60]}] cannot carry the JWT"
        place = key_mark(parameters, "header", pointer)
        hint = "Use a header of its own, such as X-JWT-Assertion."
        report.add(codes.FORMAT, message, place, hint)
    for item, here in mappings_at(parameters, "customClaims", pointer):
        value = claim_value(text_at(item, "value"), text_at(item, "type") or "string")
        if isinstance(value, Fault) and not report.has_within(here):
            place = key_mark(item, "value", here)
            report.add(codes.FORMAT, f"value {value.message}", place, value.hint)


def _check_flows(root: Mapping, report: Report) -> None:
    for use in uses_of(root, POLICY):
        if use.flow == "response":
            message = f"{POLICY} acts on requests only"
            place = mark(use.node, use.pointer)
            report.add(
                codes.COMBINATION, message, place, "Move it to the request list."
            )


def _may_hold_jwt(header: str) -> bool:
    return bool(_HEADER_NAME.fullmatch(header)) and may_hold_backend_jwt(header)


conf_part = ConfPart(
    listed=(
        ListedPolicy(
            POLICY,
            flows=("request",),
            both_levels=True,
            needs_parameters=False,
            parameters=Record(
                {
                    "enabled": FLAG,
                    "encoding": Text(one_of=("Base64", "Base64Url")),
                    "signingAlgorithm": Text(one_of=("SHA256withRSA", "RS256")),
                    "header": Text(1, 256),
                    "tokenTTL": Whole(1, _MOST_SECONDS),
                    "customClaims": Items(
                        Record(
                            {"claim": NAME, "value": TEXT, "type": Text(one_of=TYPES)},
                            ("claim", "value"),
                        )
                    ),
                }
            ),
            descriptions={
                "enabled": "false sends no token. true when left out.",
                "encoding": "Base64 when left out, or Base64Url.",
                "signingAlgorithm": "SHA256withRSA when left out.",
                "header": "Header of the token; X-JWT-Assertion when left out.",
                "tokenTTL": "Seconds the token is valid; 3600 when left out.",
                "customClaims": "Claims to add.",
                "customClaims.claim": "Name of the claim.",
                "customClaims.value": "Value of the claim, as text.",
                "customClaims.type": "Type of the value; string when left out.",
            },
            example={},
            check=_check,
        ),
    ),
    check=_check_flows,
)
