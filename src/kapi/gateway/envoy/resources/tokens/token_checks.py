"""Rules for what the token filter cannot check: verified tokens that are not access tokens. Pure.

They contain the rule for access tokens of each issuer (`jose/token_kinds.py`); `crit`
(RFC 7515 §4.1.11); APK's `keytype`; tokens bound to a key of the client (`cnf`, RFC 7800) without
their proof. They travel by ECDS.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from typing import Any

from kapi.gateway.envoy.resources.tokens.jwt import DPOP_SCHEMES, SCHEMES, mappable
from kapi.gateway.issuers import TrustedIssuer
from kapi.jose.claim_names import paths
from kapi.jose.compact import bare_type
from kapi.jose.token_kinds import (
    ACCESS_TOKEN_TYPE,
    EVENT_CLAIM,
    ID_KINDS,
    ID_TOKEN_CLAIMS,
    KIND_CLAIMS,
    OTHER_KINDS,
    USUAL_TYPES,
    AccessTokenRule,
)
from kapi.policies.authentication.trust import MOVED_BEARER_HEADER
from kapi.policies.authentication.unchecked import TOKEN_FILTER
from kapi.policies.rbac import (
    CLAIMS,
    FACTS,
    HEADER,
    JWT_FILTER,
    PRESENT,
    TRUE,
    Principal,
    all_of,
    any_of,
    claim,
    header,
    holds,
    metadata,
    negated,
    one_of,
    rbac,
    text,
)

_Rule = tuple[str, AccessTokenRule]
"""An `iss`, and what is an access token of it."""
_CONTROLS = {
    "string_match": {"safe_regex": {"regex": r"(?s).*[\x00-\x08\x0a-\x1f\x7f].*"}}
}
_NULL: dict[str, Any] = {"null_match": {}}


def token_checks(
    issuers: Sequence[TrustedIssuer], domains: Sequence[str]
) -> dict[str, Any]:
    """The ECDS resource; `domains` are those of the hosts of APIs."""
    rules = [(issuer.issuer, issuer.rule) for issuer in issuers if not issuer.api_keys]
    refused: dict[str, Principal] = {
        "900901_crit": any_of(_jose("crit", PRESENT), _jose("b64", PRESENT)),
        "900901_typ": _wrong_type(rules),
        "900901_kind": _other_kind(rules),
        "900901_id_token": _id_token(rules),
        "900901_keytype": _wrong_key_type(domains),
        "900901_scheme": any_of(
            *map(_other_scheme, ("authorization", MOVED_BEARER_HEADER))
        ),
        "900901_bound": all_of(
            claim("cnf", PRESENT), negated(metadata(FACTS, ("proved",), TRUE))
        ),
    }
    headers = sorted(
        {
            local.lower()
            for issuer in issuers
            for _, local in issuer.claim_mappings
            if mappable(local)
        }
    )
    if headers:
        # A header field cannot contain such a text (RFC 9110 §5.5), so no backend could be called.
        refused["900901_claims"] = any_of(
            *(header(name, _CONTROLS) for name in headers)
        )
    for number, (issuer, rule) in enumerate(rules):
        if rule.required_claims:
            missing = any_of(
                *(negated(_has(name, value)) for name, value in rule.required_claims)
            )
            refused[f"900901_required_{number}"] = all_of(_of(issuer), missing)
    return {"name": TOKEN_FILTER, "typed_config": rbac(refused)}


def _jose(name: str, value: dict[str, Any]) -> Principal:
    return metadata(JWT_FILTER, (HEADER, name), value)


def _of(issuer: str) -> Principal:
    return claim("iss", text(issuer))


def _of_none(issuers: Iterable[str]) -> list[Principal]:
    return [negated(_of(issuer)) for issuer in sorted(issuers)]


def _where_all(
    rules: Sequence[_Rule], holds_for: Callable[[AccessTokenRule], bool]
) -> set[str]:
    """Issuers that it holds for; of one that is declared twice, both declarations count."""
    return {issuer for issuer, _ in rules} - {
        issuer for issuer, rule in rules if not holds_for(rule)
    }


def _other_kind(rules: Sequence[_Rule]) -> Principal:
    """A claim names another kind of token."""
    accepting = _of_none(_where_all(rules, lambda rule: rule.id_tokens))

    def other(name: str) -> Principal:
        # One look at the claim decides for most tokens: each costs a call as much as a header.
        named = claim(name, one_of((*OTHER_KINDS, *ID_KINDS)))
        if not accepting:
            return named
        refused = any_of(claim(name, one_of(OTHER_KINDS)), all_of(*accepting))
        return all_of(named, refused)

    return any_of(claim(EVENT_CLAIM, PRESENT), *map(other, KIND_CLAIMS))


def _id_token(rules: Sequence[_Rule]) -> Principal:
    """Claims of ID tokens, unless the type or the declaration of the issuer allows them."""
    return all_of(
        any_of(*(claim(name, PRESENT) for name in ID_TOKEN_CLAIMS)),
        _has_no_type_of((ACCESS_TOKEN_TYPE,)),
        *_of_none(_where_all(rules, lambda rule: rule.ignores_id_token_claims)),
    )


def _has(name: str, value: str) -> Principal:
    """A claim has the value, itself or in a list.

    A name with dots may also be a path, which counts only without a claim of that very name.
    """
    first, *further = paths(name)
    found = _at(first, value)
    for path in further:
        found = any_of(found, all_of(negated(_at(first, "")), _at(path, value)))
    return found


def _at(path: tuple[str, ...], value: str) -> Principal:
    def is_(match: dict[str, Any]) -> Principal:
        return metadata(JWT_FILTER, (CLAIMS, *path), match)

    if not value:
        return all_of(is_(PRESENT), negated(is_(_NULL)))
    if value not in {"true", "false"}:
        return any_of(is_(text(value)), is_(holds(value)))
    truth = {"bool_match": value == "true"}
    return any_of(
        is_(text(value)),
        is_(holds(value)),
        is_(truth),
        is_({"list_match": {"one_of": truth}}),
    )


def _wrong_type(rules: Sequence[_Rule]) -> Principal:
    """Most issuers accept the usual types; those that do not have a rule of their own."""
    special = []
    for issuer, rule in rules:
        if _types(rule.types) != _types(USUAL_TYPES):
            special.append((issuer, rule))
    usual = all_of(
        _has_no_type_of(USUAL_TYPES),
        claim("iss", PRESENT),
        *_of_none({issuer for issuer, _ in special}),
    )
    return any_of(
        usual,
        *(all_of(_of(issuer), _has_no_type_of(rule.types)) for issuer, rule in special),
    )


def _types(types: Sequence[str]) -> set[str]:
    return set(map(bare_type, types))


def _has_no_type_of(types: Sequence[str]) -> Principal:
    """Without case (RFC 2045 §5.1), `application/` is optional (RFC 7515 §4.1.9)."""
    bare = list(filter(None, dict.fromkeys(map(bare_type, types))))
    names = [*bare, *(f"application/{name}" for name in bare)]
    untyped = _jose("typ", PRESENT) if "" in types else claim("iss", PRESENT)
    if not names:
        return untyped
    # The first condition decides for most tokens; the other is not evaluated then.
    return all_of(negated(_jose("typ", one_of(names, any_case=True))), untyped)


def _other_scheme(name: str) -> Principal:
    """A header with the end of a scheme in it that does not begin with that scheme."""

    def begins(text: str) -> Principal:
        return header(name, {"string_match": {"prefix": text, "ignore_case": True}})

    def contains(text: str) -> Principal:
        return header(name, {"string_match": {"contains": text, "ignore_case": True}})

    ends = sorted({spelling.lower() for spelling in (*SCHEMES, *DPOP_SCHEMES)})
    # First what decides for most tokens.
    return all_of(
        header(name, PRESENT),
        negated(begins("bearer ")),
        negated(begins("dpop ")),
        claim("iss", PRESENT),
        any_of(*map(contains, ends)),
    )


def _wrong_key_type(domains: Sequence[str]) -> Principal:
    """Those of API keys are checked where the keys are (`key_claims.lua`)."""

    def below(domain: str) -> Principal:
        suffix = {"suffix": f".sandbox.{domain}", "ignore_case": True}
        return header(":authority", {"string_match": suffix})

    sandbox = any_of(*map(below, domains))
    return all_of(
        claim("keytype", PRESENT),
        any_of(
            all_of(sandbox, negated(claim("keytype", text("SANDBOX", any_case=True)))),
            all_of(
                negated(sandbox),
                negated(claim("keytype", text("PRODUCTION", any_case=True))),
            ),
        ),
    )
