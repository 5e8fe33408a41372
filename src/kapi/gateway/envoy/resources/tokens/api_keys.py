"""The script that reads credentials where a conf says they are, with the records of API keys. Pure.

It contains only digests of opaque keys, so no key can be read from Envoy's configuration. It
travels by ECDS.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

from kapi.gateway.envoy.resources.lua_values import lua
from kapi.gateway.envoy.resources.names import typed
from kapi.policies.authentication import CREDENTIALS_FILTER
from kapi.policies.lua import script

_RULES = script("sha256", "key_rules")
_CREDENTIALS = script("credentials")
_IN_ONE_FUNCTION = 500
"""Lua takes 65,536 constants in one function."""


def credentials_filter(
    keys: Iterable[tuple[str, str, Mapping[str, Any]]] = (),
) -> dict[str, Any]:
    """The ECDS resource for opaque keys: (id, SHA-256 of the secret as hex, claims)."""
    entries = [
        f"KEYS[{lua(key)}]={lua({**claims, 'digest': digest})}"
        for key, digest, claims in sorted(keys, key=lambda item: item[0])
    ]
    parts = [
        "\n".join(entries[start : start + _IN_ONE_FUNCTION])
        for start in range(0, len(entries), _IN_ONE_FUNCTION)
    ]
    records = "\n".join(
        ["local KEYS = {}", *(f"(function()\n{part}\nend)();" for part in parts)]
    )
    source = {"inline_string": f"{_RULES}\n{records}\n{_CREDENTIALS}"}
    # A credential does not decide the route, and finding it anew costs time.
    config = typed(
        "envoy.extensions.filters.http.lua.v3.Lua",
        clear_route_cache=False,
        default_source_code=source,
    )
    return {"name": CREDENTIALS_FILTER, "typed_config": config}
