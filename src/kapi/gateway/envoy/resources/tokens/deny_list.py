"""The deny list: an RBAC filter that refuses revoked tokens by issuer and `jti`. Pure.

A token is found in constant time. jwt_authn copies both claims of a verified token into headers,
and removes what a client sends by these names, so they cannot be forged; the routes remove them
before the backend. Built from messages, not from JSON: the list may contain 100,000 tokens. It
travels by ECDS.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Any

from envoy.config.core.v3.extension_pb2 import TypedExtensionConfig
from envoy.config.rbac.v3 import rbac_pb2
from envoy.extensions.filters.http.rbac.v3.rbac_pb2 import RBAC
from envoy.type.matcher.v3.http_inputs_pb2 import HttpRequestHeaderMatchInput
from xds.type.matcher.v3.matcher_pb2 import Matcher

from kapi.gateway.envoy.resources.names import EXTENSION
from kapi.gateway.envoy.resources.resource import Resource, resource
from kapi.policies.authentication.trust import ISSUER_HEADER, JTI_HEADER
from kapi.policies.callers.revocation import FILTER
from kapi.policies.contract import PLACEHOLDER

REFUSAL = "900901_revoked"
"""Name of the action; the details of the reply contain it."""


def empty_deny_list() -> dict[str, Any]:
    """The filter when nothing is revoked, in Envoy's JSON form."""
    return {"name": FILTER, "typed_config": dict(PLACEHOLDER)}


def deny_list(
    revoked: Iterable[tuple[str, str]], own_issuers: Sequence[str] = ()
) -> Resource:
    """The ECDS resource for (issuer, jti) pairs; an empty issuer means any.

    `own_issuers` are names of one issuer: what is revoked of one is of each.
    """
    by_issuer: dict[str, set[str]] = {}
    for issuer, jti in revoked:
        name = own_issuers[0] if issuer in own_issuers else issuer
        by_issuer.setdefault(name, set()).add(jti)
    wrapped = TypedExtensionConfig(name=FILTER)
    if by_issuer:
        config = RBAC()
        _fill(config.matcher, by_issuer, own_issuers)
        wrapped.typed_config.Pack(config, deterministic=True)
    else:
        wrapped.typed_config.type_url = PLACEHOLDER["@type"]
    return resource(EXTENSION, FILTER, wrapped.SerializeToString(deterministic=True))


def _fill(
    matcher: Any, by_issuer: dict[str, set[str]], own_issuers: Sequence[str]
) -> None:
    """First those of any issuer, then those of the issuer with several names, then the others."""
    last = matcher
    if any_issuer := by_issuer.pop("", set()):
        _by_jti(matcher, any_issuer)
        last, matcher = matcher, matcher.on_no_match.matcher
    if len(own_issuers) > 1 and own_issuers[0] in by_issuer:
        entry = matcher.matcher_list.matchers.add()
        for name in own_issuers:
            named = entry.predicate.or_matcher.predicate.add().single_predicate
            named.input.CopyFrom(_header(ISSUER_HEADER))
            named.value_match.exact = name
        _of_issuer(entry.on_match.matcher, by_issuer.pop(own_issuers[0]))
        last, matcher = matcher, matcher.on_no_match.matcher
    if by_issuer:
        matcher.matcher_tree.input.CopyFrom(_header(ISSUER_HEADER))
        for issuer, identifiers in sorted(by_issuer.items()):
            entries = matcher.matcher_tree.exact_match_map.map
            _of_issuer(entries[issuer].matcher, identifiers)
        last = matcher
    _act(last.on_no_match.action, rbac_pb2.RBAC.ALLOW, "not_revoked")


def _of_issuer(matcher: Any, identifiers: set[str]) -> None:
    _by_jti(matcher, identifiers)
    _act(matcher.on_no_match.action, rbac_pb2.RBAC.ALLOW, "not_revoked")


def _by_jti(matcher: Any, identifiers: set[str]) -> None:
    matcher.matcher_tree.input.CopyFrom(_header(JTI_HEADER))
    refuse = Matcher.OnMatch()
    _act(refuse.action, rbac_pb2.RBAC.DENY, REFUSAL)
    entries = matcher.matcher_tree.exact_match_map.map
    for identifier in sorted(identifiers):
        entries[identifier].CopyFrom(refuse)


def _header(name: str) -> Any:
    made = Matcher.MatcherTree().input
    made.name = name
    made.typed_config.Pack(HttpRequestHeaderMatchInput(header_name=name))
    return made


def _act(action: Any, what: Any, name: str) -> None:
    action.name = name
    action.typed_config.Pack(rbac_pb2.Action(name=name, action=what))
