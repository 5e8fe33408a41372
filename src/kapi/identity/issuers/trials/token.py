"""The steps of `kapi issuer test` about a token: its signature, kind and claims. Pure.

Each fault has its likely cause. The token is neither stored nor logged.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any, Literal

from kapi.dataclass import dataclass
from kapi.identity.issuers.claims import as_scopes, has_audience, organization_of
from kapi.identity.issuers.declaration import Issuer
from kapi.identity.issuers.verify import (
    IssuerKeys,
    signature_fault,
    time_fault,
)
from kapi.jose.claim_names import client_of, find
from kapi.jose.jwk_set import KeySet
from kapi.jose.jwt import LARGEST, InvalidJwt, parse_jwt
from kapi.jose.token_kinds import Objection

Result = Literal["ok", "note", "fail"]


@dataclass(frozen=True, slots=True)
class Step:
    """The result of one check. `hint` is what to do about a fault."""

    step: str
    result: Result
    detail: str
    hint: str = ""


def token_steps(token: str, issuer: Issuer, keys: KeySet, now: int) -> list[Step]:
    """What is right and wrong with a token of the issuer; `now` in seconds since the epoch."""
    text = _without_scheme(token.strip())
    try:
        jwt = parse_jwt(text)
    except InvalidJwt:
        return [_unreadable(text, " ".join(issuer.advice))]
    header, claims = jwt.header, jwt.claims
    alg, typ, kid = (_short(header.get(name)) for name in ("alg", "typ", "kid"))
    fault = signature_fault(jwt, IssuerKeys(issuer, keys))
    return [
        Step("token", "ok", f"alg {alg}, typ {typ}, kid {kid}"),
        _issuer_step(claims, issuer),
        _signature_step(header, fault, issuer, keys),
        _kind_step(header, claims, issuer),
        *_claim_steps(claims, issuer, now),
    ]


def _without_scheme(text: str) -> str:
    scheme, _, rest = text.partition(" ")
    if scheme.lower() in {"bearer", "dpop"}:
        return rest.strip()
    return text


def _unreadable(text: str, advice: str) -> Step:
    dots = text.count(".")
    if dots == 4:
        hint = f"Let the provider issue signed tokens. {advice}"
        return Step("token", "fail", "it is encrypted (JWE)", hint)
    if dots != 2 or len(text) > LARGEST:
        hint = f"Ask for a JWT access token. {advice}"
        return Step(
            "token", "fail", "it is not a JWT: an opaque token, or cut off", hint
        )
    hint = "Copy it whole, without quotes or line breaks."
    return Step("token", "fail", "it is not a well-formed JWT", hint)


def _issuer_step(claims: Mapping[str, Any], issuer: Issuer) -> Step:
    said = claims.get("iss")
    if issuer.is_named(said):
        return Step("iss", "ok", str(said))
    hint = "Another provider, tenant, realm or version made it."
    if isinstance(said, str) and _normal(said) == _normal(issuer.issuer):
        hint = "They differ in a slash or in case only: declare it exactly so."
    return Step(
        "iss",
        "fail",
        f"the token says {_short(said)}, declared is {issuer.issuer!r}",
        hint,
    )


def _normal(issuer: str) -> str:
    return issuer.rstrip("/").lower()


def _signature_step(
    header: Mapping[str, Any], fault: str, issuer: Issuer, keys: KeySet
) -> Step:
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
    """Why no key fits: its kid is unknown, or that key is for another algorithm (RFC 7517 §4.4)."""
    kid, algorithm = header.get("kid"), header.get("alg")
    same = []
    for key in keys.keys:
        if key.kid == kid:
            same.append(key)
    if same:
        able = ", ".join(name for key in same for name in key.algorithms)
        own = f"the `alg` of its key {_short(kid)} in the JWKS says {able}"
        hint = (
            f"A key is used for its own alg only. Let the provider sign with {able},"
            f" or publish the key with alg {algorithm} or without alg."
        )
        return f"the token is signed with {algorithm}, and {own}", hint
    kids = ", ".join(name or "(none)" for name in keys.kids) or "none"
    return (
        f"kid {_short(kid)} is not among the keys: {kids}",
        "Another issuer signed it, or with a key that is withdrawn.",
    )


def _kind_step(
    header: Mapping[str, Any], claims: Mapping[str, Any], issuer: Issuer
) -> Step:
    """Whether it is an access token, and which part of `jose/token_kinds.py` fails."""
    objection = issuer.rule.objection(header, claims)
    if objection is not None:
        detail, hint = _kind_fault(objection, header, claims, issuer)
        return Step("kind", "fail", f"rule {objection.rule}: {detail}", hint)
    if issuer.id_tokens:
        return Step("kind", "ok", "an ID token or an access token; both are accepted")
    return Step("kind", "ok", "an access token")


def _kind_fault(
    objection: Objection,
    header: Mapping[str, Any],
    claims: Mapping[str, Any],
    issuer: Issuer,
) -> tuple[str, str]:
    """The detail and the hint."""
    name = objection.name
    found = _short(find(claims, name))
    if objection.rule == "typ":
        accepted = ", ".join(item or "(none)" for item in issuer.types)
        return (
            f"typ {_short(header.get('typ'))} is not that of an access token; accepted: {accepted}",
            "Send the access token. If this is one, accept its type with --typ.",
        )
    if objection.rule == "required claim":
        wanted = dict(issuer.required_claims)[name] or "there"
        return (
            f"{name} is {found}, it must be {wanted}",
            "Is it an access token, of this tenant?",
        )
    if objection.rule == "kind":
        return (
            f"{name} is {found}, so it is another kind of token",
            "Send the access token.",
        )
    return (
        f"it has {name}, a claim of ID tokens, and its typ is not at+jwt",
        (
            f"Send the access token. If this provider puts {name} into access tokens,"
            " they cannot be told from ID tokens: accept both with --id-tokens and an --audience."
        ),
    )


def _claim_steps(claims: Mapping[str, Any], issuer: Issuer, now: int) -> Iterator[Step]:
    yield _time_step(claims, issuer, now)
    yield _audience_step(claims, issuer)
    yield _client_step(claims, issuer)
    yield _scopes_step(claims, issuer)
    yield _organization_step(claims, issuer)


def _client_step(claims: Mapping[str, Any], issuer: Issuer) -> Step:
    client = client_of(claims, issuer.client_claims)
    if client:
        return Step("client", "ok", client)
    return Step("client", "note", "the token names no client", "Set consumerKeyClaim.")


def _scopes_step(claims: Mapping[str, Any], issuer: Issuer) -> Step:
    scopes = sorted(as_scopes(claims, issuer.scopes_claims))
    if scopes:
        return Step("scopes", "ok", " ".join(scopes))
    where = " or ".join(issuer.scopes_claims)
    return Step(
        "scopes", "note", f"none in {where}", "Operations that need a scope refuse it."
    )


def _organization_step(claims: Mapping[str, Any], issuer: Issuer) -> Step:
    organization = organization_of(claims, issuer)
    if organization is None:
        hint = 'Give it a name: organizations = {"<value>" = "acme"}.'
        return Step("organization", "fail", "it cannot be an organization here", hint)
    return Step("organization", "ok", organization or "none; the default one is used")


def _time_step(claims: Mapping[str, Any], issuer: Issuer, now: int) -> Step:
    try:
        fault = time_fault(claims, issuer, now)
    except ValueError as error:
        return Step(
            "time",
            "fail",
            f"{error} is missing or is not a number",
            "Every token must have exp.",
        )
    if not fault:
        return Step("time", "ok", f"valid until {claims['exp']}")
    hint = "Compare the clocks."
    if fault == "expired":
        hint = "Get a fresh token."
    return Step("time", "fail", f"the token is {fault}", hint)


def _audience_step(claims: Mapping[str, Any], issuer: Issuer) -> Step:
    said = _short(claims.get("aud"))
    if not issuer.audiences:
        return _unchecked_audience(f"not checked; the token says {said}", issuer)
    if has_audience(claims, issuer.audiences):
        return Step("aud", "ok", said)
    accepted = ", ".join(issuer.audiences)
    return Step(
        "aud",
        "fail",
        f"the token says {said}, accepted: {accepted}",
        "Ask for a token for this API, or accept that audience.",
    )


def _unchecked_audience(detail: str, issuer: Issuer) -> Step:
    if not issuer.audience_needed:
        return Step("aud", "ok", detail)
    hint = "Give one with --audience, or tokens made for other APIs are accepted too."
    return Step("aud", "note", detail, hint)


def _short(value: object) -> str:
    if value is None:
        return "(none)"
    return repr(value)[:200]
