"""Rich authorization requests (RFC 9396): the parameter `authorization_details`.

The provider checks its structure and the types that a client may request. Their meaning is for the
resource server.
"""

from __future__ import annotations

import contextlib
import json
from collections.abc import Mapping, Sequence
from typing import Any

from kapi.errors import OAuthError
from kapi.identity.clients.clients import Client
from kapi.identity.protocol.forms import Form
from kapi.json_reading import NotJson, is_texts, read_json

_MOST, _LARGEST = 20, 8192

_LISTS = ("locations", "actions", "datatypes", "privileges")


def requested_details(client: Client, form: Form) -> tuple[Mapping[str, Any], ...]:
    """The authorization details of a request. Raises OAuthError invalid_authorization_details."""
    text = form.get("authorization_details")
    if text is None:
        return ()
    items = _listed(text)
    for item in items:
        _check(client, item)
    return tuple(items)


def _listed(text: str) -> list[Any]:
    value = None
    if len(text) <= _LARGEST:
        with contextlib.suppress(NotJson):
            value = read_json(text)
    if not isinstance(value, list) or not 0 < len(value) <= _MOST:
        raise _wrong(
            f"it must be a JSON list of 1 to {_MOST} objects, at most {_LARGEST} characters"
        )
    return value


def chosen_details(asked: Sequence[Any], authorized: Sequence[Any]) -> tuple[Any, ...]:
    """The details of a token: those of its request, else all authorized ones. Raises OAuthError."""
    for item in asked:
        if item not in authorized:
            raise _wrong("it must be among those that were authorized (RFC 9396 6)")
    return tuple(asked or authorized)


def in_words(details: Sequence[Any]) -> list[tuple[str, str]]:
    """The type and the rest of each, for the consent page."""
    lines = []
    for item in details:
        parts = [", ".join(item[name]) for name in _LISTS if item.get(name)]
        for name, value in item.items():
            if name != "type" and name not in _LISTS:
                parts.append(f"{name}: {json.dumps(value, ensure_ascii=False)}")
        lines.append((item["type"], "; ".join(parts)))
    return lines


def _check(client: Client, item: Any) -> None:
    kind = item.get("type") if isinstance(item, dict) else ""
    if not isinstance(kind, str) or not kind:
        raise _wrong("each entry must be an object with a type")
    if {"*", kind}.isdisjoint(client.settings.authorization_details_types):
        raise _wrong("the client may not ask for this type")
    if not isinstance(item.get("identifier", ""), str):
        raise _wrong("identifier must be text")
    for name in _LISTS:
        if not is_texts(item.get(name, [])):
            raise _wrong(f"{name} must be a list of texts")


def _wrong(reason: str) -> OAuthError:
    return OAuthError(
        "invalid_authorization_details", f"authorization_details: {reason}"
    )
