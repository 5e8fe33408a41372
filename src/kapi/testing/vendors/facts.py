"""The values that templates of a preset may use, and how a template is filled. Pure.

About a token: `iss sub client user email organization organization_id groups audience scope scopes
iat nbf exp jti auth_time session nonce at_hash x5t`; about an error: `error error_upper description
grant client timestamp`; and the parameters of the preset.
"""

from __future__ import annotations

import string
from collections.abc import Mapping
from typing import Any

Facts = Mapping[str, Any]


def filled(template: Any, facts: Facts) -> Any:
    """The value of a template; None if it has none."""
    if isinstance(template, str):
        return _text(template, facts)
    if isinstance(template, Mapping):
        made = {name: filled(value, facts) for name, value in template.items()}
        return {
            name: value for name, value in made.items() if value is not None
        } or None
    if isinstance(template, list | tuple):
        items = [filled(value, facts) for value in template]
        return _flat(item for item in items if item is not None) if template else []
    return template


def _text(template: str, facts: Facts) -> Any:
    if template.startswith("$"):
        return facts.get(template[1:]) or None
    names = [name for _, name, _, _ in string.Formatter().parse(template) if name]
    if any(facts.get(name) in (None, "") for name in names):
        return None
    return template.format_map(facts)


def _flat(items: Any) -> list[Any]:
    """One list: `$audience` in a list may itself be one."""
    made: list[Any] = []
    for item in items:
        made += item if isinstance(item, list) else [item]
    return (
        list(dict.fromkeys(made))
        if all(isinstance(item, str) for item in made)
        else made
    )
