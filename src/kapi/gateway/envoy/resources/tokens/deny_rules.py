"""The rules of the deny list, for `deny_list.py`: built from messages of Envoy, not from JSON.

The list may contain 100,000 tokens.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from envoy.config.core.v3.extension_pb2 import TypedExtensionConfig
from envoy.config.rbac.v3 import rbac_pb2
from envoy.extensions.filters.http.rbac.v3.rbac_pb2 import RBAC
from envoy.type.matcher.v3.http_inputs_pb2 import HttpRequestHeaderMatchInput
from xds.type.matcher.v3.matcher_pb2 import Matcher

from kapi.policies.authentication.trust import ISSUER_HEADER, JTI_HEADER

REFUSAL = "900901_revoked"
"""Name of the action; the details of the reply contain it."""


def encoded_rules(
    name: str, by_issuer: dict[str, set[str]], own_issuers: Sequence[str]
) -> bytes:
    """The filter of this name that refuses the `jti`s of each issuer; "" is any issuer."""
    config, wrapped = RBAC(), TypedExtensionConfig(name=name)
    _fill(config.matcher, by_issuer, own_issuers)
    wrapped.typed_config.Pack(config, deterministic=True)
    return bytes(wrapped.SerializeToString(deterministic=True))


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
