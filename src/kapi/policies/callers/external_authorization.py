"""A service of the API decides on each call (kapi's own policy `ExternalAuthorization`).

Envoy asks it by its filter `ext_authz`, over HTTP or by the gRPC service
`envoy.service.auth.v3.Authorization`. It is asked after tokens, scopes and subscriptions, and
before limits. A service that does not answer refuses, unless the conf says otherwise.
"""

from __future__ import annotations

import re
from collections.abc import Iterable
from dataclasses import replace
from typing import Any, ClassVar, Final

from kapi.apis import report as codes
from kapi.apis.conf.nodes import is_text, items_at, text_at
from kapi.apis.conf.policy_part import ConfPart, ListedPolicy
from kapi.apis.conf.shapes import FLAG, NAME, Items, Record, Text, Whole
from kapi.apis.header_rules import header_fault
from kapi.apis.ir import Endpoint, SecretRef
from kapi.apis.model.conf import (
    ApiConf,
    OperationConf,
    PolicyConf,
    policies_named,
    policy_named,
)
from kapi.apis.model.rules import Fault, endpoint_of
from kapi.apis.report import Report, below
from kapi.apis.yaml_positions import Mapping, Scalar, key_mark, mark
from kapi.dataclass import dataclass
from kapi.policies.composite import BY_ROUTE, on_route
from kapi.policies.contract import EnvoyRoute, HttpFilter, Phase, Place
from kapi.policies.kubernetes import KubernetesPlace, KubernetesRoute, not_possible
from kapi.policies.streams.conf import FIELD as STREAM

name = "external_authorization"
phase = Phase.ASK
FILTER = "kapi.filters.http.external_authorization"
_FILTERS: Final = "type.googleapis.com/envoy.extensions.filters.http."
filters = (HttpFilter(phase, FILTER, BY_ROUTE, disabled=True),)

POLICY: Final = "ExternalAuthorization"
HTTP, GRPC = "HTTP", "GRPC"
_MOST_HEADERS: Final = 30
_LONGEST: Final = 60_000
_LARGEST_BODY: Final = 1024 * 1024
_LARGEST_REFUSAL: Final = 64 * 1024
_LISTS: Final = (
    "requestHeaders",
    "backendHeaders",
    "removedHeaders",
    "responseHeaders",
)


@dataclass(frozen=True, slots=True)
class ExternalAuthorization:
    """The service, and what it is sent and may change. Header names are in small letters."""

    policy: ClassVar[str] = name
    endpoint: Endpoint
    protocol: str = HTTP
    request_headers: tuple[str, ...] = ("authorization",)
    """What the service sees, besides method, path and host."""
    backend_headers: tuple[str, ...] = ()
    """What it may set for the backend; callers cannot set these."""
    removed_headers: tuple[str, ...] = ()
    """What the backend does not get."""
    response_headers: tuple[str, ...] = ()
    """What callers get of its answer, where the call goes on."""
    body_bytes: int = 0
    timeout_millis: int = 1000
    fail_open: bool = False


def compile(conf: ApiConf, operation: OperationConf) -> ExternalAuthorization | None:
    """The one policy of the list."""
    item = policy_named(conf.policies_of(operation).request, POLICY)
    if item is None:
        return None
    return _node(item)


def _node(item: PolicyConf) -> ExternalAuthorization | None:
    endpoint = endpoint_of(item.parameter("url"))
    if isinstance(endpoint, Fault):
        return None
    names = item.parameter("tlsSecretName"), item.parameter("tlsSecretKey")
    certificate = SecretRef(*names, item.mark) if all(names) else None
    protocol = item.parameter("protocol", HTTP)
    sent = item.parameter("requestHeaders")
    return ExternalAuthorization(
        replace(endpoint, certificate=certificate, http2=protocol == GRPC),
        protocol,
        ("authorization",) if sent is None else _small(sent),
        _small(item.parameter("backendHeaders", ())),
        _small(item.parameter("removedHeaders", ())),
        _small(item.parameter("responseHeaders", ())),
        item.parameter("bodyBytes", 0),
        item.parameter("timeoutMillis", 1000),
        item.parameter("failOpen", default=False),
    )


def _small(names: Iterable[str]) -> tuple[str, ...]:
    return tuple(dict.fromkeys(item.lower() for item in names))


def envoy(node: ExternalAuthorization, place: Place) -> EnvoyRoute:
    """The filter with all it needs on this route alone."""
    chain = [{"name": "ext_authz", "typed_config": _authorization(node, place)}]
    forged = [item for item in node.backend_headers if item not in node.request_headers]
    if forged:
        # A caller must not set what the service alone may set.
        removals = [{"remove": item} for item in forged]
        mutation = {
            "@type": f"{_FILTERS}header_mutation.v3.HeaderMutation",
            "mutations": {"request_mutations": removals},
        }
        chain.insert(0, {"name": "forged_headers", "typed_config": mutation})
    return EnvoyRoute(
        {FILTER: on_route(name, chain)},
        remove_request_headers=node.removed_headers,
        sets_request_headers=node.backend_headers,
        route={"request_body_buffer_limit": node.body_bytes} if node.body_bytes else {},
    )


def _authorization(node: ExternalAuthorization, place: Place) -> dict[str, Any]:
    config: dict[str, Any] = {
        "@type": f"{_FILTERS}ext_authz.v3.ExtAuthz",
        "transport_api_version": "V3",
        "failure_mode_allow": node.fail_open,
        "status_on_error": {"code": "InternalServerError"},
        "validate_mutations": True,
        "allowed_headers": _exactly(node.request_headers),
        "decoder_header_mutation_rules": _changes(node.backend_headers),
        "max_denied_response_body_bytes": _LARGEST_REFUSAL,
        "enforce_response_header_limits": True,
    }
    if "authorization" not in node.request_headers:
        # Envoy sends this one unasked.
        config["disallowed_headers"] = _exactly(["authorization"])
    if node.body_bytes:
        config["with_request_body"] = {
            "max_request_bytes": node.body_bytes,
            "pack_as_bytes": node.protocol == GRPC,
        }
    cluster, timeout = (
        place.cluster(node.endpoint),
        f"{node.timeout_millis / 1000:.3f}s",
    )
    if node.protocol == GRPC:
        service = {"cluster_name": cluster, "authority": node.endpoint.authority}
        return config | {"grpc_service": {"envoy_grpc": service, "timeout": timeout}}
    uri = f"{node.endpoint.scheme}://{node.endpoint.authority}"
    return config | {
        "http_service": {
            "server_uri": {"uri": uri, "cluster": cluster, "timeout": timeout},
            "path_prefix": node.endpoint.base_path,
            "authorization_response": {
                "allowed_upstream_headers": _exactly(node.backend_headers),
                "allowed_client_headers_on_success": _exactly(node.response_headers),
            },
        }
    }


def _exactly(names: Iterable[str]) -> dict[str, Any]:
    """Envoy refuses an empty list; without one it would take all. No header has a blank."""
    return {"patterns": [{"exact": item} for item in names] or [{"exact": " "}]}


def _changes(names: Iterable[str]) -> dict[str, Any]:
    """Only these headers of a request may be changed."""
    rules: dict[str, Any] = {"disallow_all": True}
    allowed = "|".join(map(re.escape, names))
    if allowed:
        rules["allow_expression"] = {"regex": allowed}
    return rules


def kubernetes(node: ExternalAuthorization, at: KubernetesPlace) -> KubernetesRoute:  # noqa: ARG001
    """Not possible: `extAuth` limits neither the changes of the service nor what it may see."""
    return not_possible(
        "an authorization service with limits on the headers that it may change",
        "Remove ExternalAuthorization, or deploy the API to kapi's gateway.",
    )


def _check(parameters: Mapping, pointer: str, report: Report) -> None:
    _check_url(parameters, pointer, report)
    for key in _LISTS:
        for node, here in items_at(parameters, key, pointer):
            if isinstance(node, Scalar) and isinstance(node.value, str) and node.value:
                fault = header_fault(node.value)
                if fault is not None:
                    report.add(
                        codes.HEADER, fault.message, mark(node, here), fault.hint
                    )
    if (
        text_at(parameters, "protocol") == GRPC
        and "responseHeaders" in parameters.entries
    ):
        place = key_mark(parameters, "responseHeaders", pointer)
        hint = "Remove it: a gRPC service names them in response_headers_to_add."
        report.add(
            codes.COMBINATION, "responseHeaders is for the protocol HTTP", place, hint
        )
    for given, other in (
        ("tlsSecretName", "tlsSecretKey"),
        ("tlsSecretKey", "tlsSecretName"),
    ):
        if given in parameters.entries and other not in parameters.entries:
            place = key_mark(parameters, given, pointer)
            hint = f"Add {other}, or remove it."
            report.add(codes.COMBINATION, f"{given} without {other}", place, hint)


def _check_streams(conf: ApiConf, report: Report) -> None:
    """Refuse to wait for the end of a stream, which has none."""
    for operation in conf.operations:
        if operation.field(STREAM) is None:
            continue
        for item in policies_named(conf.policies_of(operation).request, POLICY):
            if item.parameter("bodyBytes"):
                message = f"{POLICY} cannot get the body of {operation.verb} {operation.target}"
                hint = "It is a stream, which has no end: remove bodyBytes."
                report.add(codes.COMBINATION, message, item.mark, hint)


def _check_url(parameters: Mapping, pointer: str, report: Report) -> None:
    url, text = parameters.entries.get("url"), text_at(parameters, "url")
    if url is None or not is_text(url):
        return
    endpoint = endpoint_of(text)
    here = mark(url, below(pointer, "url"))
    if isinstance(endpoint, Fault):
        message = endpoint.message.replace("endpoint", "url", 1)
        report.add(codes.ENDPOINT, message, here, endpoint.hint)
    elif endpoint.base_path and text_at(parameters, "protocol") == GRPC:
        hint = "Remove the path: gRPC has its own."
        report.add(codes.COMBINATION, "a gRPC service has no path", here, hint)


_HEADERS: Final = Items(Text(1, 128), _MOST_HEADERS)
conf_part = ConfPart(
    listed=(
        ListedPolicy(
            POLICY,
            flows=("request",),
            parameters=Record(
                {
                    "url": Text(1, 2048),
                    "protocol": Text(one_of=(HTTP, GRPC)),
                    **dict.fromkeys(_LISTS, _HEADERS),
                    "bodyBytes": Whole(1, _LARGEST_BODY),
                    "timeoutMillis": Whole(1, _LONGEST),
                    "failOpen": FLAG,
                    "tlsSecretName": NAME,
                    "tlsSecretKey": NAME,
                },
                ("url",),
            ),
            descriptions={
                "url": "The service. Over HTTP, the path of a call is added to that of the URL.",
                "protocol": "HTTP (when left out) or GRPC, the Authorization service of Envoy.",
                "requestHeaders": "Headers of a call that it gets; Authorization when left out.",
                "backendHeaders": "Headers that it may set for the backend; callers cannot.",
                "removedHeaders": "Headers of a call that the backend does not get.",
                "responseHeaders": "Headers of its answer for the caller of an allowed call.",
                "bodyBytes": "It also gets bodies, of this size at most; 413 for larger ones.",
                "timeoutMillis": "How long it may take, in milliseconds; 1000.",
                "failOpen": "Whether calls go on while it does not answer; false.",
                "tlsSecretName": "Name of the secret with the authorities of an https service.",
                "tlsSecretKey": "Key of the certificates (PEM) in that secret.",
            },
            example={"url": "http://decisions:8080/check"},
            check=_check,
            once=True,
        ),
    ),
    check_conf=_check_streams,
)
