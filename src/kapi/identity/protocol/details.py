"""Rich authorization requests (RFC 9396): `authorization_details`, checked for their shape, shown at consent, given back with tokens.

What a type means is the resource server's business; the provider knows which types a client may ask for.
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from typing import Any

from kapi.errors import OAuthError
from kapi.identity.clients.clients import Client
from kapi.identity.protocol.forms import Form
from kapi.json_reading import NotJson, read_json

_MOST, _LARGEST = 20, 8192
_TEXTS = ("type", "identifier")
_LISTS = ("locations", "actions", "datatypes", "privileges")


def requested_details(client: Client, form: Form) -> tuple[Mapping[str, Any], ...]:
    """The authorization details of a request. Raises OAuthError invalid_authorization_details."""
    text = form.get("authorization_details")
    if text is None:
        return ()
    try:
        value = read_json(text) if len(text) <= _LARGEST else None
    except NotJson:
        value = None
    if not isinstance(value, list) or not 0 < len(value) <= _MOST:
        raise _wrong(
            f"it must be a JSON list of 1 to {_MOST} objects, at most {_LARGEST} characters"
        )
    for item in value:
        _check(client, item)
    return tuple(value)


def chosen_details(asked: Sequence[Any], authorized: Sequence[Any]) -> tuple[Any, ...]:
    """Those that a token of an authorization has: what was asked for now, else all. Raises OAuthError."""
    if any(item not in authorized for item in asked):
        raise _wrong("it must be among those that were authorized (RFC 9396 6)")
    return tuple(asked or authorized)


def in_words(details: Sequence[Any]) -> list[tuple[str, str]]:
    """The type and the rest of each, for the consent page."""
    lines = []
    for item in details:
        parts = [", ".join(item[name]) for name in _LISTS if item.get(name)]
        parts += [
            f"{name}: {json.dumps(value, ensure_ascii=False)}"
            for name, value in item.items()
            if name not in {"type", *_LISTS}
        ]
        lines.append((item["type"], "; ".join(parts)))
    return lines


def _check(client: Client, item: Any) -> None:
    if not isinstance(item, dict) or not isinstance(item.get("type"), str) or not item["type"]:
        raise _wrong("each entry must be an object with a type")
    types = client.settings.authorization_details_types
    if "*" not in types and item["type"] not in types:
        raise _wrong("the client may not ask for this type")
    if any(name in item and not isinstance(item[name], str) for name in _TEXTS):
        raise _wrong("identifier must be text")
    for name in _LISTS:
        if not _is_texts(item.get(name, [])):
            raise _wrong(f"{name} must be a list of texts")


def _is_texts(value: Any) -> bool:
    return isinstance(value, list) and all(isinstance(entry, str) for entry in value)


def _wrong(reason: str) -> OAuthError:
    return OAuthError("invalid_authorization_details", f"authorization_details: {reason}")
