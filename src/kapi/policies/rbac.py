"""Envoy's RBAC rules in JSON form: what a caller must or must not be.

Pure; used by the policies that admit callers. A rule that refuses carries the code of its answer at
the start of its name (`900901_…`); `gateway/envoy/resources/replies.py` reads it there.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from kapi.jose.claim_names import paths

JWT_FILTER = "envoy.filters.http.jwt_authn"
CLAIMS = "jwt_payload"
"""Key of the verified access token's claims in the metadata of the token filter."""
HEADER = "jwt_header"
"""Key of the verified credential's JOSE header there."""
API_KEY_CLAIMS = "api_key_payload"
"""Key of the verified API key's claims there."""
FACTS = "kapi.caller"
"""Metadata of what our own scripts found out about the caller."""
_RBAC = "type.googleapis.com/envoy.extensions.filters.http.rbac.v3."

Principal = dict[str, Any]


def rules(refuse: Mapping[str, Principal]) -> dict[str, Any]:
    """Rules that refuse the callers that match; the first match by name decides the answer.

    The name of a rule is the number of an error (`error_codes.py`) that `resources/replies.py`
    knows. Rules that allow instead would be answered as a missing scope.
    """
    return {
        "action": "DENY",
        "policies": {
            name: {"permissions": [{"any": True}], "principals": [who]}
            for name, who in refuse.items()
        },
    }


def rbac(refuse: Mapping[str, Principal]) -> dict[str, Any]:
    """The configuration of a whole filter."""
    return {"@type": f"{_RBAC}RBAC", **({"rules": rules(refuse)} if refuse else {})}


def per_route(content: dict[str, Any]) -> dict[str, Any]:
    """The configuration of a filter on one route; `content` are its rules."""
    return {"@type": f"{_RBAC}RBACPerRoute", "rbac": {"rules": content}}


def all_of(*principals: Principal) -> Principal:
    """Who is all of these."""
    if len(principals) == 1:
        return principals[0]
    return {"and_ids": {"ids": list(principals)}}


def any_of(*principals: Principal) -> Principal:
    """Who is one of these."""
    if len(principals) == 1:
        return principals[0]
    return {"or_ids": {"ids": list(principals)}}


def negated(principal: Principal) -> Principal:
    """Who is not this."""
    return {"not_id": principal}


def no_caller() -> Principal:
    """No caller at all."""
    return {"not_id": {"any": True}}


def metadata(space: str, path: tuple[str, ...], value: dict[str, Any]) -> Principal:
    """Whose request has this value among the facts of a filter."""
    matcher = {"filter": space, "path": [{"key": key} for key in path], "value": value}
    return {"sourced_metadata": {"metadata_matcher": matcher}}


def claim(name: str, value: dict[str, Any], part: str = CLAIMS) -> Principal:
    """Whose verified token has this claim, by its name or its path."""
    return any_of(*(metadata(JWT_FILTER, (part, *path), value) for path in paths(name)))


def header(name: str, match: dict[str, Any]) -> Principal:
    """Whose request has this header."""
    return {"header": {"name": name, **match}}


PRESENT: dict[str, Any] = {"present_match": True}
TRUE: dict[str, Any] = {"bool_match": True}


def text(value: str, *, any_case: bool = False) -> dict[str, Any]:
    """A string matcher for exactly this text."""
    return {
        "string_match": {"exact": value, **({"ignore_case": True} if any_case else {})}
    }


def one_of(values: Sequence[str], *, any_case: bool = False) -> dict[str, Any]:
    """One of these texts: the value is looked up once."""
    matchers = [text(value, any_case=any_case) for value in values]
    # Envoy's list of alternatives has at least two.
    if len(matchers) > 1:
        return {"or_match": {"value_matchers": matchers}}
    return matchers[0]


def has_word(*words: str) -> dict[str, Any]:
    """A text of words with a space between them, or a list, with one of these in it.

    No expression: this runs for every call.
    """
    matchers = [
        made
        for word in words
        for made in (
            text(word),
            {"string_match": {"prefix": f"{word} "}},
            {"string_match": {"suffix": f" {word}"}},
            {"string_match": {"contains": f" {word} "}},
            holds(word),
        )
    ]
    return {"or_match": {"value_matchers": matchers}}


def holds(value: str) -> dict[str, Any]:
    """A list with this text in it."""
    return {"list_match": {"one_of": text(value)}}
