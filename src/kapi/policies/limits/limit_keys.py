"""Limits by keys of interceptors (`rateLimitKeys`; settings `subscriptions.key_limits`).

The contract with the policy that asks the interceptor: before the `limit_keys` phase it sets the
request header `HEADER` to `header_value(keys)`: `name=value` pairs joined by `&`, name and value
percent-encoded (RFC 3986 unreserved characters stay). The edge removes what a client sends by that
name, the filter here removes it before the backend. Each pair counts against the limit that the
settings have for its name and value, else for its name and any value; a pair without a limit counts
for nothing. Over a limit: 429, code 900806. The filter is on where the conf has an Interceptor; a
policy that brings interceptors by itself adds `route(place)`.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import ClassVar
from urllib.parse import quote

from kapi.apis.conf.policy_part import NOTHING
from kapi.apis.model.conf import ApiConf, OperationConf
from kapi.dataclass import dataclass
from kapi.policies.admission import FILTER, ON, part
from kapi.policies.contract import EnvoyRoute, HttpFilter, Phase, Place
from kapi.policies.kubernetes import KubernetesPlace, KubernetesRoute, not_possible

name = "limit_keys"
phase = Phase.LIMIT_KEYS
conf_part = NOTHING
"""The policy Interceptor switches it on."""

KEYS_FILTER = "kapi.limit_keys"
HEADER = "x-kapi-limit-keys"
filters = (
    HttpFilter(
        phase, KEYS_FILTER, part("keys"), disabled=True, on_demand=True, counts=True
    ),
)


@dataclass(frozen=True, slots=True)
class LimitKeys:
    """Count the keys that an interceptor supplies."""

    policy: ClassVar[str] = name


def header_value(keys: Mapping[str, str]) -> str:
    """The keys as the header holds them."""
    return "&".join(
        f"{quote(key, safe='')}={quote(value, safe='')}" for key, value in keys.items()
    )


def compile(conf: ApiConf, operation: OperationConf) -> LimitKeys | None:
    """Only where an interceptor sees the request."""
    asked = any(
        item.name == "Interceptor"
        for item in (*conf.policies.request, *operation.policies.request)
    )
    if asked:
        return LimitKeys()
    return None


def envoy(node: LimitKeys, place: Place) -> EnvoyRoute:  # noqa: ARG001 - the policy contract
    """Switch the filter on, and say whose limits hold."""
    return route(place)


def kubernetes(node: LimitKeys | None, at: KubernetesPlace) -> KubernetesRoute:  # noqa: ARG001
    """Not possible."""
    return not_possible(
        "limits by keys of interceptors need kapi's gateway",
        "Remove the Interceptor.",
    )


def route(place: Place) -> EnvoyRoute:
    """What a route needs so that keys count on it; also for interceptors that no conf names."""
    return EnvoyRoute(
        {KEYS_FILTER: ON},
        remove_request_headers=(HEADER,),
        metadata={FILTER: {"organization": place.api.organization}},
    )
