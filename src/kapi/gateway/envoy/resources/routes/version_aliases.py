"""Semantic-version routing (setting `gateway.version_routing`). Pure; for `scopes.py`.

`/orders/v1/…` leads to the newest deployed `v1.x`, and for gRPC `/org.apk.v1.Orders/…` to the
newest that has the service: each service has a scope of its own. Versions are written `vX.Y`. An
API that is also a default version takes no part, and the base path of a deployed API wins.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from typing import Protocol


class Versioned(Protocol):
    """What counts here of an API, as compiled or as stored."""

    @property
    def id(self) -> str: ...
    @property
    def organization(self) -> str: ...
    @property
    def environment(self) -> str: ...
    @property
    def version(self) -> str: ...
    @property
    def base_path(self) -> str: ...
    @property
    def default_base_path(self) -> str | None: ...
    @property
    def base_paths(self) -> tuple[str, ...]: ...


_SEPARATORS = ("/", ".")
"""Between base path and version; a dot for gRPC."""
_VERSION = re.compile(r"v(0|[1-9]\d{0,8})\.(0|[1-9]\d{0,8})")


def alias_of(api: Versioned) -> str | None:
    """The base path that leads to the API if it is the newest; None if there is none."""
    version = _VERSION.fullmatch(api.version)
    if version is None or api.default_base_path is not None:
        return None
    for separator in _SEPARATORS:
        bare = api.base_path.removesuffix(f"{separator}{api.version}")
        if bare not in ("", api.base_path):
            return f"{bare}{separator}v{version[1]}"
    return None


def aliases(apis: Sequence[Versioned]) -> Mapping[str, str]:
    """API id → the base path besides its own. `apis` are all of one scope, or all."""
    newest: dict[tuple[str, str, str], tuple[int, str]] = {}
    for api in apis:
        alias = alias_of(api)
        if alias is not None:
            where = (api.organization, api.environment, alias)
            minor = int(api.version.partition(".")[2])
            newest[where] = max(newest.get(where, (-1, "")), (minor, api.id))
    deployed = {
        (api.organization, api.environment, path)
        for api in apis
        for path in api.base_paths
    }
    return {
        api_id: where[2]
        for where, (_, api_id) in newest.items()
        if where not in deployed
    }
