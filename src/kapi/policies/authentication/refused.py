"""The callers that an operation refuses after the token was checked, by rule.

A rule's name begins with the error code of the answer.
"""

from __future__ import annotations

from urllib.parse import quote

from kapi import error_codes
from kapi.policies.authentication.node import Authentication
from kapi.policies.authentication.trust import MOVED_JWT_HEADER
from kapi.policies.contract import Place
from kapi.policies.rbac import (
    FACTS,
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
    text,
)

TOKEN: Principal = claim("iss", PRESENT)
"""A caller with an access token."""
KEY: Principal = metadata(FACTS, ("api_key",), TRUE)
"""A caller with an API key that is accepted here."""
BAD_KEY: Principal = metadata(FACTS, ("bad_api_key",), TRUE)
FORBIDDEN_KEY: Principal = metadata(FACTS, ("forbidden_api_key",), TRUE)
CERTIFICATE: Principal = metadata(FACTS, ("certificate",), TRUE)
"""A caller with a client certificate that is accepted here."""
BAD_CERTIFICATE: Principal = metadata(FACTS, ("bad_certificate",), TRUE)


def refused(node: Authentication, place: Place) -> dict[str, Principal]:
    """Name of a rule → the callers that it refuses."""
    found = {
        **_refused_tokens(node, place),
        **_refused_certificates(node),
        **_refused_keys(node),
    }
    if node.optional:
        missing = error_codes.MISSING_CREDENTIALS.number
        return {
            name: who for name, who in found.items() if not name.startswith(missing)
        }
    return found


def _refused_tokens(node: Authentication, place: Place) -> dict[str, Principal]:
    """Tokens for another audience."""
    by_kind = {item.kind: item for item in node.credentials}
    found: dict[str, Principal] = {}
    if "JWT" in by_kind and by_kind["JWT"].audiences:
        other = negated(_audience(by_kind["JWT"].audiences))
        found["900901_audience"] = all_of(_came_raw(), other)
    if "OAuth2" in by_kind:
        accepted = by_kind["OAuth2"].audiences or _own_audiences(node, place)
        own = (negated(_came_raw()),) if "JWT" in by_kind else ()
        if accepted:
            other = negated(_audience(accepted))
            found["900901_token_audience"] = all_of(TOKEN, *own, other)
    return found


def _own_audiences(node: Authentication, place: Place) -> tuple[str, ...]:
    """The resource as its metadata name it (RFC 9728 §2)."""
    if not node.bound:
        return ()
    origins = map(place.gateway.origin, place.hosts)
    return tuple(
        f"{origin}{quote(path)}" for origin in origins for path in place.api.base_paths
    )


def _refused_certificates(node: Authentication) -> dict[str, Principal]:
    if node.certificates is None:
        return {}
    # Like a bad token, whatever other credential is in the request.
    found = {"900901_certificate": BAD_CERTIFICATE}
    if node.certificates.mandatory:
        found["900902_certificate"] = negated(any_of(CERTIFICATE, BAD_CERTIFICATE))
    elif not node.needs_credential:
        found["900902_missing"] = negated(any_of(*_good(node), FORBIDDEN_KEY))
    return found


def _refused_keys(node: Authentication) -> dict[str, Principal]:
    if "APIKey" not in node.kinds:
        return {}
    good = any_of(*_good(node))
    found = {
        "900901_api_key": all_of(BAD_KEY, negated(good)),
        "900908_api_key": all_of(FORBIDDEN_KEY, negated(good)),
    }
    if node.needs_credential:
        found["900902_missing"] = negated(any_of(*_good(node), FORBIDDEN_KEY))
    return found


def _good(node: Authentication) -> list[Principal]:
    """Callers with one of the credentials that are enough."""
    good = []
    if "APIKey" in node.kinds:
        good.append(KEY)
    if node.kinds - {"APIKey"}:
        good.append(TOKEN)
    if (
        node.certificates
        and not node.certificates.mandatory
        and not node.needs_credential
    ):
        good.append(CERTIFICATE)
    return good


def _came_raw() -> Principal:
    """A token without a scheme was sent.

    Under `Authorization` the same header may hold an OAuth2 one.
    """
    bearer = {"string_match": {"prefix": "bearer ", "ignore_case": True}}
    return all_of(
        header(MOVED_JWT_HEADER, {"present_match": True}),
        negated(header(MOVED_JWT_HEADER, bearer)),
    )


def _audience(accepted: tuple[str, ...]) -> Principal:
    return any_of(
        *(
            claim("aud", value)
            for audience in accepted
            for value in (text(audience), holds(audience))
        )
    )
