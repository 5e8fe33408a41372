"""The public address in place of the backend's in answers: `Location` and cookie paths.

Field `routing` of the apk-conf.

On unless the conf says otherwise, for the origins of the endpoints themselves: a URL of any other
origin passes as it is. It is a script, since no filter of Envoy changes a part of a header's value.
A matcher skips it for answers that have neither header, which costs a call a fifth of what the
script would. A filter behind a matcher has no configuration of the route, so the script reads the
route's metadata.
"""

from __future__ import annotations

from typing import Any, ClassVar

from kapi.apis.conf.policy_part import ConfField, ConfPart
from kapi.apis.conf.shapes import FLAG
from kapi.apis.ir import Endpoint
from kapi.apis.model.conf import ApiConf, OperationConf
from kapi.dataclass import dataclass
from kapi.policies.contract import EnvoyRoute, HttpFilter, Phase, Place
from kapi.policies.kubernetes import KubernetesPlace, KubernetesRoute
from kapi.policies.lua import script

name = "public_address"
phase = Phase.TRANSFORM

FIELD = "rewriteLocations"
FILTER = "kapi.public_address"
_MATCHER = (
    "type.googleapis.com/envoy.extensions.common.matching.v3.ExtensionWithMatcher"
)
_SKIP = (
    "type.googleapis.com/envoy.extensions.filters.common.matcher.action.v3.SkipFilter"
)
_INPUT = "type.googleapis.com/envoy.type.matcher.v3.HttpResponseHeaderMatchInput"
_LUA = "type.googleapis.com/envoy.extensions.filters.http.lua.v3.Lua"


def _there(header: str) -> dict[str, Any]:
    source = {"name": header, "typed_config": {"@type": _INPUT, "header_name": header}}
    return {
        "single_predicate": {
            "input": source,
            "value_match": {"safe_regex": {"regex": ".*", "google_re2": {}}},
        }
    }


_NEITHER = {
    "not_matcher": {
        "or_matcher": {"predicate": [_there("location"), _there("set-cookie")]}
    }
}
_MATCHERS = [
    {
        "predicate": _NEITHER,
        "on_match": {"action": {"name": "skip", "typed_config": {"@type": _SKIP}}},
    }
]
_SCRIPT = {
    "@type": _LUA,
    "clear_route_cache": False,
    "default_source_code": {"inline_string": script("public_address")},
}
_CONFIG = {
    "@type": _MATCHER,
    "extension_config": {"name": FILTER, "typed_config": _SCRIPT},
    "xds_matcher": {"matcher_list": {"matchers": _MATCHERS}},
}
filters = (HttpFilter(phase, FILTER, _CONFIG),)
_DEFAULT_PORTS = {"http": 80, "https": 443}


@dataclass(frozen=True, slots=True)
class PublicAddress:
    """The conf leaves answers as the backend has made them."""

    policy: ClassVar[str] = name
    rewritten: bool = False


def compile(conf: ApiConf, operation: OperationConf) -> PublicAddress | None:  # noqa: ARG001
    """A node where the conf says that nothing is rewritten."""
    if conf.field(FIELD, default=True):
        return None
    return PublicAddress()


def envoy(node: PublicAddress, place: Place) -> EnvoyRoute:  # noqa: ARG001 - the policy contract
    """No part of its own: `everywhere` makes the part of all operations."""
    return EnvoyRoute()


def kubernetes(node: PublicAddress | None, at: KubernetesPlace) -> KubernetesRoute:  # noqa: ARG001
    """Answers pass as the backend has made them."""
    return KubernetesRoute()


def everywhere(place: Place) -> EnvoyRoute | None:
    """The script, with what it needs to know of the place."""
    if any(node.policy == "redirect" for node in place.operation.policies):
        return None
    # Relative to the name that the caller used (RFC 9110 §10.2.2), if the host has several.
    public = "" if len(place.hosts) > 1 else place.gateway.origin(place.host)
    origins = {
        written
        for endpoint in place.endpoints
        for address in endpoint.addresses
        for written in _origins(address)
    }
    # One text takes a fifth of the memory of a list and members, in each route.
    texts = (
        " ".join(sorted(origins)),
        place.endpoint.base_path,
        place.base_path,
        public,
    )
    return EnvoyRoute(metadata={FILTER: {"place": "\t".join(texts)}})


def _origins(endpoint: Endpoint) -> list[str]:
    """How a backend may write its own (RFC 6454 §6.2), in small letters."""
    origin = f"{endpoint.scheme}://{endpoint.authority}".lower()
    usual = _DEFAULT_PORTS[endpoint.scheme]
    if endpoint.port == usual:
        return [origin, f"{origin}:{usual}"]
    return [origin]


conf_part = ConfPart(
    fields=(
        ConfField(
            FIELD,
            places=("routing",),
            shape=FLAG,
            descriptions={
                f"routing.{FIELD}": (
                    "false leaves `Location` and cookie paths of answers as the backend made them. "
                    "true when left out."
                )
            },
        ),
    )
)
