"""Answers of a backend are used again while they are fresh (kapi's own `ResponseCache`; RFC 9111).

By a WebAssembly module inside Envoy (`wasm/cache`), whose threads share a bounded number of
answers. It acts after all that refuses and counts calls. What is behind it, such as interceptors
and scripts, sees only calls that are for the backend.
"""

from __future__ import annotations

import hashlib
from typing import ClassVar, Final

from kapi.apis.conf.policy_part import ConfPart, ListedPolicy
from kapi.apis.conf.shapes import Record, Whole
from kapi.apis.model.conf import ApiConf, OperationConf, policy_named
from kapi.dataclass import dataclass
from kapi.policies.admission import ON
from kapi.policies.authentication.node import Authentication
from kapi.policies.callers.basic_authentication import BasicAuthentication
from kapi.policies.callers.browser_sign_in.node import BrowserSignIn
from kapi.policies.callers.external_authorization import ExternalAuthorization
from kapi.policies.contract import EnvoyRoute, HttpFilter, Phase, Place
from kapi.policies.kubernetes import KubernetesPlace, KubernetesRoute, not_possible
from kapi.policies.own_modules import built, module_filter

name = "response_cache"
phase = Phase.CACHE

POLICY: Final = "ResponseCache"
FILTER: Final = "kapi.cache"
"""Also the name of the route metadata that the module reads."""
MODULE: Final = built("cache")
filters = (
    HttpFilter(
        phase,
        FILTER,
        module_filter(FILTER, FILTER, MODULE),
        disabled=True,
        on_demand=True,
    ),
)
_LONGEST: Final = 24 * 3600
_LARGEST: Final = 64 * 1024
_USUAL: Final = 16 * 1024
_OTHER_REQUESTS: Final = (
    *("x-http-method", "x-http-method-override", "x-method-override"),
    *("x-host", "x-http-destinationurl"),
)
"""Headers by which frameworks take a request for another one, whose answer would be stored for all.

The edge removes others (`apis/reserved_headers.py`).
"""
_BY_CALLER: Final = (BasicAuthentication, BrowserSignIn, ExternalAuthorization)
"""Policies by which an answer may depend on the caller, besides credentials."""


@dataclass(frozen=True, slots=True)
class ResponseCache:
    """Seconds that an answer is fresh which does not say it, and the bytes of a body at most."""

    policy: ClassVar[str] = name
    lifetime: int = 0
    largest: int = _USUAL


def compile(conf: ApiConf, operation: OperationConf) -> ResponseCache | None:
    """The one policy of the list."""
    item = policy_named(conf.policies_of(operation).response, POLICY)
    if item is None:
        return None
    return ResponseCache(
        item.parameter("lifetimeSeconds", 0), item.parameter("maxBodyBytes", _USUAL)
    )


def envoy(node: ResponseCache, place: Place) -> EnvoyRoute:
    """Switch the filter on, and tell `wasm/cache/src/filter.rs` whose answers these are."""
    # Another organization may deploy an API with the id of one that was removed.
    owner = _digest((place.api.organization, place.api.id, place.sandbox))
    # A deployment that changes the operation or its backends makes what is stored wrong.
    mark = _digest((place.operation, place.endpoints))
    personal = int(_depends_on_caller(place))
    config = "\t".join(map(str, (owner, mark, node.lifetime, node.largest, personal)))
    metadata = {FILTER: {"id": _digest(config), "config": config}}
    unseen = _OTHER_REQUESTS if place.operation.verb == "GET" else ()
    return EnvoyRoute({FILTER: ON}, metadata=metadata, remove_request_headers=unseen)


def _digest(value: object) -> str:
    return hashlib.sha256(repr(value).encode()).hexdigest()[:32]


def _depends_on_caller(place: Place) -> bool:
    """Whether callers are told apart by more than the headers Authorization and Cookie."""
    for item in place.operation.policies:
        if isinstance(item, _BY_CALLER):
            return True
        if isinstance(item, Authentication) and item.required:
            return True
    return False


def kubernetes(node: ResponseCache, at: KubernetesPlace) -> KubernetesRoute:  # noqa: ARG001
    """Not possible: Envoy Gateway has no field for a cache."""
    return not_possible(
        "a cache of responses",
        "Remove ResponseCache, or deploy the API to kapi's gateway.",
    )


conf_part = ConfPart(
    listed=(
        ListedPolicy(
            POLICY,
            flows=("response",),
            parameters=Record(
                {
                    "lifetimeSeconds": Whole(0, _LONGEST),
                    "maxBodyBytes": Whole(1, _LARGEST),
                }
            ),
            descriptions={
                "lifetimeSeconds": (
                    "How long an answer is used that does not say it; 0, not at all, when left out."
                ),
                "maxBodyBytes": f"Larger answers are not stored; {_USUAL} when left out.",
            },
            example={"lifetimeSeconds": 60},
            once=True,
            needs_parameters=False,
            types=("REST",),
        ),
    ),
)
