"""Claim rules: which claims a client's or a person's access tokens get, as the settings say it. Pure.

A rule is a name and a value. The value is any JSON value; in its texts `${…}` stands for something of the moment:

    ${user.email}      a claim of the person, or username, subject, organizations, groups; dots lead into objects
    ${client.id}       id, name, organization of the client
    ${request.tier}    a parameter of the token request
    ${scope}           what was granted; ${subject} whose token it is

A text that is one such mark takes the value as it is, lists too. A rule whose mark stands for nothing adds no claim.
`settings/reading.py` checks rules; `identity/tokens/claim_rules.py` follows them.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from typing import Any

RESERVED = frozenset({
    *("iss", "sub", "aud", "exp", "nbf", "iat", "jti", "clientId", "client_id", "scope", "cnf", "act", "sub_id", "typ"),
    *("nonce", "auth_time", "acr", "amr", "azp", "sid", "at_hash", "c_hash", "s_hash", "events", "token_use", "authorization_details"),
})  # fmt: skip
"""What the provider alone says."""
NOT_FROM_REQUESTS = frozenset({"organization", "groups", "may_act"})
"""What decides who may do what; a caller cannot choose it."""
MARK = re.compile(r"\$\{([^{}]*)\}")
_SECRETS = frozenset({
    *("client_secret", "client_assertion", "password", "code", "code_verifier", "refresh_token", "device_code", "assertion"),
    *("subject_token", "actor_token", "auth_req_id", "request"),
})  # fmt: skip
_SOURCE = re.compile(
    r"scope|subject|client\.(id|name|organization)|(user|request)\.[A-Za-z0-9_.:/-]+"
)


def mistakes(rules: Mapping[str, Any]) -> Iterator[tuple[str, str]]:
    """What is wrong with rules: the claim's name, and a sentence."""
    for name, value in rules.items():
        if not name or len(name) > 255 or not name.isprintable():
            yield name, "a claim's name has 1 to 255 printable characters"
        elif name in RESERVED:
            yield name, "this claim is the provider's own"
        for mark in marks(value):
            if not _SOURCE.fullmatch(mark):
                yield (
                    name,
                    f"${{{mark}}} is unknown: write user.…, client.id, client.name, client.organization, request.…, scope or subject",
                )
            elif mark.removeprefix("request.") in _SECRETS:
                yield name, f"${{{mark}}} is a secret"
            elif mark.startswith("request.") and name in NOT_FROM_REQUESTS:
                yield name, "a caller cannot choose this claim"


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
