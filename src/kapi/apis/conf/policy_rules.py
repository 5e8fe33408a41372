"""Rules for `apiPolicies`, `operationPolicies` and `corsConfiguration` beyond the schema. Called by `reading.py`."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Final
from urllib.parse import urlsplit

from kapi.apis import report as codes
from kapi.apis.conf.endpoint_rules import apply
from kapi.apis.conf.rules import Fault, endpoint_of
from kapi.apis.conf.yaml_positions import Mapping, Node, Scalar, Sequence, key_mark, mark
from kapi.apis.endpoints import endpoints
from kapi.apis.header_rules import header_fault, header_value_fault
from kapi.apis.report import Report, below

if TYPE_CHECKING:
    from collections.abc import Iterator

    from kapi.apis.conf.model import ApiConf, Mark

_DIRECTIONS: Final = ("request", "response")
_HEADER_POLICIES: Final = ("AddHeader", "SetHeader", "RemoveHeader")
_BOTH_LEVELS: Final = {"Interceptor", "LuaInterceptor", "WASMInterceptor", "BackendJwt"}
"""Interceptors of both levels act one after the other, and an operation's token replaces the API's; all else stands at one level."""
_TOKEN: Final = re.compile(r"[A-Za-z0-9!#$%&'*+.^_`|~-]+")
_ORIGIN: Final = re.compile(r"(?!(?:[^*]*\*){9})[\x21-\x7e]{1,512}")
"""At most eight stars: it becomes a regular expression for the gateway."""


def check_policies(root: Mapping, report: Report) -> None:
    """Add every mistake in the policies of both levels."""
    level = root.entries.get("apiPolicies")
    _check_lists(level, "#/apiPolicies", report)
    operations = root.entries.get("operations")
    for index, operation in enumerate(operations.items if isinstance(operations, Sequence) else ()):
        if not isinstance(operation, Mapping):
            continue
        pointer = below("#/operations", index)
        own = operation.entries.get("operationPolicies")
        _check_lists(own, below(pointer, "operationPolicies"), report)
        if (
            (api := _names(level))
            and (names := _names(own))
            and (others := (api | names) - _BOTH_LEVELS)
        ):
            message = (
                "Presence of both resource level and API level operation policies is not allowed"
            )
            only = f"{', '.join(sorted(others))} can stand at one of the levels only"
            hint = f"{only}: move these policies to apiPolicies, or write those of apiPolicies at each operation that needs them."
            report.add(
                codes.POLICIES, message, key_mark(operation, "operationPolicies", pointer), hint
            )


def _names(lists: Node | None) -> set[str]:
    """The policies of one level."""
    return (
        {name for direction in _DIRECTIONS for name, _, _ in _policies(lists, direction, "")}
        if isinstance(lists, Mapping)
        else set()
    )


def _check_lists(lists: Node | None, pointer: str, report: Report) -> None:
    if not isinstance(lists, Mapping):
        return
    for direction in _DIRECTIONS:
        redirects = 0
        items = list(_policies(lists, direction, pointer))
        for name, policy, here in items:
            spot = below(here, "parameters")
            parameters = policy.entries.get("parameters")
            if not isinstance(parameters, Mapping):
                continue
            if name in _HEADER_POLICIES:
                _check_header(name, parameters, spot, report)
            elif name == "RequestMirror":
                _check_mirror(parameters, spot, report)
            elif name == "RequestRedirect":
                redirects += 1
                apply(parameters, "url", _redirect_fault, codes.ENDPOINT, report, spot)
                if redirects > 1 or any(other == "RequestMirror" for other, _, _ in items):
                    message = "a redirect stands beside another one, or beside a mirror that would get nothing"
                    report.add(
                        codes.COMBINATION,
                        message,
                        mark(policy, here),
                        "Keep one redirect and no mirror.",
                    )


def _policies(lists: Mapping, direction: str, pointer: str) -> Iterator[tuple[str, Mapping, str]]:
    node = lists.entries.get(direction)
    for index, item in enumerate(node.items if isinstance(node, Sequence) else ()):
        name = item.entries.get("policyName") if isinstance(item, Mapping) else None
        if isinstance(item, Mapping) and isinstance(name, Scalar) and isinstance(name.value, str):
            yield name.value, item, below(below(pointer, direction), index)


def _check_header(policy: str, parameters: Mapping, pointer: str, report: Report) -> None:
    apply(parameters, "headerName", header_fault, codes.HEADER, report, pointer)
    if policy == "RemoveHeader":
        return
    if "headerValue" not in parameters.entries:
        message = f"required key [headerValue] not found for {policy}"
        report.add(codes.MISSING, message, mark(parameters, pointer), "Add `headerValue: …` here.")
    apply(parameters, "headerValue", header_value_fault, codes.HEADER, report, pointer)


def _check_mirror(parameters: Mapping, pointer: str, report: Report) -> None:
    urls = parameters.entries.get("urls")
    for index, node in enumerate(urls.items if isinstance(urls, Sequence) else ()):
        if (
            isinstance(node, Scalar)
            and isinstance(node.value, str)
            and node.value
            and (fault := _mirror_fault(node.value))
        ):
            report.add(
                codes.ENDPOINT,
                fault.message,
                mark(node, below(below(pointer, "urls"), index)),
                fault.hint,
            )


def _mirror_fault(url: str) -> Fault | None:
    endpoint = endpoint_of(url)
    return endpoint if isinstance(endpoint, Fault) else None


def check_mirror_paths(conf: ApiConf, report: Report) -> None:
    """Warn of mirror URLs whose path is not used.

    A mirror gets the path that the operation's endpoint gets, as in APK.
    """
    warned: set[tuple[Mark, str]] = set()
    for operation in conf.operations:
        production = operation.production or conf.production
        sandbox = operation.sandbox or conf.sandbox
        paths = {item.base_path for item in endpoints((*production, *sandbox))}
        for policy in conf.policies_of(operation).request:
            urls = policy.parameter("urls", ()) if policy.name == "RequestMirror" else ()
            for url in urls:
                mirror = endpoint_of(url)
                if isinstance(mirror, Fault) or not mirror.base_path or paths == {mirror.base_path}:
                    continue
                if (policy.mark, url) in warned:
                    continue
                warned.add((policy.mark, url))
                reason = "a mirror gets the path that the endpoint gets"
                message = f"the path of the mirror {url[:120]} is not used: {reason}"
                hint = "Write it as http://host:port, or with the endpoint's path."
                report.warn(codes.ENDPOINT, message, policy.mark, hint)


def _redirect_fault(url: str) -> Fault | None:
    """A URL that a caller is sent to may have a query; all else is as for an endpoint."""
    plain, _, query = url.partition("?")
    endpoint = endpoint_of(plain)
    if isinstance(endpoint, Fault):
        return Fault(endpoint.message.replace("endpoint", "url"), endpoint.hint)
    if "#" in query or not url.isascii() or any(char <= " " or char == "\x7f" for char in query):
        return Fault(
            "url has a query with spaces, non-ASCII characters or a fragment",
            "Percent-encode them.",
        )
    if not urlsplit(url).hostname:
        return Fault("url has no host", "Write it as https://host/path.")
    return None


def check_cors(root: Mapping, report: Report) -> None:
    """Add every mistake in the cross-origin configuration."""
    cors = root.entries.get("corsConfiguration")
    if not isinstance(cors, Mapping):
        return
    rules = {
        "accessControlAllowOrigins": (
            _ORIGIN,
            "an origin",
            "Write it as https://host:port, with * for a part of the host (at most 8), or *.",
        ),
        "accessControlAllowHeaders": (
            _TOKEN,
            "a header name",
            "Use letters, digits and `-` (RFC 9110 §5.1), or *.",
        ),
        "accessControlAllowMethods": (_TOKEN, "a method", "Write GET, POST and so on, or *."),
        "accessControlExposeHeaders": (
            _TOKEN,
            "a header name",
            "Use letters, digits and `-` (RFC 9110 §5.1), or *.",
        ),
    }
    for field, (pattern, what, hint) in rules.items():
        node = cors.entries.get(field)
        for index, item in enumerate(node.items if isinstance(node, Sequence) else ()):
            if (
                isinstance(item, Scalar)
                and isinstance(item.value, str)
                and not pattern.fullmatch(item.value)
            ):
                place = mark(item, below(below("#/corsConfiguration", field), index))
                report.add(codes.HEADER, f"[{item.value[:60]}] is not {what}", place, hint)
    enabled = cors.entries.get("corsConfigurationEnabled")
    origins = cors.entries.get("accessControlAllowOrigins")
    if (
        isinstance(enabled, Scalar)
        and enabled.value is True
        and not (isinstance(origins, Sequence) and origins.items)
    ):
        message = "required key [accessControlAllowOrigins] not found"
        report.add(
            codes.MISSING,
            message,
            mark(cors, "#/corsConfiguration"),
            "Name the origins that may read answers, or `*`.",
        )
