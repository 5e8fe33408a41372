"""Applies the claim rules of the settings (`settings/identity/claims.py`) to access tokens.

Called for each access token at the token endpoint, so that no grant can omit it. A claim of the
grant replaces that of a rule.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from kapi.dataclass import dataclass
from kapi.identity.accounts.users import User, Users
from kapi.identity.clients.clients import Client
from kapi.identity.minting.minter import AccessToken
from kapi.settings.identity.claims import MARK, RESERVED

_NOTHING = object()


@dataclass(frozen=True, slots=True)
class _Context:
    """The values that a rule may refer to."""

    client: Client
    user: User | None
    access: AccessToken
    parameters: Mapping[str, str]


def token_claims(
    rules: Mapping[str, Any],
    client: Client,
    users: Users,
    access: AccessToken,
    parameters: Mapping[str, str],
) -> Mapping[str, Any]:
    """The additional claims of an access token.

    `rules` are the provider's; those of the client and of the person are added to them.
    """
    settings = client.settings
    if access.subject == client.id and not access.user:
        if not (rules or settings.claims or settings.organization or settings.groups):
            return access.claims
        context = _Context(client, None, access, parameters)
        made = _filled_rules((rules, settings.claims), context)
        return {**_about_client(client), **made, **access.claims}
    user = users.get(access.user or access.subject)
    context = _Context(client, user, access, parameters)
    if user is None:
        made = _filled_rules((rules, settings.claims), context)
        return {**made, **access.claims}
    made = _filled_rules((rules, settings.claims, user.token_claims), context)
    if user.groups:
        made.setdefault("groups", list(user.groups))
    return {**made, **access.claims}


def _about_client(client: Client) -> dict[str, Any]:
    settings = client.settings
    made: dict[str, Any] = {}
    if settings.organization:
        made["organization"] = settings.organization
    if settings.groups:
        made["groups"] = list(settings.groups)
    return made


def _filled_rules(
    rules: Sequence[Mapping[str, Any]], context: _Context
) -> dict[str, Any]:
    """The claims of all rules without reserved ones; a later rule replaces an earlier one."""
    made: dict[str, Any] = {}
    for wanted in rules:
        for name, value in wanted.items():
            filled = _filled(value, context)
            if filled is not _NOTHING and name not in RESERVED:
                made[name] = filled
    return made


def _filled(value: Any, context: _Context) -> Any:
    if isinstance(value, str):
        return _text(value, context)
    if isinstance(value, Mapping):
        members = {}
        for name, item in value.items():
            filled = _filled(item, context)
            if filled is not _NOTHING:
                members[name] = filled
        return members
    if isinstance(value, list | tuple):
        items = []
        for item in value:
            filled = _filled(item, context)
            if filled is not _NOTHING:
                items.append(filled)
        return items
    return value


def _text(text: str, context: _Context) -> Any:
    if "${" not in text:
        return text
    whole = MARK.fullmatch(text)
    if whole:
        return _found(whole[1], context)
    parts = {mark: _found(mark, context) for mark in MARK.findall(text)}
    if _NOTHING in parts.values():
        return _NOTHING
    return MARK.sub(lambda mark: _plain(parts[mark[1]]), text)


def _plain(value: Any) -> str:
    if isinstance(value, list):
        return " ".join(map(str, value))
    return str(value)


def _found(mark: str, context: _Context) -> Any:
    source, _, name = mark.partition(".")
    if source == "scope":
        return context.access.scope
    if source == "subject":
        return context.access.subject
    if source == "request":
        return context.parameters.get(name, _NOTHING)
    if source == "client":
        settings = context.client.settings
        return {
            "id": settings.id,
            "name": settings.name,
            "organization": settings.organization,
        }.get(name) or _NOTHING
    return _of_user(context.user, name)


def _of_user(user: User | None, name: str) -> Any:
    if user is None:
        return _NOTHING
    own: dict[str, Any] = {
        "username": user.username,
        "subject": user.subject,
        "organizations": list(user.organizations),
        "groups": list(user.groups),
    }
    if name in own:
        return own[name]
    if name in user.claims:
        return user.claims[name]
    return _inside(user.claims, name.split("."))


def _inside(value: Any, names: Sequence[str]) -> Any:
    for name in names:
        if not isinstance(value, Mapping) or name not in value:
            return _NOTHING
        value = value[name]
    return value
