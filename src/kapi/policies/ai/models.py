"""AI models that share the calls of an API (apk-conf ModelBasedRoundRobin).

Each model has a cluster of its own. The admission filter (`wasm/admission/src/models.rs`) chooses
the models of a call at the route: by their weights, or in their order (`selection: failover`), and
leaves out those that are suspended. In the cluster of a model the same module writes path and body
of the request for it. It suspends the model for all threads if its answer is 402, 429 or 5xx, or
says that a quota is used up; also if it does not answer. Envoy then sends the request to the next
model of the call. With all models suspended: 503.
"""

from __future__ import annotations

import hashlib
from dataclasses import replace
from typing import Any, ClassVar, Final, Literal

from kapi.apis import report as codes
from kapi.apis.ai_providers import BUILT_IN, provider_of
from kapi.apis.conf.nodes import (
    ENDPOINT_KINDS,
    check_text,
    endpoint_nodes,
    mappings_at,
    member,
    operation_nodes,
    text_at,
    whole_at,
)
from kapi.apis.conf.policy_lists import uses_of
from kapi.apis.conf.policy_part import ConfPart, ListedPolicy
from kapi.apis.conf.shapes import Items, Record, Text, Whole
from kapi.apis.endpoints import endpoints
from kapi.apis.ir import Endpoint, Model
from kapi.apis.model.conf import (
    ApiConf,
    EndpointConf,
    OperationConf,
    PolicyConf,
    policy_named,
)
from kapi.apis.model.rules import Fault, endpoint_of
from kapi.apis.report import Report
from kapi.apis.yaml_positions import Mapping, key_mark, mark, plain
from kapi.dataclass import dataclass
from kapi.policies.admission import ADMIT, FILTER, ON
from kapi.policies.contract import EnvoyRoute, Phase, Place
from kapi.policies.endpoint_security import header_credential
from kapi.policies.kubernetes import KubernetesPlace, KubernetesRoute, not_possible

name = "ai_models"
phase = Phase.LIMIT
filters = (ADMIT,)

POLICY: Final = "ModelBasedRoundRobin"
CHOSEN: Final = "x-kapi-model"
"""The header by which Envoy finds the cluster of the next attempt."""
_SPECIFIER: Final = "envoy.extensions.router.cluster_specifiers.matcher.v3"
_MOST_MODELS: Final = 20
_RETRIES: Final[dict[str, Any]] = {
    "retry_on": "5xx,reset,connect-failure,refused-stream,retriable-status-codes",
    "retriable_status_codes": [402, 429],
    "retry_back_off": {"base_interval": "0.001s", "max_interval": "0.010s"},
    "refresh_cluster_on_retry": True,
}
"""Without a pause: the next attempt is another model."""


@dataclass(frozen=True, slots=True)
class AiModels:
    """The models of the two hosts; without any, the endpoints of the operation get its calls."""

    policy: ClassVar[str] = name
    selection: Literal["weighted", "failover"] = "weighted"
    production: tuple[Endpoint, ...] = ()
    sandbox: tuple[Endpoint, ...] = ()


def compile(conf: ApiConf, operation: OperationConf) -> AiModels | None:
    """The models of the one policy of this name."""
    item = policy_named(conf.policies_of(operation).request, POLICY)
    if item is None:
        return None
    production = (*conf.production, *operation.production)
    sandbox = (*conf.sandbox, *operation.sandbox)
    return AiModels(
        item.parameter("selection", "weighted"),
        _models(conf, "production", item, production),
        _models(conf, "sandbox", item, sandbox),
    )


def _models(
    conf: ApiConf, kind: str, policy: PolicyConf, known: tuple[EndpointConf, ...]
) -> tuple[Endpoint, ...]:
    """The backends of models.

    A model at the URL of an endpoint of the API has its credentials, certificate and HTTP version.
    """
    of_api = {_address(item): item for item in endpoints(known)}
    found = []
    for item in policy.parameter(f"{kind}Models", ()):
        address = endpoint_of(item.get("endpoint"))
        weight = item.get("weight", 1)
        if isinstance(address, Endpoint) and weight:
            endpoint = of_api.get(_address(address), address)
            found.append((item.get("model"), replace(endpoint, weight=weight)))
    api = (conf.id, conf.name, conf.version, conf.base_path, conf.environment, kind)
    shared = Model(
        name="",
        number=0,
        keys=tuple(_key(*api, model, *_address(endpoint)) for model, endpoint in found),
        base_paths=tuple(endpoint.base_path for _, endpoint in found),
        suspend_seconds=policy.parameter("onQuotaExceedSuspendDuration"),
        in_path=_in_path(conf),
        credential_headers=tuple(
            sorted({_credential(item) for _, item in found} - {""})
        ),
    )
    return tuple(
        replace(endpoint, retry=None, model=replace(shared, name=model, number=number))
        for number, (model, endpoint) in enumerate(found)
    )


def _address(endpoint: Endpoint) -> tuple[str, str, int, str]:
    return endpoint.scheme, endpoint.host, endpoint.port, endpoint.base_path


def _key(*parts: object) -> str:
    """A model is suspended for one API alone: other APIs may have other quotas."""
    text = "\t".join(map(str, parts))
    return hashlib.sha256(text.encode()).hexdigest()[:16]


def _credential(endpoint: Endpoint) -> str:
    credential = header_credential(endpoint.security)
    if credential:
        return credential.header
    return ""


def _in_path(conf: ApiConf) -> tuple[str, str] | None:
    provider = conf.ai_provider
    try:
        found = None
        if provider:
            found = provider_of(BUILT_IN, provider.name, provider.api_version)
    except KeyError:
        return None
    if found:
        return found.model_in_path
    return None


def envoy(node: AiModels, place: Place) -> EnvoyRoute:
    """Say which models there are, and how Envoy finds their clusters."""
    models = node.production
    if place.sandbox:
        models = node.sandbox
    if not models:
        return EnvoyRoute()
    shares = ["f" if node.selection == "failover" else "w"]
    for item in models:
        if item.model:
            key = suspension_keys(item.model, place.api.organization)[item.model.number]
            shares += (key, str(item.weight))
    return EnvoyRoute(
        {FILTER: ON},
        metadata={FILTER: {"models": "\t".join(shares)}},
        target={
            "inline_cluster_specifier_plugin": {"extension": _specifier(models, place)}
        },
        action={"retry_policy": {**_RETRIES, "num_retries": len(models) - 1}},
        route={"request_body_buffer_limit": place.gateway.enforcer.max_body_bytes},
    )


def kubernetes(node: AiModels | None, at: KubernetesPlace) -> KubernetesRoute:  # noqa: ARG001
    """Not possible."""
    return not_possible(
        "AI models that share calls need kapi's gateway",
        "Remove ModelBasedRoundRobin, or deploy the API to kapi's gateway.",
    )


def suspension_keys(model: Model, organization: str) -> tuple[str, ...]:
    """The name of each model in the memory of all threads."""
    return tuple(f"{organization}/{key}" for key in model.keys)


def _specifier(models: tuple[Endpoint, ...], place: Place) -> dict[str, Any]:
    """From the header of the chosen model to its cluster; Envoy asks again before each retry."""
    types = "type.googleapis.com/"
    clusters = {
        str(number): {
            "action": {
                "name": "cluster",
                "typed_config": {
                    "@type": f"{types}{_SPECIFIER}.ClusterAction",
                    "cluster": place.cluster(item),
                },
            }
        }
        for number, item in enumerate(models)
    }
    header = {
        "@type": f"{types}envoy.type.matcher.v3.HttpRequestHeaderMatchInput",
        "header_name": CHOSEN,
    }
    return {
        "name": "envoy.router.cluster_specifier_plugin.matcher",
        "typed_config": {
            "@type": f"{types}{_SPECIFIER}.MatcherClusterSpecifier",
            "cluster_matcher": {
                "matcher_tree": {
                    "input": {"name": "model", "typed_config": header},
                    "exact_match_map": {"map": clusters},
                }
            },
        },
    }


def _check_models(parameters: Mapping, pointer: str, report: Report) -> None:
    """Addresses of both lists, and that one of the models has a share."""
    for field in ("productionModels", "sandboxModels"):
        models = list(mappings_at(parameters, field, pointer))
        for node, here in models:
            check_text(node, "endpoint", _url_fault, codes.ENDPOINT, report, here)
        shares = [whole_at(node, "weight") for node, _ in models]
        place = key_mark(parameters, field, pointer)
        if (
            field in parameters.entries
            and not models
            and not report.has_within(pointer)
        ):
            report.add(
                codes.MISSING, f"{field} is empty", place, "Write at least one model."
            )
        elif models and all(share == 0 for share in shares):
            hint = "Give one of them a weight, or leave weight out."
            report.add(codes.COMBINATION, "no model has a weight above 0", place, hint)


def _url_fault(url: str) -> Fault | None:
    endpoint = endpoint_of(url)
    if isinstance(endpoint, Fault):
        return endpoint
    return None


def _check(root: Mapping, report: Report) -> None:
    """What the policy needs of the rest of the conf."""
    for use in uses_of(root, POLICY):
        place = mark(use.node, use.pointer)
        if "aiProvider" not in root.entries:
            hint = "Name the provider in aiProvider: it says how requests and answers are read."
            report.add(codes.COMBINATION, f"{POLICY} needs an aiProvider", place, hint)
        for owner, pointer in ((root, "#"), *operation_nodes(root)):
            _check_endpoints(owner, pointer, report)


def _check_endpoints(owner: Mapping, pointer: str, report: Report) -> None:
    """Models have credentials in headers only, and one count of tokens together."""
    for kind in ENDPOINT_KINDS:
        limits = []
        for endpoint, here in endpoint_nodes(owner, kind, pointer):
            security = member(endpoint.entries.get("endpointSecurity"), "securityType")
            if (
                security
                and text_at(security, "in") == "Query"
                and not report.has_within(here)
            ):
                message = f"{POLICY} sends API keys in headers only"
                place = key_mark(endpoint, "endpointSecurity", here)
                report.add(codes.COMBINATION, message, place, "Write `in: Header`.")
            own = endpoint.entries.get("aiRatelimit")
            limits.append((plain(own) if own else None, endpoint, here))
        for other, endpoint, here in limits[1:]:
            if other != limits[0][0] and not report.has_within(here):
                message = (
                    f"with {POLICY} the endpoints of one kind share one aiRatelimit"
                )
                place = key_mark(endpoint, "aiRatelimit", here)
                report.add(
                    codes.COMBINATION, message, place, "Write the same at each of them."
                )


_MODELS: Final = Items(
    Record(
        {
            "model": Text(1, 253, pattern=r"[^\x00-\x1f\x7f]+"),
            "endpoint": Text(1, 2048),
            "weight": Whole(0, 1_000_000),
        },
        ("model", "endpoint"),
    ),
    _MOST_MODELS,
)
_MODEL_DESCRIPTIONS: Final = {
    "model": "Name of the model, which replaces the one in the request.",
    "endpoint": (
        "URL of the model's backend. One of endpointConfigurations gives its credentials,"
        " certificate and timeouts too."
    ),
    "weight": "Share of the requests. 1 when left out; 0 leaves the model out.",
}
conf_part = ConfPart(
    listed=(
        ListedPolicy(
            POLICY,
            flows=("request",),
            parameters=Record(
                {
                    "onQuotaExceedSuspendDuration": Whole(),
                    "selection": Text(one_of=("weighted", "failover")),
                    "productionModels": _MODELS,
                    "sandboxModels": _MODELS,
                },
                ("onQuotaExceedSuspendDuration", "productionModels"),
            ),
            descriptions={
                "onQuotaExceedSuspendDuration": (
                    "Seconds that a model is left out after an answer 402, 429 or 5xx, a used-up"
                    " quota or no answer. 0 leaves none out."
                ),
                "selection": (
                    "weighted, when left out, shares the requests by weight; failover sends each"
                    " request to the first model of the list that is not suspended."
                ),
                "productionModels": "Models that share the requests of the production host.",
                "sandboxModels": "Models that share the requests of the sandbox host.",
                **{
                    f"productionModels.{key}": text
                    for key, text in _MODEL_DESCRIPTIONS.items()
                },
                **{
                    f"sandboxModels.{key}": text
                    for key, text in _MODEL_DESCRIPTIONS.items()
                },
            },
            example={
                "onQuotaExceedSuspendDuration": 60,
                "productionModels": [
                    {"model": "large", "endpoint": "http://models:8080/v1"}
                ],
            },
            check=_check_models,
        ),
    ),
    check=_check,
)
