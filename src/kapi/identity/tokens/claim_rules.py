"""Follows the claim rules of settings (`settings/identity/claims.py`): what an access token says besides its standard claims.

Called for every access token in the pipeline, so that no grant can forget it. What a grant itself says wins over a rule.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from kapi.identity.clients.clients import Client
from kapi.identity.people.users import User, Users
from kapi.identity.tokens.minting import AccessToken
from kapi.settings.identity.claims import MARK, RESERVED

_NOTHING = object()


@dataclass(frozen=True, slots=True)
class _Moment:
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
    """The claims of an access token besides the standard ones. `rules` are the provider's; those of client and person come to them."""
    settings = client.settings
    about_client = access.subject == client.id and not access.user
    if about_client and not (rules or settings.claims or settings.organization or settings.groups):
        return access.claims
    user = None if about_client else users.get(access.user or access.subject)
    made: dict[str, Any] = {}
    if about_client and settings.organization:
        made["organization"] = settings.organization
    if groups := user.groups if user else settings.groups if about_client else ():
        made["groups"] = list(groups)
    moment = _Moment(client, user, access, parameters)
    for wanted in (rules, settings.claims, user.token_claims if user else {}):
        for name, value in wanted.items():
            if (filled := _filled(value, moment)) is not _NOTHING and name not in RESERVED:
                made[name] = filled
    return {**made, **access.claims}


def _filled(value: Any, moment: _Moment) -> Any:
    if isinstance(value, str):
        return _text(value, moment)
    if isinstance(value, Mapping):
        items = {name: _filled(item, moment) for name, item in value.items()}
        return {name: item for name, item in items.items() if item is not _NOTHING}
    if isinstance(value, list | tuple):
        return [item for item in (_filled(item, moment) for item in value) if item is not _NOTHING]
    return value


def _text(text: str, moment: _Moment) -> Any:
    if "${" not in text:
        return text
    if whole := MARK.fullmatch(text):
        return _found(whole[1], moment)
    parts = {mark: _found(mark, moment) for mark in MARK.findall(text)}
    if any(value is _NOTHING for value in parts.values()):
        return _NOTHING
    return MARK.sub(lambda mark: _plain(parts[mark[1]]), text)


def _plain(value: Any) -> str:
    return " ".join(map(str, value)) if isinstance(value, list) else str(value)


def _found(mark: str, moment: _Moment) -> Any:
    source, _, name = mark.partition(".")
    if source == "scope":
        return moment.access.scope
    if source == "subject":
        return moment.access.subject
    if source == "request":
        return moment.parameters.get(name, _NOTHING)
    if source == "client":
        settings = moment.client.settings
        return {
            "id": settings.id,
            "name": settings.name,
            "organization": settings.organization,
        }.get(name) or _NOTHING
    return _of_user(moment.user, name)


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
