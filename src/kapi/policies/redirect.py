"""Redirects (apk-conf policy RequestRedirect): the caller is sent elsewhere with 301 or 302 (RFC 9110 §15.4); no backend is asked.

`Location` is the URL as the conf has it. Authentication, scopes and limits come first, as for any other operation.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, ClassVar, Literal
from urllib.parse import urlsplit

from kapi.apis.conf.model import ApiConf, OperationConf
from kapi.policies.contract import EnvoyRoute, HttpFilter, Phase, Place

name = "redirect"
phase = Phase.TRANSFORM
filters: tuple[HttpFilter, ...] = ()

_CODES = {301: "MOVED_PERMANENTLY", 302: "FOUND"}
_DEFAULT_PORTS = {"http": 80, "https": 443}


@dataclass(frozen=True, slots=True)
class Redirect:
    """Where to, and how."""

    policy: ClassVar[str] = name
    url: str
    status: Literal[301, 302] = 302


def compile(conf: ApiConf, operation: OperationConf) -> Redirect | None:  # noqa: A001 - the verb of the policy contract
    """The one redirect; reading the conf has seen to it that there is no second."""
    found = next(
        (item for item in conf.policies_of(operation).request if item.name == "RequestRedirect"),
        None,
    )
    return (
        None
        if found is None
        else Redirect(found.parameter("url"), found.parameter("statusCode", 302))
    )


def envoy(node: Redirect, place: Place) -> EnvoyRoute:  # noqa: ARG001 - the policy contract
    """Every part of the URL is given, so that nothing of the request shows in the answer."""
    url = urlsplit(node.url)
    scheme = url.scheme.lower()
    path = (url.path or "/") + (f"?{url.query}" if url.query else "")
    redirect: dict[str, Any] = {
        "scheme_redirect": scheme,
        "host_redirect": url.hostname
        if url.hostname and ":" not in url.hostname
        else f"[{url.hostname}]",
        "path_redirect": path,
        "response_code": _CODES[node.status],
        "strip_query": not url.query,
    }
    if url.port and url.port != _DEFAULT_PORTS[scheme]:
        redirect["port_redirect"] = url.port
    return EnvoyRoute(redirect=redirect)
