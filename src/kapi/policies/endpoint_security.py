"""Credentials for a backend (apk-conf `endpointSecurity`): Basic (RFC 7617) or an API key.

Whatever a caller sends under the same name is replaced: a caller must not choose who the backend
takes the gateway for.
"""

from __future__ import annotations

from base64 import b64encode
from typing import Any, ClassVar, Final
from urllib.parse import quote

from kapi.apis import report as codes
from kapi.apis.conf.nodes import (
    ENDPOINT_KINDS,
    check_text,
    endpoint_nodes,
    is_true,
    operation_nodes,
    text_at,
)
from kapi.apis.conf.policy_part import ConfField, ConfPart
from kapi.apis.conf.shapes import FLAG, NAME, OneOf, Record, Text
from kapi.apis.header_rules import header_fault
from kapi.apis.ir import ApiKeyCredential, BasicCredentials
from kapi.apis.model.conf import ApiConf, OperationConf
from kapi.apis.report import Report, below
from kapi.apis.yaml_positions import Mapping, mark
from kapi.dataclass import dataclass
from kapi.policies.contract import (
    EnvoyRoute,
    HeaderCredential,
    HttpFilter,
    Phase,
    Place,
    literal_header,
)
from kapi.policies.kubernetes import KubernetesPlace, KubernetesRoute, not_possible

name = "endpoint_security"
phase = Phase.TRANSFORM

FILTER = "kapi.query_key"
PER_ROUTE = "type.googleapis.com/envoy.extensions.filters.http.lua.v3.LuaPerRoute"
_SCRIPT = """
function envoy_on_request(handle)
  local context = handle:filterContext()
  local path, query = handle:headers():get(":path"):match("^([^?]*)%??(.*)$")
  local kept = {}
  for pair in query:gmatch("[^&]+") do
    local name = pair:match("^[^=]*"):gsub("+", " ")
    name = name:gsub("%%(%x%x)", function(hex) return string.char(tonumber(hex, 16)) end)
    if name ~= context:get("name") then
      kept[#kept + 1] = pair
    end
  end
  kept[#kept + 1] = context:get("pair")
  handle:headers():replace(":path", path .. "?" .. table.concat(kept, "&"))
end
"""
"""Envoy's query mutation decodes names and does not encode them again: `a%26b=1` becomes two."""
_LUA = {
    "@type": "type.googleapis.com/envoy.extensions.filters.http.lua.v3.Lua",
    "default_source_code": {"inline_string": _SCRIPT},
    "clear_route_cache": False,
}
filters = (HttpFilter(phase, FILTER, _LUA, disabled=True),)
"""For keys in the query only: a route's own changes of headers do not reach the query."""


@dataclass(frozen=True, slots=True)
class EndpointSecurity:
    """An endpoint of the operation wants credentials; which, the endpoint itself says."""

    policy: ClassVar[str] = name


def compile(conf: ApiConf, operation: OperationConf) -> EndpointSecurity | None:
    """A node where an endpoint that the operation uses wants credentials."""
    used = (
        *(operation.production or conf.production),
        *(operation.sandbox or conf.sandbox),
    )
    if any(endpoint.security for endpoint in used):
        return EndpointSecurity()
    return None


def envoy(node: EndpointSecurity, place: Place) -> EnvoyRoute:  # noqa: ARG001 - the policy contract
    """The header, or the query parameter. All endpoints of a place have the same credentials."""
    security = place.endpoint.security
    credential = header_credential(security)
    if credential:
        value = credential.value(place.secret)
        return EnvoyRoute(
            request_headers_to_add=[literal_header(credential.header, value)]
        )
    if isinstance(security, ApiKeyCredential):
        value = place.secret(security.value) or ""
        return EnvoyRoute({FILTER: _query(security.parameter, value)})
    return EnvoyRoute()


def kubernetes(node: EndpointSecurity, at: KubernetesPlace) -> KubernetesRoute:  # noqa: ARG001
    """The header, whose value is in a Secret."""
    security = at.place.endpoint.security
    if isinstance(security, ApiKeyCredential) and security.location == "Query":
        what = "an API key for the backend in the query"
        return not_possible(what, "Send it in a header: `in: Header`.")
    return KubernetesRoute(credential=header_credential(security))


def header_credential(
    security: BasicCredentials | ApiKeyCredential | None,
) -> HeaderCredential | None:
    """The header that has the credentials; None without any, or with a key in the query."""
    match security:
        case BasicCredentials(username, password):
            return HeaderCredential("authorization", (username, password), _basic)
        case ApiKeyCredential("Header", parameter, value):
            return HeaderCredential(parameter.lower(), (value,), _one_value)
        case _:
            return None


def _basic(values: tuple[str, ...]) -> str:
    pair = ":".join(values)
    return f"Basic {b64encode(pair.encode()).decode('ascii')}"


def _one_value(values: tuple[str, ...]) -> str:
    return values[0]


def _query(parameter: str, value: str) -> dict[str, Any]:
    pair = f"{quote(parameter, safe='')}={quote(value, safe='')}"
    return {"@type": PER_ROUTE, "filter_context": {"name": parameter, "pair": pair}}


FIELD: Final = "endpointSecurity"


def _check(root: Mapping, report: Report) -> None:
    for owner, pointer in ((root, "#"), *operation_nodes(root)):
        for kind in ENDPOINT_KINDS:
            for endpoint, here in endpoint_nodes(owner, kind, pointer):
                security = endpoint.entries.get(FIELD)
                if isinstance(security, Mapping) and is_true(security, "enabled"):
                    _check_security(security, below(here, FIELD), report)


def _check_security(security: Mapping, pointer: str, report: Report) -> None:
    kind = security.entries.get("securityType")
    if kind is None:
        message = "required key [securityType] not found"
        hint = (
            "Add securityType with secretName and the keys of user name and password,"
            " or of the API key."
        )
        report.add(codes.MISSING, message, mark(security, pointer), hint)
    elif isinstance(kind, Mapping) and (
        "in" not in kind.entries or text_at(kind, "in") == "Header"
    ):
        spot = below(pointer, "securityType")
        check_text(kind, "apiKeyNameKey", header_fault, codes.HEADER, report, spot)


_BASIC: Final = Record(
    {"secretName": NAME, "userNameKey": NAME, "passwordKey": NAME},
    ("secretName", "userNameKey", "passwordKey"),
)
_API_KEY: Final = Record(
    {
        "secretName": NAME,
        "in": Text(one_of=("Header", "Query")),
        "apiKeyNameKey": NAME,
        "apiKeyValueKey": NAME,
    },
    ("secretName", "apiKeyNameKey", "apiKeyValueKey"),
)
conf_part = ConfPart(
    fields=(
        ConfField(
            FIELD,
            places=("endpoint",),
            shape=Record({"enabled": FLAG, "securityType": OneOf((_BASIC, _API_KEY))}),
            descriptions={
                FIELD: "What the gateway sends to the backend to say who it is.",
                f"{FIELD}.enabled": "true sends it. false when left out.",
                f"{FIELD}.securityType": (
                    "User name and password (Basic), or an API key; the values are named secrets."
                ),
                "securityType.secretName": "Name of the secret; see `kapi secret`.",
                "securityType.userNameKey": "Key of the user name in the secret.",
                "securityType.passwordKey": "Key of the password in the secret.",
                "securityType.in": "Where the API key is sent: Header when left out, or Query.",
                "securityType.apiKeyNameKey": "Name of the header or query parameter itself.",
                "securityType.apiKeyValueKey": "Key of the API key in the secret.",
            },
        ),
    ),
    check=_check,
)
