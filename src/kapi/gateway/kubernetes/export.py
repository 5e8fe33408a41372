"""An API as objects of Kubernetes, or an error with everything that these cannot express. Pure."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import field
from itertools import groupby
from typing import Final

from kapi import error_codes
from kapi.apis.ir import Api
from kapi.apis.kinds.grpc import GRPC
from kapi.dataclass import dataclass
from kapi.errors import Problem
from kapi.gateway.kubernetes.attached import attached, split_counts
from kapi.gateway.kubernetes.backends import Backends
from kapi.gateway.kubernetes.context import ExportContext
from kapi.gateway.kubernetes.names import Manifest, object_name
from kapi.gateway.kubernetes.objects import Maker, in_order
from kapi.gateway.kubernetes.routes.entries import Rule
from kapi.gateway.kubernetes.routes.grpc import grpc_entries
from kapi.gateway.kubernetes.routes.places import PlacedOperations, placed_operations
from kapi.gateway.kubernetes.routes.rest import definition_entry, rest_entries
from kapi.gateway.kubernetes.routes.rules import RuleMaker
from kapi.gateway.kubernetes.shared import LISTENER, shared_objects
from kapi.policies.kubernetes import NotPossible

MOST_RULES: Final = 16
"""Rules of one route (Gateway API)."""


class NotExpressible(Problem):
    """Things of a conf that Gateway API and Envoy Gateway cannot express."""

    def __init__(self, faults: Sequence[NotPossible]) -> None:
        self.faults = tuple(dict.fromkeys(faults))
        lines = [f"{item.what}. {item.hint}" for item in self.faults]
        hint = (
            "Change these parts of the conf, or deploy the API to kapi's own gateway."
        )
        error = error_codes.NOT_EXPRESSIBLE
        super().__init__(error.status, error.number, error.text, "\n".join(lines), hint)


@dataclass(slots=True)
class _Made:
    """What has been made of an API so far."""

    rules: list[Rule] = field(default_factory=list)
    faults: list[NotPossible] = field(default_factory=list)


def export_api(api: Api, context: ExportContext) -> tuple[Manifest, ...]:
    """All objects of an API and those that it shares with others, in the order of their kinds.

    Raises NotExpressible with all that is not possible.
    """
    maker = Maker(context.settings.kubernetes.namespace, api)
    backends = Backends(context, maker, api.organization)
    rules = RuleMaker(backends)
    made = _Made()
    made.faults += _faults_of_api(api)
    for _, same_host in groupby(
        placed_operations(api, context), key=lambda item: item.host
    ):
        _add_host(api, list(same_host), rules, made)
    routes = list(_named(api, made.rules))
    faults = [*made.faults, *rules.faults, *backends.faults]
    if not faults:
        faults += split_counts(routes)
    if faults:
        raise NotExpressible(faults)
    policies = tuple(attached(api, routes, maker))
    return in_order(
        (
            *shared_objects(context, with_keys=any(map(_asks_for_keys, policies))),
            *backends.objects,
            *rules.objects,
            *_routes(routes, maker, context),
            *policies,
        )
    )


def _asks_for_keys(policy: Manifest) -> bool:
    """Whether a policy gets the inbuilt provider's keys from their Backend."""
    providers = policy["spec"].get("jwt", {}).get("providers", ())
    return any("backendRefs" in item["remoteJWKS"] for item in providers)


def _faults_of_api(api: Api) -> Iterator[NotPossible]:
    if api.escaped_slashes != "unescape":
        what = "a treatment of escaped slashes for one API"
        hint = "Set escapedSlashesAction in the ClientTrafficPolicy, and leave it out of the conf."
        yield NotPossible(what, hint)
    if api.mcp_tools:
        what = "tools of an MCP server, which kapi's gateway answers"
        yield NotPossible(what, "Remove `mcp`, or deploy the API to kapi's gateway.")


def _add_host(
    api: Api, placed: Sequence[PlacedOperations], rules: RuleMaker, made: _Made
) -> None:
    """The rules of one host. The policies of GraphQL and MCP say that these are not possible."""
    if api.type != GRPC.type:
        entries = rest_entries(api, placed)
        made.rules += rules.http(list(entries))
        return
    for item in placed:
        for entry in grpc_entries(item):
            if isinstance(entry, NotPossible):
                made.faults.append(entry)
            else:
                made.rules.append(rules.grpc(entry))
    definitions = [entry for item in placed for entry in definition_entry(api, item)]
    made.rules += rules.http(definitions)


def _named(api: Api, rules: Iterable[Rule]) -> Iterator[tuple[str, Rule]]:
    """The rules with the names of their routes: each of one kind and host, with a few rules."""
    ordered = sorted(rules, key=lambda rule: (rule.kind, rule.host))
    for (kind, host), group in groupby(
        ordered, key=lambda rule: (rule.kind, rule.host)
    ):
        for number, rule in enumerate(group):
            part = number // MOST_RULES
            yield (
                object_name(f"{api.name} {api.version}", (api.id, kind, host, part)),
                rule,
            )


def _routes(
    routes: Sequence[tuple[str, Rule]], maker: Maker, context: ExportContext
) -> Iterator[Manifest]:
    target = context.settings.kubernetes
    parent = {"name": target.gateway, "sectionName": LISTENER}
    if target.of_gateway != target.namespace:
        parent["namespace"] = target.of_gateway
    for name, group in groupby(routes, key=lambda item: item[0]):
        rules = [rule for _, rule in group]
        spec = {
            "parentRefs": [parent],
            "hostnames": [rules[0].host],
            "rules": [rule.fields for rule in rules],
        }
        yield maker.make(rules[0].kind, name, spec)
