"""Rules for `endpointConfigurations` beyond the schema: addresses, weights, credentials, certificates, breakers. Called by `reading.py`."""

from __future__ import annotations

from typing import TYPE_CHECKING

from kapi.apis import report as codes
from kapi.apis.conf.from_nodes import ENDPOINT_KINDS, endpoint_nodes
from kapi.apis.conf.rules import Fault, endpoint_of, label_fault
from kapi.apis.conf.yaml_positions import Mapping, Scalar, key_mark, mark
from kapi.apis.header_rules import header_fault
from kapi.apis.report import Report, below

if TYPE_CHECKING:
    from collections.abc import Callable


def check_endpoints(owner: Mapping, pointer: str, report: Report) -> None:
    """Add every mistake in the endpoints of the API or of an operation."""
    for kind in ENDPOINT_KINDS:
        nodes = endpoint_nodes(owner, kind, pointer)
        for node, here in nodes:
            _check_address(node, here, report)
            _check_security(node, here, report)
            _check_certificate(node, here, report)
            _check_breaker(node, here, report)
        if nodes and all(_whole(node, "weight") == 0 for node, _ in nodes):
            node, here = nodes[0]
            message = f"no {kind} endpoint has a weight above 0"
            report.add(
                codes.COMBINATION,
                message,
                key_mark(node, "weight", here),
                "Give one of them a weight, or leave weight out.",
            )


def apply(
    mapping: Mapping,
    name: str,
    rule: Callable[[str], Fault | None],
    code: str,
    report: Report,
    pointer: str = "#",
) -> None:
    """Ask a rule about a text of a mapping, unless the schema has found a mistake in it."""
    node = mapping.entries.get(name)
    here = below(pointer, name)
    if isinstance(node, Scalar) and isinstance(node.value, str) and not report.has_within(here):
        fault = rule(node.value)
        if fault is not None:
            report.add(code, fault.message, mark(node, here), fault.hint)


def _check_address(node: Mapping, here: str, report: Report) -> None:
    address = node.entries.get("endpoint")
    if isinstance(address, Mapping):
        spot = below(here, "endpoint")
        apply(
            address,
            "name",
            lambda text: label_fault("service name", text),
            codes.ENDPOINT,
            report,
            spot,
        )
        apply(
            address,
            "namespace",
            lambda text: label_fault("namespace", text),
            codes.ENDPOINT,
            report,
            spot,
        )
    else:
        apply(node, "endpoint", _url_fault, codes.ENDPOINT, report, here)


def _url_fault(url: str) -> Fault | None:
    endpoint = endpoint_of(url)
    return endpoint if isinstance(endpoint, Fault) else None


def _check_security(node: Mapping, here: str, report: Report) -> None:
    security = node.entries.get("endpointSecurity")
    if not isinstance(security, Mapping) or not _is_true(security, "enabled"):
        return
    spot = below(here, "endpointSecurity")
    kind = security.entries.get("securityType")
    if kind is None:
        hint = "Add securityType with secretName and the keys of user name and password, or of the API key."
        report.add(
            codes.MISSING, "required key [securityType] not found", mark(security, spot), hint
        )
    elif isinstance(kind, Mapping):
        where = kind.entries.get("in")
        if not isinstance(where, Scalar) or where.value == "Header":
            apply(
                kind,
                "apiKeyNameKey",
                header_fault,
                codes.HEADER,
                report,
                below(spot, "securityType"),
            )


def _check_certificate(node: Mapping, here: str, report: Report) -> None:
    certificate, address = node.entries.get("certificate"), node.entries.get("endpoint")
    if (
        not isinstance(certificate, Mapping)
        or not certificate.entries
        or report.has_within(below(here, "endpoint"))
    ):
        return
    if isinstance(address, Mapping):
        protocol = address.entries.get("protocol")
        secure = isinstance(protocol, Scalar) and protocol.value == "https"
    else:
        secure = isinstance(address, Scalar) and str(address.value).lower().startswith("https:")
    if not secure:
        hint = "Write an https endpoint, or remove the certificate."
        report.add(
            codes.COMBINATION,
            "a certificate says nothing about an http endpoint",
            key_mark(node, "certificate", here),
            hint,
        )


def _check_breaker(node: Mapping, here: str, report: Report) -> None:
    """With none of these Envoy sends nothing at all. Without connections it still makes one, and without retries there are none."""
    resiliency = node.entries.get("resiliency")
    breaker = resiliency.entries.get("circuitBreaker") if isinstance(resiliency, Mapping) else None
    if not isinstance(breaker, Mapping):
        return
    spot = below(below(here, "resiliency"), "circuitBreaker")
    for name in ("maxConnectionPools", "maxPendingRequests", "maxRequests"):
        if _whole(breaker, name) == 0:
            report.add(
                codes.RANGE,
                f"{name}: 0 lets no request through",
                key_mark(breaker, name, spot),
                "Allow at least 1, or leave it out.",
            )


def _is_true(mapping: Mapping, name: str) -> bool:
    node = mapping.entries.get(name)
    return isinstance(node, Scalar) and node.value is True


def _whole(mapping: Mapping, name: str) -> int | None:
    node = mapping.entries.get(name)
    return (
        node.value
        if isinstance(node, Scalar)
        and isinstance(node.value, int)
        and not isinstance(node.value, bool)
        else None
    )
