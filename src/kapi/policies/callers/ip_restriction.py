"""Addresses that may call (kapi's own policy `IPRestriction`).

The address is that of the caller: with `gateway.trusted_fronts`, the one that such a front names.
The check comes before tokens, so that a refused address costs nothing more.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from ipaddress import IPv4Network, IPv6Network, collapse_addresses, ip_network
from typing import Any, ClassVar, Final, TypeVar

from kapi import error_codes
from kapi.apis import report as codes
from kapi.apis.conf.nodes import items_at
from kapi.apis.conf.policy_part import ConfPart, ListedPolicy
from kapi.apis.conf.shapes import Items, Record, Text
from kapi.apis.model.conf import ApiConf, OperationConf, policy_named
from kapi.apis.report import Report
from kapi.apis.yaml_positions import Mapping, Scalar, mark
from kapi.dataclass import dataclass
from kapi.policies.contract import EnvoyRoute, HttpFilter, Phase, Place
from kapi.policies.kubernetes import KubernetesPlace, KubernetesRoute
from kapi.policies.rbac import Principal, any_of, negated, per_route, rbac, rules

name = "ip_restriction"
phase = Phase.ADDRESSES
FILTER = "kapi.filters.http.addresses"
filters = (HttpFilter(phase, FILTER, rbac({}), disabled=True),)

POLICY: Final = "IPRestriction"
_RULE: Final = error_codes.ADDRESS_REFUSED.number
MOST: Final = 200
"""Networks of one list."""
IpNetwork = TypeVar("IpNetwork", IPv4Network, IPv6Network)


@dataclass(frozen=True, slots=True)
class IpRestriction:
    """Networks in CIDR notation. `deny` counts before `allow`; an empty `allow` allows all."""

    policy: ClassVar[str] = name
    allow: tuple[str, ...] = ()
    deny: tuple[str, ...] = ()


def compile(conf: ApiConf, operation: OperationConf) -> IpRestriction | None:
    """The lists of the one policy; reading the conf has checked them."""
    item = policy_named(conf.policies_of(operation).request, POLICY)
    if item is None:
        return None
    allow, deny = (_networks(item.parameter(key, ())) for key in ("allow", "deny"))
    return IpRestriction(allow, deny)


def _networks(texts: Iterable[str]) -> tuple[str, ...]:
    """Each network once, without those that another one contains."""
    four, six = _by_version(texts)
    return (*map(str, four), *map(str, six))


def _by_version(texts: Iterable[str]) -> tuple[list[IPv4Network], list[IPv6Network]]:
    """Networks of IPv4 and of IPv6, each without those that another one contains."""
    four, six = [], []
    for text in texts:
        network = ip_network(text)
        if isinstance(network, IPv4Network):
            four.append(network)
        else:
            six.append(network)
    return list(collapse_addresses(four)), list(collapse_addresses(six))


def envoy(node: IpRestriction, place: Place) -> EnvoyRoute:  # noqa: ARG001 - the policy contract
    """One rule that refuses: who is in a denied network, or in no allowed one."""
    refused = [_within(item) for item in node.deny]
    if node.allow:
        refused.append(negated(any_of(*(_within(item) for item in node.allow))))
    return EnvoyRoute({FILTER: per_route(rules({_RULE: any_of(*refused)}))})


def _within(network: str) -> Principal:
    address, _, length = network.partition("/")
    return {"remote_ip": {"address_prefix": address, "prefix_len": int(length)}}


def kubernetes(node: IpRestriction, at: KubernetesPlace) -> KubernetesRoute:  # noqa: ARG001
    """One rule that denies. Envoy Gateway's rules are joined with those of the scopes.

    A rule that allows would let in callers whose scopes a later rule refuses, so the networks that
    no `allow` names are denied.
    """
    denied = _networks((*node.deny, *_all_but(node.allow)))
    if not denied:
        return KubernetesRoute()
    rule = {"action": "Deny", "principal": {"clientCIDRs": list(denied)}}
    return KubernetesRoute(
        {"authorization": {"defaultAction": "Allow", "rules": [rule]}}
    )


def _all_but(allowed: Sequence[str]) -> tuple[str, ...]:
    """The networks that contain every address but the allowed ones; none if all are allowed."""
    if not allowed:
        return ()
    four, six = _by_version(allowed)
    rest = (
        *_outside(IPv4Network("0.0.0.0/0"), four),
        *_outside(IPv6Network("::/0"), six),
    )
    return tuple(map(str, rest))


def _outside(whole: IpNetwork, holes: Iterable[IpNetwork]) -> list[IpNetwork]:
    """The parts of a network that are in none of these, which do not overlap."""
    rest = [whole]
    for hole in holes:
        parts: list[IpNetwork] = []
        for item in rest:
            parts += item.address_exclude(hole) if item.overlaps(hole) else [item]
        rest = parts
    return rest


def _check(parameters: Mapping, pointer: str, report: Report) -> None:
    for key in ("allow", "deny"):
        _check_list(parameters, key, pointer, report)
    if not any(list(items_at(parameters, key, pointer)) for key in ("allow", "deny")):
        message = f"{POLICY} names no address"
        hint = "Write the networks that may call below allow, or those that may not below deny."
        report.add(codes.COMBINATION, message, mark(parameters, pointer), hint)


def _check_list(parameters: Mapping, key: str, pointer: str, report: Report) -> None:
    for node, here in items_at(parameters, key, pointer):
        if (
            not isinstance(node, Scalar)
            or not isinstance(node.value, str)
            or not node.value
        ):
            continue
        fault = _fault(node.value)
        if fault:
            message, hint = fault
            report.add(codes.FORMAT, message, mark(node, here), hint)


def _fault(text: str) -> tuple[str, str] | None:
    """Message and hint of a network that cannot be used."""
    try:
        ip_network(text)
    except ValueError:
        pass
    else:
        return None
    try:
        network = ip_network(text, strict=False)
    except ValueError:
        hint = "Write it as 192.0.2.7, 192.0.2.0/24 or 2001:db8::/32."
        return f"{text[:60]} is not an IP address or network", hint
    return (
        f"{text[:60]} is an address within a network",
        f"Write the network as {network}.",
    )


_NETWORKS = Items(Text(1, 64), MOST)
_PARAMETERS: dict[str, Any] = {"allow": _NETWORKS, "deny": _NETWORKS}

conf_part = ConfPart(
    listed=(
        ListedPolicy(
            POLICY,
            flows=("request",),
            parameters=Record(_PARAMETERS),
            descriptions={
                "allow": "Addresses or networks (CIDR) that may call; all others are refused.",
                "deny": "Addresses or networks (CIDR) that may not call, also if `allow` has them.",
            },
            example={"allow": ["10.0.0.0/8"]},
            check=_check,
            once=True,
        ),
    ),
)
