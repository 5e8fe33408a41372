"""Request mirroring (apk-conf RequestMirror): copies to other backends, without their answers."""

from __future__ import annotations

from typing import ClassVar, Final

from kapi.apis import report as codes
from kapi.apis.conf.nodes import items_at
from kapi.apis.conf.policy_part import ConfPart, ListedPolicy
from kapi.apis.conf.shapes import Items, Record, Text
from kapi.apis.endpoints import endpoints
from kapi.apis.ir import Endpoint
from kapi.apis.model.conf import ApiConf, OperationConf, policies_named
from kapi.apis.model.rules import Fault, endpoint_of
from kapi.apis.report import Mark, Report
from kapi.apis.yaml_positions import Mapping, Scalar, mark
from kapi.dataclass import dataclass
from kapi.policies.contract import EnvoyRoute, HttpFilter, Phase, Place
from kapi.policies.kubernetes import KubernetesPlace, KubernetesRoute

name = "mirror"
phase = Phase.TRANSFORM
filters: tuple[HttpFilter, ...] = ()

POLICY: Final = "RequestMirror"


@dataclass(frozen=True, slots=True)
class Mirror:
    """The backends that get a copy, with the same path as the operation's own endpoint."""

    policy: ClassVar[str] = name
    endpoints: tuple[Endpoint, ...]


def compile(conf: ApiConf, operation: OperationConf) -> Mirror | None:
    """All URLs of all mirror policies; reading the conf has checked them."""
    policies = policies_named(conf.policies_of(operation).request, POLICY)
    urls = dict.fromkeys(url for item in policies for url in item.parameter("urls", ()))
    endpoints = tuple(
        endpoint for url in urls if isinstance(endpoint := endpoint_of(url), Endpoint)
    )
    if endpoints:
        return Mirror(endpoints)
    return None


def envoy(node: Mirror, place: Place) -> EnvoyRoute:  # noqa: ARG001 - the policy contract
    """Envoy sends the copies and waits for none of them."""
    return EnvoyRoute(mirrors=node.endpoints)


def kubernetes(node: Mirror, at: KubernetesPlace) -> KubernetesRoute:  # noqa: ARG001
    """A RequestMirror filter for each."""
    return KubernetesRoute(mirrors=node.endpoints)


def _check_urls(parameters: Mapping, pointer: str, report: Report) -> None:
    for node, here in items_at(parameters, "urls", pointer):
        if (
            not isinstance(node, Scalar)
            or not isinstance(node.value, str)
            or not node.value
        ):
            continue
        fault = endpoint_of(node.value)
        if isinstance(fault, Fault):
            report.add(codes.ENDPOINT, fault.message, mark(node, here), fault.hint)


def _warn_of_paths(conf: ApiConf, report: Report) -> None:
    """Warn of mirror URLs with a path: a mirror gets the path that the endpoint gets, as in APK."""
    warned: set[tuple[Mark, str]] = set()
    for operation in conf.operations:
        mirrors = policies_named(conf.policies_of(operation).request, POLICY)
        if not mirrors:
            continue
        production = operation.production or conf.production
        sandbox = operation.sandbox or conf.sandbox
        paths = {item.base_path for item in endpoints((*production, *sandbox))}
        for policy in mirrors:
            for url in policy.parameter("urls", ()):
                if (policy.mark, url) not in warned and _has_other_path(url, paths):
                    warned.add((policy.mark, url))
                    _warn_of_path(url, policy.mark, report)


def _has_other_path(url: str, paths: set[str]) -> bool:
    """Whether a mirror names a path that is not the one of all endpoints."""
    mirror = endpoint_of(url)
    if isinstance(mirror, Fault) or not mirror.base_path:
        return False
    return paths != {mirror.base_path}


def _warn_of_path(url: str, place: Mark, report: Report) -> None:
    reason = "a mirror gets the path that the endpoint gets"
    message = f"the path of the mirror {url[:120]} is not used: {reason}"
    hint = "Write it as http://host:port, or with the endpoint's path."
    report.warn(codes.ENDPOINT, message, place, hint)


conf_part = ConfPart(
    listed=(
        ListedPolicy(
            POLICY,
            flows=("request",),
            parameters=Record({"urls": Items(Text(1, 2048), 10)}, ("urls",)),
            descriptions={
                "urls": "Backends that get a copy of each request, as http://host:port.",
            },
            example={"urls": ["http://mirror:8080"]},
            check=_check_urls,
        ),
    ),
    check_conf=_warn_of_paths,
)
