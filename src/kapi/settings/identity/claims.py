"""Claim rules: the claims that access tokens of a client or a person get, as the settings say it.

A rule is a name and a value. The value is any JSON value; its texts may contain marks:

    ${user.email}      a claim of the person, or username, subject, organizations, groups;
                       dots lead into objects
    ${client.id}       id, name, organization of the client
    ${request.tier}    a parameter of the token request
    ${scope}           what was granted
    ${subject}         the subject of the token

A text that consists of one mark becomes its value, of whatever type. A rule whose mark has no value
adds no claim. `identity/minting/claim_rules.py` follows the rules.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from typing import Any

from kapi.settings.checks import Mistake

RESERVED = frozenset(
    [
        "iss",
        "sub",
        "aud",
        "exp",
        "nbf",
        "iat",
        "jti",
        "clientId",
        "client_id",
        "scope",
        "cnf",
        "act",
        "sub_id",
        "typ",
        "nonce",
        "auth_time",
        "acr",
        "amr",
        "azp",
        "sid",
        "at_hash",
        "c_hash",
        "s_hash",
        "events",
        "token_use",
        "authorization_details",
    ]
)
"""Claims that only the provider sets."""
NOT_FROM_REQUESTS = frozenset({"organization", "groups", "may_act"})
"""Claims that decide about permissions; a caller cannot choose them."""
MARK = re.compile(r"\$\{([^{}]*)\}")
_SECRETS = frozenset(
    [
        "client_secret",
        "client_assertion",
        "password",
        "code",
        "code_verifier",
        "refresh_token",
        "device_code",
        "assertion",
        "subject_token",
        "actor_token",
        "auth_req_id",
        "request",
    ]
)
_SOURCE = re.compile(
    r"scope|subject|client\.(id|name|organization)|(user|request)\.[A-Za-z0-9_.:/-]+"
)


_HINT = "A rule is a value, or a text with `${…}`."
_SOURCES = (
    "user.…, client.id, client.name, client.organization, request.…, scope or subject"
)


def claim_mistakes(rules: Mapping[str, Any]) -> Iterator[Mistake]:
    """What is wrong with claim rules: a check of settings."""
    for name, value in rules.items():
        for what in _mistakes_of_rule(name, value):
            yield Mistake(what, _HINT, f".{name}")


def _mistakes_of_rule(name: str, value: Any) -> Iterator[str]:
    if not 1 <= len(name) <= 255 or not name.isprintable():
        yield "a claim's name has 1 to 255 printable characters"
    elif name in RESERVED:
        yield "this claim is the provider's own"
    for mark in marks(value):
        if not _SOURCE.fullmatch(mark):
            yield f"${{{mark}}} is unknown: write {_SOURCES}"
        elif mark.removeprefix("request.") in _SECRETS:
            yield f"${{{mark}}} is a secret"
        elif mark.startswith("request.") and name in NOT_FROM_REQUESTS:
            yield "a caller cannot choose this claim"


def marks(value: Any) -> Iterator[str]:
    """All marks in a JSON value."""
    if isinstance(value, str):
        yield from MARK.findall(value)
    elif isinstance(value, Mapping):
        for item in value.values():
            yield from marks(item)
    elif isinstance(value, list | tuple):
        for item in value:
            yield from marks(item)
