"""The steps of `kapi issuer test` that are about a token: its signature, its kind, its claims, each fault with its likely cause. Pure.

Called by `trial.py`. The token is neither kept nor logged.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any, Literal

from kapi.identity.issuers.claims import as_scopes, has_audience, organization_of
from kapi.identity.issuers.declaration import Issuer
from kapi.identity.tokens.verify import (
    IssuerKeys,
    signature_fault,
    time_fault,
)
from kapi.jose.claim_names import client_of, find
from kapi.jose.jwk_set import KeySet
from kapi.jose.jwt import LARGEST, InvalidJwt, parse_jwt

Result = Literal["ok", "note", "fail"]


@dataclass(frozen=True, slots=True)
class Step:
    """One thing that was looked at. `hint` says what to do about it."""

    step: str
    result: Result
    detail: str
    hint: str = ""


def token_steps(token: str, issuer: Issuer, keys: KeySet, now: int) -> list[Step]:
    """What is right and wrong with a token of the issuer; `now` in seconds since the epoch."""
    scheme, _, rest = token.strip().partition(" ")
    token = rest.strip() if scheme.lower() in {"bearer", "dpop"} else token.strip()
    dots = token.count(".")
    if dots != 2 or len(token) > LARGEST:
        advice = " ".join(issuer.advice)
        if dots == 4:
            return [
                Step(
                    "token",
                    "fail",
                    "it is encrypted (JWE)",
                    f"Let the provider issue signed tokens. {advice}",
                )
            ]
        return [
            Step(
                "token",
                "fail",
                "it is not a JWT: an opaque token, or cut off",
                f"Ask for a JWT access token. {advice}",
            )
        ]
    try:
        jwt = parse_jwt(token)
    except InvalidJwt:
        return [
            Step(
                "token",
                "fail",
                "it is not a well-formed JWT",
                "Copy it whole, without quotes or line breaks.",
            )
        ]
    header, claims = jwt.header, jwt.claims
    steps = [
        Step(
            "token",
            "ok",
            f"alg {_short(header.get('alg'))}, typ {_short(header.get('typ'))}, kid {_short(header.get('kid'))}",
        )
    ]
    steps.append(_issuer_step(claims, issuer))
    steps.append(
        _signature_step(
            header,
            signature_fault(jwt, IssuerKeys(issuer, keys)),
            issuer,
            keys,
        )
    )
    steps.append(_kind_step(header, claims, issuer))
    steps.extend(_claim_steps(claims, issuer, now))
    return steps


def _issuer_step(claims: Mapping[str, Any], issuer: Issuer) -> Step:
    said = claims.get("iss")
    if said == issuer.issuer:
        return Step("iss", "ok", issuer.issuer)
    close = isinstance(said, str) and said.rstrip("/").lower() == issuer.issuer.rstrip("/").lower()
    hint = (
        "They differ in a slash or in case only: declare it exactly so."
        if close
        else "Another provider, tenant, realm or version made it."
    )
    return Step(
        "iss", "fail", f"the token says {_short(said)}, declared is {issuer.issuer!r}", hint
    )


def _signature_step(header: Mapping[str, Any], fault: str, issuer: Issuer, keys: KeySet) -> Step:
    if not fault:
        return Step("signature", "ok", "by a key of the issuer")
    if fault == "unknown key":
        return Step("signature", "fail", *_no_key(header, keys))
    accepted = ", ".join(issuer.algorithms)
    explained: dict[str, tuple[str, str]] = {
        "algorithm": (
            f"alg {_short(header.get('alg'))} is not accepted: {accepted}",
            "Accept it with --algorithm, if the provider really signs so.",
        ),
        "signature": (
            "the signature does not fit the key",
            "The token was changed or cut off, or another key has the same kid.",
        ),
        "malformed": (
            "the header has parts that must be understood and are not",
            "Only plain signed JWTs are accepted.",
        ),
    }
    return Step("signature", "fail", *explained[fault])


def _no_key(header: Mapping[str, Any], keys: KeySet) -> tuple[str, str]:
    """No key fits: none has the kid, or the one that has it is for another algorithm (RFC 7517 §4.4)."""
    kid, algorithm = header.get("kid"), header.get("alg")
    same = [key for key in keys.keys if key.kid == kid]
    if same:
        able = ", ".join(name for key in same for name in key.algorithms)
        return (
            f"the token is signed with {algorithm}, and the `alg` of its key {_short(kid)} in the JWKS says {able}",
            (
                f"A key is used for its own alg only. Let the provider sign with {able},"
                f" or publish the key with alg {algorithm} or without alg."
            ),
        )
    kids = ", ".join(name or "(none)" for name in keys.kids) or "none"
    return (
        f"kid {_short(kid)} is not among the keys: {kids}",
        "Another issuer signed it, or with a key that is withdrawn.",
    )


def _kind_step(header: Mapping[str, Any], claims: Mapping[str, Any], issuer: Issuer) -> Step:
    """Whether it is an access token, and which part of the rule says that it is not (`jose/token_kinds.py`)."""
    objection = issuer.rule.objection(header, claims)
    if objection is None:
        return Step(
            "kind",
            "ok",
            "an ID token or an access token; both are accepted"
            if issuer.id_tokens
            else "an access token",
        )
    name = objection.name
    if objection.rule == "typ":
        accepted = ", ".join(item or "(none)" for item in issuer.types)
        detail = f"rule typ: typ {_short(header.get('typ'))} is not that of an access token; accepted: {accepted}"
        return Step(
            "kind",
            "fail",
            detail,
            "Send the access token. If this is one, accept its type with --typ.",
        )
    found = _short(find(claims, name))
    if objection.rule == "required claim":
        wanted = dict(issuer.required_claims)[name] or "there"
        detail = f"rule required claim: {name} is {found}, it must be {wanted}"
        return Step("kind", "fail", detail, "Is it an access token, of this tenant?")
    if objection.rule == "kind":
        return Step(
            "kind",
            "fail",
            f"rule kind: {name} is {found}, so it is another kind of token",
            "Send the access token.",
        )
    hint = (
        f"Send the access token. If this provider puts {name} into access tokens, they cannot be told from ID tokens: "
        "accept both with --id-tokens and an --audience."
    )
    return Step(
        "kind",
        "fail",
        f"rule ID token: it has {name}, a claim of ID tokens, and its typ is not at+jwt",
        hint,
    )


def _claim_steps(claims: Mapping[str, Any], issuer: Issuer, now: int) -> Iterator[Step]:
    yield _time_step(claims, issuer, now)
    yield _audience_step(claims, issuer)
    client, scopes = (
        client_of(claims, issuer.client_claims),
        sorted(as_scopes(claims, issuer.scopes_claims)),
    )
    yield Step(
        "client",
        "ok" if client else "note",
        client or "the token names no client",
        "" if client else "Set consumerKeyClaim.",
    )
    where = " or ".join(issuer.scopes_claims)
    yield Step(
        "scopes",
        "ok" if scopes else "note",
        " ".join(scopes) or f"none in {where}",
        "" if scopes else "Operations that need a scope refuse it.",
    )
    organization = organization_of(claims, issuer)
    if organization is None:
        yield Step(
            "organization",
            "fail",
            "it cannot be an organization here",
            'Give it a name: organizations = {"<value>" = "acme"}.',
        )
    else:
        yield Step("organization", "ok", organization or "none; the default one is used")


def _time_step(claims: Mapping[str, Any], issuer: Issuer, now: int) -> Step:
    try:
        fault = time_fault(claims, issuer, now)
    except ValueError as error:
        return Step(
            "time", "fail", f"{error} is missing or is not a number", "Every token must have exp."
        )
    if not fault:
        return Step("time", "ok", f"valid until {claims['exp']}")
    return Step(
        "time",
        "fail",
        f"the token is {fault}",
        "Get a fresh token." if fault == "expired" else "Compare the clocks.",
    )


def _audience_step(claims: Mapping[str, Any], issuer: Issuer) -> Step:
    said = _short(claims.get("aud"))
    if not issuer.audiences:
        hint = (
            "Give one with --audience, or tokens made for other APIs are accepted too."
            if issuer.audience_needed
            else ""
        )
        return Step(
            "aud",
            "note" if issuer.audience_needed else "ok",
            f"not checked; the token says {said}",
            hint,
        )
    if has_audience(claims, issuer.audiences):
        return Step("aud", "ok", said)
    return Step(
        "aud",
        "fail",
        f"the token says {said}, accepted: {', '.join(issuer.audiences)}",
        "Ask for a token for this API, or accept that audience.",
    )


def _short(value: object) -> str:
    return "(none)" if value is None else repr(value)[:200]
