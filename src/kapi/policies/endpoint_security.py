"""Credentials that the gateway sends to a backend (apk-conf `endpointSecurity`): Basic (RFC 7617) or an API key, from named secrets.

Whatever a caller sends under the same name is replaced: a caller must not choose who the backend takes the gateway for.
"""

from __future__ import annotations

from base64 import b64encode
from dataclasses import dataclass
from typing import Any, ClassVar
from urllib.parse import quote

from kapi.apis.conf.model import ApiConf, OperationConf
from kapi.apis.ir import ApiKeyCredential, BasicCredentials
from kapi.policies.contract import EnvoyRoute, HttpFilter, Phase, Place, literal_header

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
    local name = pair:match("^[^=]*"):gsub("+", " "):gsub("%%(%x%x)", function(hex) return string.char(tonumber(hex, 16)) end)
    if name ~= context:get("name") then
      kept[#kept + 1] = pair
    end
  end
  kept[#kept + 1] = context:get("pair")
  handle:headers():replace(":path", path .. "?" .. table.concat(kept, "&"))
end
"""
"""Envoy's own query mutation decodes the other parameters' names and does not encode them again, so `a%26b=1` would become two."""
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


def compile(conf: ApiConf, operation: OperationConf) -> EndpointSecurity | None:  # noqa: A001 - the verb of the policy contract
    """A node where an endpoint that the operation uses wants credentials."""
    used = (*(operation.production or conf.production), *(operation.sandbox or conf.sandbox))
    return EndpointSecurity() if any(endpoint.security for endpoint in used) else None


def envoy(node: EndpointSecurity, place: Place) -> EnvoyRoute:  # noqa: ARG001 - the policy contract
    """The header, or the query parameter. All endpoints of a place have the same credentials."""
    match place.endpoint.security:
        case BasicCredentials(username, password):
            pair = f"{place.secret(username) or ''}:{place.secret(password) or ''}"
            return EnvoyRoute(
                request_headers_to_add=[
                    literal_header(
                        "authorization", f"Basic {b64encode(pair.encode()).decode('ascii')}"
                    )
                ]
            )
        case ApiKeyCredential("Header", parameter, value):
            return EnvoyRoute(
                request_headers_to_add=[
                    literal_header(parameter.lower(), place.secret(value) or "")
                ]
            )
        case ApiKeyCredential(_, parameter, value):
            return EnvoyRoute({FILTER: _query(parameter, place.secret(value) or "")})
        case _:
            return EnvoyRoute()


def _query(parameter: str, value: str) -> dict[str, Any]:
    pair = f"{quote(parameter, safe='')}={quote(value, safe='')}"
    return {"@type": PER_ROUTE, "filter_context": {"name": parameter, "pair": pair}}
