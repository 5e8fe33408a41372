"""Scopes (apk-conf `operations[].scopes`): the token must have all, in the claim of its issuer.

Where a definition offers alternatives (OpenAPI 3.1 §4.8.30: one of the security requirements must
hold), `scopeAlternatives` lists them. The claim may be a space-delimited string (RFC 9068 §2.2.3)
or a list; of any other claim than `scope` and `scp` the script of the claims filter has made a list
by then. As in APK, a caller with only an API key or a certificate has no scopes and needs none.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, ClassVar, Final

from kapi.apis import report as codes
from kapi.apis.conf.nodes import items_at, operation_nodes
from kapi.apis.conf.policy_part import ConfField, ConfPart
from kapi.apis.conf.shapes import Items, Text
from kapi.apis.model.conf import ApiConf, OperationConf
from kapi.apis.report import Report
from kapi.apis.yaml_positions import Mapping, Sequence, mark
from kapi.dataclass import dataclass
from kapi.policies.authentication.conf import methods, needs_caller
from kapi.policies.authentication.node import Authentication
from kapi.policies.authentication.on_kubernetes import provider_name, providers
from kapi.policies.contract import EnvoyRoute, HttpFilter, Phase, Place
from kapi.policies.kubernetes import (
    KeyAddress,
    KubernetesPlace,
    KubernetesRoute,
    not_possible,
)
from kapi.policies.rbac import (
    FACTS,
    PRESENT,
    TRUE,
    all_of,
    any_of,
    claim,
    has_word,
    holds,
    metadata,
    negated,
    per_route,
)
from kapi.typed import first_of

name = "scopes"
phase = Phase.AUTHORIZE

FILTER = "envoy.filters.http.rbac"
METADATA = "kapi.scopes"
"""Route metadata: the scopes of the operation, for the challenge of a refusal."""
SCOPE_CLAIMS = ("scope", "scp")
_MOST_SCOPES = 16
"""Of one rule on Kubernetes."""
filters = (
    HttpFilter(
        phase,
        FILTER,
        {"@type": "type.googleapis.com/envoy.extensions.filters.http.rbac.v3.RBAC"},
        disabled=True,
    ),
)

_Has = Callable[[str], dict[str, Any]]


@dataclass(frozen=True, slots=True)
class Scopes:
    """The scopes needed: all of `scopes`, and all of one of the `alternatives` if there are any.

    `tokens_only` when no caller comes here without a token.
    """

    policy: ClassVar[str] = name
    scopes: tuple[str, ...]
    tokens_only: bool = True
    alternatives: tuple[tuple[str, ...], ...] = ()

    @property
    def asked_for(self) -> tuple[str, ...]:
        """Scopes that a token needs (RFC 6750 §3): those of the first alternative."""
        first = self.alternatives[0] if self.alternatives else ()
        return tuple(dict.fromkeys((*self.scopes, *first)))


def compile(conf: ApiConf, operation: OperationConf) -> Scopes | None:
    """No scopes, no check; an operation open to any caller has no token to look into."""
    if not needs_caller(conf, operation) or not (
        operation.scopes or operation.scope_alternatives
    ):
        return None
    alternatives = tuple(
        tuple(sorted(set(item))) for item in operation.scope_alternatives
    )
    scopes = tuple(sorted(set(operation.scopes)))
    return Scopes(scopes, tokens_only=_tokens_only(conf), alternatives=alternatives)


def _tokens_only(conf: ApiConf) -> bool:
    """Whether every caller must have a token: neither an API key nor a certificate is enough."""
    enabled = []
    for item in methods(conf):
        if item.enabled:
            enabled.append(item)
    types = {item.auth_type for item in enabled}
    if "APIKey" in types:
        return False
    tokens = []
    for item in enabled:
        if item.auth_type != "mTLS":
            tokens.append(item)
    return "mTLS" not in types or any(item.required == "mandatory" for item in tokens)


def envoy(node: Scopes, place: Place) -> EnvoyRoute:  # noqa: ARG001 - the policy contract
    """Allow a caller whose token has the scopes; the filter refuses every other caller."""
    allowed = [
        all_of(negated(metadata(FACTS, ("own_scopes",), TRUE)), _needed(node, _usual)),
        _needed(node, _own),
    ]
    if not node.tokens_only:
        # The caller was admitted by another filter before this one.
        allowed.append(negated(claim("iss", PRESENT)))
    policy = {"permissions": [{"any": True}], "principals": allowed}
    needed = {METADATA: {"scope": " ".join(node.asked_for)}}
    return EnvoyRoute(
        {FILTER: per_route({"action": "ALLOW", "policies": {"scopes": policy}})},
        metadata=needed,
    )


def kubernetes(node: Scopes, at: KubernetesPlace) -> KubernetesRoute:
    """One rule for each provider and alternative; a caller whom no rule allows is refused."""
    policies = at.place.operation.policies
    caller = first_of(policies, Authentication)
    if caller is None or caller.kinds == {"APIKey"}:
        return KubernetesRoute()
    rules = []
    for issuer, credential in providers(caller, at):
        for alternative in node.alternatives or ((),):
            needed = tuple(dict.fromkeys((*node.scopes, *alternative)))
            if len(needed) > _MOST_SCOPES:
                hint = f"Ask for at most {_MOST_SCOPES}."
                return not_possible(
                    f"more than {_MOST_SCOPES} scopes of one operation", hint
                )
            principal = {
                "provider": provider_name(issuer, credential),
                **_held(issuer, needed),
            }
            rules.append({"action": "Allow", "principal": {"jwt": principal}})
    return KubernetesRoute({"authorization": {"defaultAction": "Deny", "rules": rules}})


def _held(issuer: KeyAddress, needed: tuple[str, ...]) -> dict[str, Any]:
    """Envoy Gateway reads `scope` and `scp` as scopes; any other claim must be a list."""
    if set(issuer.scopes_claims) <= set(SCOPE_CLAIMS):
        return {"scopes": list(needed)}
    claim_name = issuer.scopes_claims[0]
    return {
        "claims": [
            {"name": claim_name, "valueType": "StringArray", "values": [scope]}
            for scope in needed
        ]
    }


def _needed(node: Scopes, has: _Has) -> dict[str, Any]:
    """Who has all scopes, and those of one alternative."""
    needs = list(map(has, node.scopes))
    if node.alternatives:
        needs.append(any_of(*(all_of(*map(has, item)) for item in node.alternatives)))
    return all_of(*needs)


def _usual(scope: str) -> dict[str, Any]:
    return any_of(*(claim(name, has_word(scope)) for name in SCOPE_CLAIMS))


def _own(scope: str) -> dict[str, Any]:
    return metadata(FACTS, ("scopes",), holds(scope))


MAX_ALTERNATIVES: Final = 100
"""Most alternatives of scopes at one operation."""
_SCOPES: Final = Items(
    Text(
        1,
        256,
        pattern=r"[\x21\x23-\x5b\x5d-\x7e]+",
        hint=(
            "A scope is 1 to 256 printable ASCII characters,"
            ' without blanks, `"` and `\\` (RFC 6749 §3.3).'
        ),
    )
)


def _check(root: Mapping, report: Report) -> None:
    """An alternative without scopes accepts every token, so the others would ask for nothing."""
    for operation, pointer in operation_nodes(root):
        for item, here in items_at(operation, "scopeAlternatives", pointer):
            if isinstance(item, Sequence) and not item.items:
                message = "an alternative without scopes accepts every token"
                hint = "Name scopes in it, or remove scopeAlternatives."
                report.add(codes.COMBINATION, message, mark(item, here), hint)


conf_part = ConfPart(
    fields=(
        ConfField(
            "scopes",
            places=("operation",),
            shape=_SCOPES,
            descriptions={
                "operations.scopes": "The token must have all of them; none when left out."
            },
        ),
        ConfField(
            "scopeAlternatives",
            places=("operation",),
            shape=Items(_SCOPES, MAX_ALTERNATIVES),
            descriptions={
                "operations.scopeAlternatives": (
                    "Lists of scopes: besides `scopes`, the token must have all scopes of one list."
                    " kapi's own field."
                )
            },
        ),
    ),
    check=_check,
)
