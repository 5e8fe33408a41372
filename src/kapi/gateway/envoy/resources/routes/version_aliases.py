"""Semantic-version routing (setting `gateway.version_routing`). Pure; for `scopes.py`.

`/orders/v1/…` leads to the newest deployed `v1.x`. Versions are written `vX.Y`. An API that is also
a default version takes no part, and the base path of a deployed API wins.
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


_VERSION = re.compile(r"v(0|[1-9]\d{0,8})\.(0|[1-9]\d{0,8})")


def aliases(apis: Sequence[Versioned]) -> Mapping[str, str]:
    """API id → the base path besides its own. `apis` are all of one scope, or all."""
    newest: dict[tuple[str, str, str], tuple[int, str]] = {}
    for api in apis:
        version = _VERSION.fullmatch(api.version)
        own_segment = f"/{api.version}"
        if not api.base_path.endswith(own_segment):
            # A gRPC API has the version within a segment, by which Envoy finds its scope.
            continue
        bare = api.base_path.removesuffix(own_segment)
        if version is None or not bare or api.default_base_path is not None:
            continue
        where = (api.organization, api.environment, f"{bare}/v{version[1]}")
        newest[where] = max(newest.get(where, (-1, "")), (int(version[2]), api.id))
    deployed = {
        (api.organization, api.environment, path) for api in apis for path in api.base_paths
    }
    return {api_id: where[2] for where, (_, api_id) in newest.items() if where not in deployed}
