"""Walks everything a token of an issuer depends on, step by step, each fault with its likely cause: `kapi issuer test`.

Fetches anew, changes nothing. A token that is tried is neither kept nor logged.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Iterator
from dataclasses import dataclass
from email.utils import parsedate_to_datetime
from typing import Any, Literal

from kapi.errors import Unfetched
from kapi.fetch import Document, Way
from kapi.identity.issuers.claims import as_scopes, client_of, find, has_audience, missing_claim, organization_of
from kapi.identity.issuers.declaration import Issuer
from kapi.identity.issuers.fetching import Get, discovered
from kapi.identity.issuers.following import Followed
from kapi.identity.issuers.keyset import KeySet, read_jwks
from kapi.identity.verify import LARGEST_TOKEN, IssuerKeys, claims_fault, signature_fault, split

Result = Literal["ok", "note", "fail"]


@dataclass(frozen=True, slots=True)
class Step:
    """One thing that was looked at. `hint` says what to do about it."""

    step: str
    result: Result
    detail: str
    hint: str = ""


_HINTS = {
    "name": "Check the spelling of the domain, and this machine's name service.",
    "connect": "Check that this machine reaches it: firewall, proxy, port.",
    "tls": "If it has a certificate authority of its own, give it: kapi issuer add … --ca FILE.",
    "timeout": "It is slow or filtered; keys that are known stay in use meanwhile.",
    "address": "It is on a private network: identity.keys_private_networks = true allows that.",
    "status": "Check the address: tenant, realm and version are part of the path.",
    "redirect": "Give the address it redirects to; redirects to other hosts are not followed.",
    "size": "This does not look like a JWK Set.",
    "issuer": "Declare the issuer exactly as the document says it: slash, scheme and case count.",
}


def trial(followed: Followed, token: str, get: Get, way: Way, now: float) -> tuple[Step, ...]:
    """All steps, those of the token only when there is one."""
    walk = _Walk(followed, get, dataclasses.replace(way, ca=followed.issuer.ca, other_hosts=False), now)
    steps = (
        list(walk.network()) if followed.issuer.fetches else [Step("keys", "ok", "the public key was given by hand; nothing is fetched")]
    )
    if token:
        steps += _token(token, followed.issuer, walk.keys, int(now))
    return tuple(steps)


class _Walk:
    """The steps over the network, and the keys they found."""

    def __init__(self, followed: Followed, get: Get, way: Way, now: float) -> None:
        self.issuer, self.state = followed.issuer, followed.state
        self.keys = followed.state.keys
        self._get, self._way, self._now = get, way, now
        self._date = ""

    def network(self) -> Iterator[Step]:
        uri = self.issuer.jwks_uri
        try:
            found = discovered(self.issuer, self._watched, self._way)
            yield Step("discovery", "ok", f"{self.issuer.discovery} names {found}")
            if uri and uri != found:
                yield Step("discovery", "note", f"keys are taken from {uri}, not from there", "Leave jwksUri out to follow the document.")
            uri = uri or found
        except Unfetched as error:
            yield Step("discovery", "note" if uri else "fail", error.detail, _HINTS.get(error.code, error.hint))
        if uri:
            yield from self._jwks(uri)
        yield from self._clock()
        yield self._in_force()

    def _watched(self, url: str, way: Way, headers: Any) -> Document:
        document = self._get(url, way, headers)
        self._date = document.headers.get("date", self._date)
        return document

    def _jwks(self, uri: str) -> Iterator[Step]:
        try:
            document = self._watched(uri, self._way, {"Accept": "application/jwk-set+json, application/json"})
            keys = read_jwks(document.content, self.issuer.algorithms)
        except Unfetched as error:
            yield Step("keys", "fail", error.detail, _HINTS.get(error.code, error.hint))
            return
        except ValueError as error:
            yield Step("keys", "fail", f"{uri}: {error}", "Check the address of the JWKS.")
            return
        yield Step("tls", "ok", "the server's certificate is valid" if uri.startswith("https:") else "plain http, on this machine only")
        shown = ", ".join(f"{key.kid or 'without kid'} ({' '.join(key.algorithms)})" for key in keys.keys)
        for reason in keys.ignored:
            yield Step("keys", "note", f"{reason}; it is not used")
        if keys.keys:
            self.keys = keys
            yield Step("keys", "ok", f"{len(keys.keys)} usable at {uri}: {shown}")
        else:
            hint = "Accept its algorithm (--algorithm), or let the provider sign with RS256 or ES256."
            yield Step("keys", "fail", f"no usable key at {uri}", hint)

    def _clock(self) -> Iterator[Step]:
        try:
            apart = parsedate_to_datetime(self._date).timestamp() - self._now
        except (ValueError, TypeError):
            return
        # The header has whole seconds, and the answer took a moment.
        if abs(apart) > self.issuer.clock_skew + 2:
            yield Step("clock", "fail", f"the issuer's clock is {apart:+.0f} s from ours", "Set the clock (NTP), or allow more: clockSkew.")
        else:
            yield Step("clock", "ok", f"within {abs(apart):.0f} s of the issuer's")

    def _in_force(self) -> Step:
        held, count = self.state.keys, len(self.state.keys.keys)
        if not count:
            return Step("in force", "fail", f"no key is in force yet: {self.state.error or 'none was fetched'}", "Mend the steps above.")
        age = max(0, int(self._now) - self.state.fetched_at)
        if held.jwks() != self.keys.jwks():
            return Step(
                "in force",
                "note",
                f"{count} keys, confirmed {age} s ago; the issuer has others now",
                "They are taken up at the next fetch.",
            )
        return Step("in force", "ok", f"{count} keys, confirmed {age} s ago")


def _token(token: str, issuer: Issuer, keys: KeySet, now: int) -> list[Step]:
    token = token.removeprefix("Bearer ").removeprefix("bearer ").strip()
    dots = token.count(".")
    if dots != 2 or len(token) > LARGEST_TOKEN:
        advice = " ".join(issuer.advice)
        if dots == 4:
            return [Step("token", "fail", "it is encrypted (JWE)", f"Let the provider issue signed tokens. {advice}")]
        return [Step("token", "fail", "it is not a JWT: an opaque token, or cut off", f"Ask for a JWT access token. {advice}")]
    try:
        header, claims, message, signature = split(token)
    except (ValueError, RecursionError):
        return [Step("token", "fail", "it is not a well-formed JWT", "Copy it whole, without quotes or line breaks.")]
    steps = [Step("token", "ok", f"alg {_short(header.get('alg'))}, typ {_short(header.get('typ'))}, kid {_short(header.get('kid'))}")]
    steps.append(_issuer_step(claims, issuer))
    steps.append(_signature_step(header, signature_fault(header, message, signature, IssuerKeys(issuer, keys)), issuer, keys))
    steps.extend(_claim_steps(claims, issuer, now))
    return steps


def _issuer_step(claims: dict[str, Any], issuer: Issuer) -> Step:
    said = claims.get("iss")
    if said == issuer.issuer:
        return Step("iss", "ok", issuer.issuer)
    close = isinstance(said, str) and said.rstrip("/").lower() == issuer.issuer.rstrip("/").lower()
    hint = (
        "They differ in a slash or in case only: declare it exactly so." if close else "Another provider, tenant, realm or version made it."
    )
    return Step("iss", "fail", f"the token says {_short(said)}, declared is {issuer.issuer!r}", hint)


def _signature_step(header: dict[str, Any], fault: str, issuer: Issuer, keys: KeySet) -> Step:
    kids = ", ".join(kid or "(none)" for kid in keys.kids) or "none"
    accepted = ", ".join(issuer.algorithms)
    types = ", ".join(item or "(none)" for item in issuer.types)
    explained: dict[str, tuple[str, str]] = {
        "algorithm": (
            f"alg {_short(header.get('alg'))} is not accepted: {accepted}",
            "Accept it with --algorithm, if the provider really signs so.",
        ),
        "type": (
            f"typ {_short(header.get('typ'))} is not that of an access token",
            f"Accepted: {types}; an ID token is not an access token.",
        ),
        "unknown key": (
            f"kid {_short(header.get('kid'))} is not among the keys: {kids}",
            "Another issuer signed it, or with a key that is withdrawn.",
        ),
        "signature": ("the signature does not fit the key", "The token was changed or cut off, or another key has the same kid."),
        "malformed": ("the header has parts that must be understood and are not", "Only plain signed JWTs are accepted."),
    }
    return Step("signature", "fail", *explained[fault]) if fault else Step("signature", "ok", "by a key of the issuer")


def _claim_steps(claims: dict[str, Any], issuer: Issuer, now: int) -> Iterator[Step]:
    try:
        fault = claims_fault(claims, dataclasses.replace(issuer, audiences=(), required_claims=()), now)
    except ValueError as error:
        yield Step("time", "fail", f"{error} is missing or is not a number", "Every token must have exp.")
    else:
        hint = "Get a fresh token." if fault == "expired" else "Compare the clocks."
        yield Step(
            "time", "fail" if fault else "ok", f"the token is {fault}" if fault else f"valid until {claims['exp']}", hint if fault else ""
        )
    yield _audience_step(claims, issuer)
    if missing := missing_claim(claims, issuer.required_claims):
        wanted = dict(issuer.required_claims)[missing] or "anything"
        yield Step(
            "claims", "fail", f"{missing} is {_short(find(claims, missing))}, it must be {wanted}", "Is it an access token, of this tenant?"
        )
    client, scopes = client_of(claims, issuer.consumer_key_claim), sorted(as_scopes(claims, issuer.scopes_claims))
    yield Step("client", "ok" if client else "note", client or "the token names no client", "" if client else "Set consumerKeyClaim.")
    where = " or ".join(issuer.scopes_claims)
    yield Step(
        "scopes",
        "ok" if scopes else "note",
        " ".join(scopes) or f"none in {where}",
        "" if scopes else "Operations that need a scope refuse it.",
    )
    organization = organization_of(claims, issuer)
    if organization is None:
        yield Step("organization", "fail", "it cannot be an organization here", 'Give it a name: organizations = {"<value>" = "acme"}.')
    else:
        yield Step("organization", "ok", organization or "none; the default one is used")


def _audience_step(claims: dict[str, Any], issuer: Issuer) -> Step:
    said = _short(claims.get("aud"))
    if not issuer.audiences:
        hint = "Give one with --audience, or tokens made for other APIs are accepted too." if issuer.audience_needed else ""
        return Step("aud", "note" if issuer.audience_needed else "ok", f"not checked; the token says {said}", hint)
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


__all__ = ["Step", "trial"]
