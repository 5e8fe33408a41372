"""Interceptor services (apk-conf `Interceptor`, settings `gateway.interceptors`).

Envoy asks the service itself, from a Lua filter (`lua/interceptor.lua`), so a call never passes
through Python: measured, a hop through ext_proc or gRPC ext_authz costs three times as much
(docs/benchmarks.md). A service that fails gives a 500 of ours.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable, Iterable, Iterator
from dataclasses import replace
from typing import Any, ClassVar

from kapi.apis import report as codes
from kapi.apis.conf.nodes import is_text, text_at
from kapi.apis.conf.policy_part import ConfPart, ListedPolicy
from kapi.apis.conf.shapes import FLAG, NAME, Record, Text
from kapi.apis.ir import Api, Endpoint, SecretRef
from kapi.apis.model.conf import ApiConf, OperationConf, PolicyConf
from kapi.apis.model.rules import Fault, endpoint_of
from kapi.apis.report import Report, below
from kapi.apis.yaml_positions import Mapping, key_mark, mark
from kapi.dataclass import dataclass
from kapi.policies.authentication.node import Authentication
from kapi.policies.contract import EnvoyRoute, HttpFilter, Phase, Place
from kapi.policies.kubernetes import KubernetesPlace, KubernetesRoute, not_possible
from kapi.policies.limits import limit_keys
from kapi.policies.lua import script
from kapi.settings import InterceptorSettings
from kapi.typed import of_kind

name = "interceptor"
phase = Phase.MEDIATE

FILTER = "kapi.interceptor"
_LUA = "type.googleapis.com/envoy.extensions.filters.http.lua.v3."
_SOURCE = {"source_codes": {name: {"inline_string": script("json", "interceptor")}}}
filters = (
    HttpFilter(
        phase,
        FILTER,
        {"@type": _LUA + "Lua", "clear_route_cache": False, **_SOURCE},
        disabled=True,
    ),
)

ENDPOINT_HEADER = "x-kapi-endpoint"
"""Set by the script if a service names the other kind of endpoint; removed from requests."""
REQUEST_PATH = "/api/v1/handle-request"
RESPONSE_PATH = "/api/v1/handle-response"
_KINDS = {"OAuth2": "JWT", "JWT": "JWT", "APIKey": "API Key"}


@dataclass(frozen=True, slots=True)
class Service:
    """One interceptor service in one flow, and what of the message it gets."""

    endpoint: Endpoint
    headers: bool = False
    body: bool = False
    trailers: bool = False
    context: bool = False


@dataclass(frozen=True, slots=True)
class Interceptors:
    """The services of one operation in the order in which they are asked."""

    policy: ClassVar[str] = name
    request: tuple[Service, ...] = ()
    response: tuple[Service, ...] = ()


def compile(conf: ApiConf, operation: OperationConf) -> Interceptors | None:
    """API level first on the way in, operation level first on the way out."""
    request = (
        *_services(conf.policies.request),
        *_services(operation.policies.request),
    )
    response = (
        *_services(operation.policies.response),
        *_services(conf.policies.response),
    )
    if not request and not response:
        return None
    return Interceptors(request, response)


def _services(policies: Iterable[PolicyConf]) -> tuple[Service, ...]:
    made = []
    for item in policies:
        endpoint = None
        if item.name == "Interceptor":
            endpoint = endpoint_of(item.parameter("backendUrl", ""))
        if isinstance(endpoint, Endpoint):
            flags = [
                item.parameter(flag, default=False)
                for flag in (
                    "headersEnabled",
                    "bodyEnabled",
                    "trailersEnabled",
                    "contextEnabled",
                )
            ]
            names = item.parameter("tlsSecretName"), item.parameter("tlsSecretKey")
            certificate = None
            if all(names):
                certificate = SecretRef(*names, item.mark)
            made.append(Service(replace(endpoint, certificate=certificate), *flags))
    return tuple(made)


def gateway_services(
    settings: Iterable[InterceptorSettings], flow: str
) -> tuple[Service, ...]:
    """The services of the settings, on every API; their URLs were checked when read."""
    made = []
    for item in settings:
        endpoint = _settings_endpoint(item)
        if endpoint and flow in item.flows:
            made.append(
                Service(endpoint, item.headers, item.body, item.trailers, item.context)
            )
    return tuple(made)


def _settings_endpoint(item: InterceptorSettings) -> Endpoint | None:
    endpoint = endpoint_of(item.url)
    if isinstance(endpoint, Fault):
        return None
    certificate = None
    if item.tls_secret_name:
        certificate = SecretRef(item.tls_secret_name, item.tls_secret_key)
    return replace(endpoint, certificate=certificate)


def settings_endpoints(settings: Iterable[InterceptorSettings]) -> tuple[Endpoint, ...]:
    """Their addresses; an URL that is none was refused when the settings were read."""
    return tuple(
        endpoint for item in settings if (endpoint := _settings_endpoint(item))
    )


def envoy(node: Interceptors, place: Place) -> EnvoyRoute:
    """Name the services for the script; buffer as much of a body as the settings allow."""
    config = _config(node, place)
    digest = hashlib.sha256(json.dumps(config, sort_keys=True).encode()).hexdigest()[
        :16
    ]
    per_route = {
        "@type": _LUA + "LuaPerRoute",
        "name": name,
        "filter_context": {"id": digest, "of": config},
    }
    asked = bool(config["request"])
    keys = _limit_keys(node, place, asked=asked)
    return EnvoyRoute(
        {**keys.per_route, FILTER: per_route},
        remove_request_headers=(ENDPOINT_HEADER, *keys.remove_request_headers),
        metadata=keys.metadata,
        route={"request_body_buffer_limit": place.gateway.enforcer.max_body_bytes},
        other_kind_header=ENDPOINT_HEADER if asked else "",
    )


def kubernetes(node: Interceptors | None, at: KubernetesPlace) -> KubernetesRoute:  # noqa: ARG001
    """Not possible."""
    return not_possible(
        "interceptor services are asked by a script of kapi's gateway",
        "Remove Interceptor and `gateway.interceptors`, or deploy the API to kapi's gateway.",
    )


def _config(node: Interceptors, place: Place) -> dict[str, Any]:
    """What the script reads. Services of the settings are around those of the conf."""
    of_conf, of_settings = place.cluster, place.own_cluster
    settings = place.gateway.interceptors
    config: dict[str, Any] = {
        "request": [
            *_calls(node.request, place, REQUEST_PATH, of_conf),
            *_calls(
                gateway_services(settings, "request"), place, REQUEST_PATH, of_settings
            ),
        ],
        "response": [
            *_calls(
                gateway_services(settings, "response"),
                place,
                RESPONSE_PATH,
                of_settings,
            ),
            *_calls(node.response, place, RESPONSE_PATH, of_conf),
        ],
    }
    if any(item["context"] for item in (*config["request"], *config["response"])):
        config |= {
            "invocation": _invocation(place),
            "credentials": _credentials(place),
            "key_type": "SANDBOX" if place.sandbox else "PRODUCTION",
        }
    return config | {"hidden": _hidden(place), "endpoints": _endpoint_names(place)}


def _calls(
    services: Iterable[Service],
    place: Place,
    path: str,
    cluster: Callable[[Endpoint], str],
) -> Iterator[dict[str, Any]]:
    for item in services:
        yield _service(item, place, path, cluster(item.endpoint))


def _limit_keys(node: Interceptors, place: Place, *, asked: bool) -> EnvoyRoute:
    """Services of the settings may supply keys to count by where the conf names none that could."""
    if asked and not node.request:
        return limit_keys.route(place)
    return EnvoyRoute()


def everywhere(place: Place) -> EnvoyRoute | None:
    """What the settings ask for where the conf asks for nothing."""
    if not place.gateway.interceptors:
        return None
    return envoy(Interceptors(), place)


def _service(item: Service, place: Place, path: str, cluster: str) -> dict[str, Any]:
    limits = place.gateway.enforcer
    authority = item.endpoint.authority
    return {
        "cluster": cluster,
        "authority": authority,
        "path": item.endpoint.base_path + path,
        # The answer to the response flow gets what this service handed over in the request flow.
        "key": f"{item.endpoint.scheme}://{authority}{item.endpoint.base_path}",
        "timeout": limits.interceptor_timeout * 1000,
        "reply_bytes": limits.max_reply_bytes,
        "headers": item.headers,
        "body": item.body,
        "trailers": item.trailers,
        "context": item.context,
    }


def _authentication(place: Place) -> Authentication:
    return next(of_kind(place.operation.policies, Authentication), Authentication())


def _credentials(place: Place) -> list[dict[str, Any]]:
    """Where a checked credential is in a request; `bearer` if a scheme is before it."""
    node = _authentication(place)
    found = []
    if node.required:
        for item in node.credentials:
            if item.header:
                found.append(item)
    return [
        {
            "type": _KINDS[item.kind],
            "header": item.header.lower(),
            "bearer": item.kind == "OAuth2",
        }
        for item in found
    ]


def _hidden(place: Place) -> list[str]:
    """Credentials that the conf keeps from the backend, so from the services too."""
    return sorted(
        {name for item in _authentication(place).credentials for name in item.hidden}
    )


def _endpoint_names(place: Place) -> dict[str, str]:
    """Values of `dynamicEndpoint` (a kind or a cluster), and the kind that each moves the call to.

    Empty where the call stays.
    """
    other, own = (
        ("production", place.operation.production),
        ("sandbox", place.operation.sandbox),
    )
    if not place.sandbox:
        other, own = own, other
    moved = {}
    if other[1]:
        moved = dict.fromkeys((other[0], *map(place.cluster, other[1])), other[0])
    return moved | dict.fromkeys((own[0], *map(place.cluster, own[1])), "")


def _properties(properties: Iterable[tuple[str, str]]) -> str:
    """The additional properties as APK sends them: JSON without blanks, `'` in place of `"`."""
    return json.dumps(
        dict(properties), separators=(",", ":"), ensure_ascii=False
    ).replace('"', "'")


def _invocation(place: Place) -> str:
    """The constant fields of the invocation context, as JSON without the braces."""
    api, operation = place.api, place.operation
    fields = {
        "apiName": api.name,
        "apiVersion": api.version,
        "vhost": place.host,
        "supportedMethods": " ".join(sorted(_methods_of_path(api, operation.path))),
        "basePath": place.base_path,
        "pathTemplate": operation.path,
        "prodClusterName": place.cluster(operation.production[0])
        if operation.production
        else "",
        "sandClusterName": place.cluster(operation.sandbox[0])
        if operation.sandbox
        else "",
        "apiProperties": _properties(api.properties),
        "environment": api.environment,
    }
    return json.dumps(fields)[1:-1]


def _methods_of_path(api: Api, path: str) -> frozenset[str]:
    same = (item for item in api.operations if item.path == path)
    return frozenset(method for item in same for method in item.methods)


def _check(parameters: Mapping, pointer: str, report: Report) -> None:
    url = parameters.entries.get("backendUrl")
    text = text_at(parameters, "backendUrl")
    fault = endpoint_of(text)
    if url is not None and is_text(url) and isinstance(fault, Fault):
        message = fault.message.replace("endpoint", "backendUrl", 1)
        report.add(
            codes.ENDPOINT, message, mark(url, below(pointer, "backendUrl")), fault.hint
        )
    for given, other in (
        ("tlsSecretName", "tlsSecretKey"),
        ("tlsSecretKey", "tlsSecretName"),
    ):
        if given in parameters.entries and other not in parameters.entries:
            place = key_mark(parameters, given, pointer)
            hint = f"Add {other}, or remove it."
            report.add(codes.COMBINATION, f"{given} without {other}", place, hint)


conf_part = ConfPart(
    listed=(
        ListedPolicy(
            "Interceptor",
            flows=("request", "response"),
            both_levels=True,
            parameters=Record(
                {
                    "backendUrl": Text(1, 2048),
                    "headersEnabled": FLAG,
                    "bodyEnabled": FLAG,
                    "trailersEnabled": FLAG,
                    "contextEnabled": FLAG,
                    "tlsSecretName": NAME,
                    "tlsSecretKey": NAME,
                },
                ("backendUrl",),
            ),
            descriptions={
                "backendUrl": "URL of the interceptor service.",
                "headersEnabled": "Send it the headers.",
                "bodyEnabled": "Send it the body.",
                "trailersEnabled": "Send it the trailers.",
                "contextEnabled": "Send it the invocation context.",
                "tlsSecretName": "Name of the secret with the authorities of an https service.",
                "tlsSecretKey": "Key of the certificates (PEM) in that secret.",
            },
            example={"backendUrl": "http://interceptor:8080"},
            check=_check,
        ),
    )
)
