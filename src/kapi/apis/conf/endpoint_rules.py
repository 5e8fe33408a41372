"""Rules for `endpointConfigurations` beyond the schema: addresses, weights, certificates, breakers.

Called by `reading.py`.
"""

from __future__ import annotations

from functools import partial

from kapi.apis import report as codes
from kapi.apis.conf.nodes import (
    ENDPOINT_KINDS,
    check_text,
    endpoint_nodes,
    member,
    text_at,
    whole_at,
)
from kapi.apis.model.rules import Fault, endpoint_of, label_fault
from kapi.apis.report import Report, below
from kapi.apis.yaml_positions import Mapping, Node, Scalar, key_mark


def check_endpoints(owner: Mapping, pointer: str, report: Report) -> None:
    """Add every mistake in the endpoints of the API or of an operation."""
    for kind in ENDPOINT_KINDS:
        nodes = endpoint_nodes(owner, kind, pointer)
        for node, here in nodes:
            _check_address(node, here, report)
            _check_certificate(node, here, report)
            _check_breaker(node, here, report)
        if nodes and all(whole_at(node, "weight") == 0 for node, _ in nodes):
            node, here = nodes[0]
            message = f"no {kind} endpoint has a weight above 0"
            place = key_mark(node, "weight", here)
            hint = "Give one of them a weight, or leave weight out."
            report.add(codes.COMBINATION, message, place, hint)


def _check_address(node: Mapping, here: str, report: Report) -> None:
    address = node.entries.get("endpoint")
    if not isinstance(address, Mapping):
        check_text(node, "endpoint", _url_fault, codes.ENDPOINT, report, here)
        return
    spot = below(here, "endpoint")
    for name, what in (("name", "service name"), ("namespace", "namespace")):
        check_text(
            address, name, partial(label_fault, what), codes.ENDPOINT, report, spot
        )


def _url_fault(url: str) -> Fault | None:
    endpoint = endpoint_of(url)
    if isinstance(endpoint, Fault):
        return endpoint
    return None


def _check_certificate(node: Mapping, here: str, report: Report) -> None:
    certificate, address = node.entries.get("certificate"), node.entries.get("endpoint")
    if not isinstance(certificate, Mapping) or not certificate.entries:
        return
    if report.has_within(below(here, "endpoint")) or _is_https(address):
        return
    message = "a certificate says nothing about an http endpoint"
    place = key_mark(node, "certificate", here)
    hint = "Write an https endpoint, or remove the certificate."
    report.add(codes.COMBINATION, message, place, hint)


def _is_https(address: Node | None) -> bool:
    if isinstance(address, Mapping):
        return text_at(address, "protocol") == "https"
    return isinstance(address, Scalar) and str(address.value).lower().startswith(
        "https:"
    )


def _check_breaker(node: Mapping, here: str, report: Report) -> None:
    """With none of these Envoy sends nothing at all.

    Without connections it still makes one, and without retries there are none.
    """
    breaker = member(node.entries.get("resiliency"), "circuitBreaker")
    if not isinstance(breaker, Mapping):
        return
    spot = below(below(here, "resiliency"), "circuitBreaker")
    for name in ("maxConnectionPools", "maxPendingRequests", "maxRequests"):
        if whole_at(breaker, name) == 0:
            report.add(
                codes.RANGE,
                f"{name}: 0 lets no request through",
                key_mark(breaker, name, spot),
                "Allow at least 1, or leave it out.",
            )
