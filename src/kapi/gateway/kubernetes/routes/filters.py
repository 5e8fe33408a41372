"""Filters of a rule: headers, mirrors, and the HTTPRouteFilter with everything else. Pure."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any, Final
from urllib.parse import urlsplit

from kapi.apis.ir import Endpoint
from kapi.gateway.envoy.resources.clusters import authority
from kapi.gateway.envoy.resources.routes.paths import Rewrite
from kapi.gateway.kubernetes.objects import ENVOY_GROUP
from kapi.policies import Place
from kapi.policies.contract import HeaderCredential
from kapi.policies.kubernetes import HeaderChanges, NotPossible
from kapi.settings import GatewaySettings

MOST_CHANGES: Final = 16
"""Headers that one list of a modifier can have."""
_ALL: Final = "^.*$"


def modifier(kind: str, changes: HeaderChanges) -> list[dict[str, Any]]:
    """A RequestHeaderModifier or ResponseHeaderModifier; none if it would change nothing."""
    lists: dict[str, list[Any]] = {
        "set": _pairs(changes.set),
        "add": _pairs(changes.add),
        "remove": list(changes.remove),
    }
    given = {}
    for name, values in lists.items():
        if values:
            given[name] = values
    if not given:
        return []
    field = f"{kind[0].lower()}{kind[1:]}"
    return [{"type": kind, field: given}]


def _pairs(values: Iterable[tuple[str, str]]) -> list[dict[str, str]]:
    # Envoy takes a `%` for the start of a variable; Envoy Gateway passes it on.
    return [{"name": name, "value": value.replace("%", "%%")} for name, value in values]


def too_many(changes: HeaderChanges) -> tuple[NotPossible, ...]:
    """A list that is too long for a modifier."""
    if max(len(changes.set), len(changes.add), len(changes.remove)) <= MOST_CHANGES:
        return ()
    what = f"more than {MOST_CHANGES} headers in one list"
    return (NotPossible(what, "Change fewer headers of one operation."),)


def forwarded(place: Place) -> HeaderChanges:
    """Headers with the public address, for backends (RFC 7239 §5)."""
    gateway: GatewaySettings = place.gateway
    address = urlsplit(gateway.origin(place.host)).netloc
    port = str(gateway.public_port or gateway.port)
    values = (
        ("x-forwarded-host", address),
        ("x-forwarded-port", port),
        ("forwarded", f'host="{address}";proto=https'),
        ("x-forwarded-prefix", place.base_path or "/"),
    )
    return HeaderChanges(set=values)


def rewritten(rewrite: Rewrite, endpoints: tuple[Endpoint, ...]) -> dict[str, Any]:
    """`urlRewrite` of an HTTPRouteFilter: the path and host that the backend expects."""
    pattern = rewrite.pattern or _ALL
    replace = {"pattern": pattern, "substitution": rewrite.substitution}
    host: dict[str, Any] = {"type": "Backend"}
    authorities = set(map(authority, endpoints))
    if len(authorities) == 1:
        # A hostname of Gateway API has no port, so it is written as a rewrite of any path.
        host = {"type": "PathRegex", "pathRegex": {"pattern": _ALL}}
        host["pathRegex"]["substitution"] = authorities.pop()
    return {
        "path": {"type": "ReplaceRegexMatch", "replaceRegexMatch": replace},
        "hostname": host,
        "appendXForwardedHost": False,
    }


def injected(credential: HeaderCredential, secret: str) -> dict[str, Any]:
    """`credentialInjection` of an HTTPRouteFilter."""
    return {
        "header": credential.header,
        "overwrite": True,
        "credential": {"valueRef": {"name": secret}},
    }


def extension(name: str) -> dict[str, Any]:
    """The filter that names an HTTPRouteFilter."""
    reference = {"group": ENVOY_GROUP, "kind": "HTTPRouteFilter", "name": name}
    return {"type": "ExtensionRef", "extensionRef": reference}
