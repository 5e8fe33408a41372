"""Redirects (apk-conf RequestRedirect): 301 or 302 (RFC 9110 §15.4); no backend is asked.

`Location` is the URL as the conf has it. Authentication, scopes and limits come first, as for any
other operation.
"""

from __future__ import annotations

from typing import Any, ClassVar, Final, Literal
from urllib.parse import urlsplit

from kapi.apis import report as codes
from kapi.apis.conf.nodes import check_text
from kapi.apis.conf.policy_lists import uses_of
from kapi.apis.conf.policy_part import ConfPart, ListedPolicy
from kapi.apis.conf.shapes import Record, Text, Whole
from kapi.apis.model.conf import ApiConf, OperationConf, policy_named
from kapi.apis.model.rules import Fault, endpoint_of
from kapi.apis.report import Report
from kapi.apis.yaml_positions import Mapping, mark
from kapi.dataclass import dataclass
from kapi.policies.contract import EnvoyRoute, HttpFilter, Phase, Place
from kapi.policies.kubernetes import KubernetesPlace, KubernetesRoute
from kapi.policies.traffic import mirror

name = "redirect"
phase = Phase.TRANSFORM
filters: tuple[HttpFilter, ...] = ()

POLICY: Final = "RequestRedirect"
_CODES = {301: "MOVED_PERMANENTLY", 302: "FOUND"}
_DEFAULT_PORTS = {"http": 80, "https": 443}


@dataclass(frozen=True, slots=True)
class Redirect:
    """Where to, and how."""

    policy: ClassVar[str] = name
    url: str
    status: Literal[301, 302] = 302


def compile(conf: ApiConf, operation: OperationConf) -> Redirect | None:
    """The one redirect; reading the conf has seen to it that there is no second."""
    item = policy_named(conf.policies_of(operation).request, POLICY)
    if item is None:
        return None
    return Redirect(item.parameter("url"), item.parameter("statusCode", 302))


def envoy(node: Redirect, place: Place) -> EnvoyRoute:  # noqa: ARG001 - the policy contract
    """Every part of the URL is given, so that nothing of the request shows in the answer."""
    url = urlsplit(node.url)
    host = url.hostname or ""
    scheme = url.scheme.lower()
    path = (url.path or "/") + (f"?{url.query}" if url.query else "")
    redirect: dict[str, Any] = {
        "scheme_redirect": scheme,
        "host_redirect": f"[{host}]" if ":" in host else host,
        "path_redirect": path,
        "response_code": _CODES[node.status],
        "strip_query": not url.query,
    }
    if url.port and url.port != _DEFAULT_PORTS[scheme]:
        redirect["port_redirect"] = url.port
    return EnvoyRoute(redirect=redirect)


def kubernetes(node: Redirect, at: KubernetesPlace) -> KubernetesRoute:  # noqa: ARG001
    """An answer with the URL as it is: a redirect filter would keep the query of the request."""
    location = {"name": "location", "value": node.url.replace("%", "%%")}
    answer = {"statusCode": node.status, "header": {"set": [location]}}
    return KubernetesRoute(direct_response=answer)


def _url_fault(url: str) -> Fault | None:
    """A URL that a caller is sent to may have a query; all else is as for an endpoint."""
    plain, _, query = url.partition("?")
    endpoint = endpoint_of(plain)
    if isinstance(endpoint, Fault):
        return Fault(endpoint.message.replace("endpoint", "url"), endpoint.hint)
    if (
        "#" in query
        or not url.isascii()
        or any(char <= " " or char == "\x7f" for char in query)
    ):
        return Fault(
            "url has a query with spaces, non-ASCII characters or a fragment",
            "Percent-encode them.",
        )
    if not urlsplit(url).hostname:
        return Fault("url has no host", "Write it as https://host/path.")
    return None


def _check(parameters: Mapping, pointer: str, report: Report) -> None:
    check_text(parameters, "url", _url_fault, codes.ENDPOINT, report, pointer)


def _check_others(root: Mapping, report: Report) -> None:
    """A redirect answers the call: a second one or a mirror in its list would do nothing."""
    found = [use for use in uses_of(root, POLICY) if use.parameters is not None]
    seen = {use.owner for use in uses_of(root, mirror.POLICY)}
    for use in found:
        if use.owner in seen:
            message = "a redirect is beside another one, or beside a mirror that would get nothing"
            hint = "Keep one redirect and no mirror."
            report.add(codes.COMBINATION, message, mark(use.node, use.pointer), hint)
        seen.add(use.owner)


conf_part = ConfPart(
    listed=(
        ListedPolicy(
            POLICY,
            flows=("request",),
            parameters=Record(
                {"url": Text(1, 2048), "statusCode": Whole(301, 302)}, ("url",)
            ),
            descriptions={
                "url": "Where callers are sent, as it is in `Location`.",
                "statusCode": "301, or 302 when left out.",
            },
            example={"url": "https://new.example"},
            check=_check,
        ),
    ),
    check=_check_others,
)
