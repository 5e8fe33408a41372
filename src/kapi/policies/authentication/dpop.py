"""DPoP at an API (RFC 9449 §7; apk-conf `authentication`, kapi's own field `dpop`). Pure.

After the token filter has verified a token of `Authorization: DPoP`, a script asks the enforcer
whether the proof is good for this very request and made by the key that the verified claims name.
Used by `authentication.py`; `front/web/enforcer/proofs.py` answers.
"""

from __future__ import annotations

from typing import Any

from kapi.policies.authentication.challenge import ALGS, REALM, resource
from kapi.policies.authentication.trust import MOVED_JWT_HEADER
from kapi.policies.contract import HttpFilter, Phase, Place
from kapi.policies.lua import script
from kapi.policies.rbac import CLAIMS

FILTER = "kapi.filters.http.dpop"
HEADER = "dpop"
ENFORCER = "control"
"""The cluster of the control process."""
PATH = "/enforcer/dpop"
_LUA = "type.googleapis.com/envoy.extensions.filters.http.lua.v3.Lua"
_SCRIPT = script("json", "dpop")
CHECK = HttpFilter(
    Phase.AUTHENTICATE,
    FILTER,
    {
        "@type": _LUA,
        "clear_route_cache": False,
        "default_source_code": {"inline_string": _SCRIPT},
    },
    disabled=True,
)
"""Is between the token filter and the check of bound tokens."""


def per_route(place: Place, *, mandatory: bool) -> dict[str, Any]:
    """The configuration of one route."""
    context = {
        "mandatory": mandatory,
        "cluster": ENFORCER,
        "path": PATH,
        "timeout": place.gateway.enforcer.timeout * 1000,
        "payload": CLAIMS,
        "other": MOVED_JWT_HEADER,
        "realm": REALM,
        "more": ALGS,
        "resource": resource(place),
    }
    return {"@type": f"{_LUA}PerRoute", "filter_context": context}
