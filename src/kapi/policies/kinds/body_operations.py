"""Operations that the body of a request names: what the admission filter is told of each. Pure.

Not a policy but what the policies of such kinds share. An operation that is not in the metadata of
the route is refused. `wasm/admission/src/operations.rs` reads the texts.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from kapi.apis.ir import Operation
from kapi.apis.model.conf import ApiConf, OperationConf
from kapi.dataclass import dataclass
from kapi.policies.admission import FILTER, ON, limit
from kapi.policies.authentication.conf import needs_caller
from kapi.policies.authentication.node import Authentication
from kapi.policies.callers import scopes
from kapi.policies.contract import EnvoyRoute, Place
from kapi.policies.limits import rate_limit

METADATA = "kapi.operations"
"""Route metadata: a text for each operation by its name."""
IN_BODY = ("scopes", "rate_limit")
"""Policies whose nodes of an operation are checked with the body."""


@dataclass(frozen=True, slots=True)
class BodyOperation:
    """What one operation needs of its caller."""

    verb: str
    target: str
    open: bool = False
    """It needs no credential."""
    scopes: tuple[tuple[str, ...], ...] = ()
    """A token needs all scopes of one of these lists; no lists, no scopes."""
    limit: rate_limit.RateLimit | None = None


def body_operation(conf: ApiConf, operation: OperationConf) -> BodyOperation:
    """What the conf says of an operation."""
    own = rate_limit.compile(conf, operation)
    return BodyOperation(
        operation.verb,
        operation.target,
        open=not needs_caller(conf, operation),
        scopes=_lists(scopes.compile(conf, operation)),
        limit=_of_operation(own),
    )


def body_operation_of(operation: Operation) -> BodyOperation:
    """What the nodes of an operation contain."""
    nodes = {node.policy: node for node in operation.policies}
    own = nodes.get(rate_limit.name)
    return BodyOperation(
        operation.verb,
        operation.target,
        open=not nodes["authentication"].required,
        scopes=_lists(nodes.get(scopes.name)),
        limit=_of_operation(own),
    )


def _of_operation(node: rate_limit.RateLimit | None) -> rate_limit.RateLimit | None:
    if node is None or node.counted == "api":
        return None
    return node


def _lists(node: scopes.Scopes | None) -> tuple[tuple[str, ...], ...]:
    if node is None:
        return ()
    alternatives = node.alternatives or ((),)
    return tuple(tuple(dict.fromkeys((*node.scopes, *item))) for item in alternatives)


def credentials(node: Authentication) -> str:
    """The letters of the credentials that an API takes."""
    certificates = node.certificates
    taken = {
        "m": certificates is not None and certificates.mandatory,
        "t": any(item.kind != "APIKey" for item in node.credentials),
        "k": any(item.kind == "APIKey" for item in node.credentials),
        "c": certificates is not None and not node.needs_credential,
    }
    return "".join(filter(taken.get, taken))


def envoy(
    kind: str,
    options: str,
    needs: str,
    operations: Iterable[BodyOperation],
    place: Place,
) -> EnvoyRoute:
    """Switch the filter on.

    `needs` are the letters of `credentials`; `options` are the kind's own.
    """
    texts: dict[str, Any] = {}
    for item in operations:
        texts[f"{item.verb.lower()} {item.target}"] = _text(item, place)
    return EnvoyRoute(
        {FILTER: ON},
        metadata={METADATA: texts, FILTER: {"kind": f"{kind}\t{needs}\t{options}"}},
        route={"request_body_buffer_limit": place.gateway.enforcer.max_body_bytes},
    )


def _text(item: BodyOperation, place: Place) -> str:
    """Flags, scopes, limits; a scope has neither blanks nor quotation marks (RFC 6749 §3.3)."""
    lists = '"'.join(map(" ".join, item.scopes))
    fields = ["o" * item.open, lists]
    if item.limit:
        key = rate_limit.operation_key(place, item.verb, item.target)
        seconds = rate_limit.SECONDS[item.limit.unit]
        fields.append(
            limit("r", key, item.limit.requests, seconds, rate_limit.OPERATION_CODE)
        )
    return "\t".join(fields)
