"""The seed of an issuer: the members of the section `identity` of kapi.toml, as JSON values.

Clients, users, resources, claims, lifetimes. The issuer is made of it, and `reset` goes back to it.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping
from typing import Any

from kapi.errors import Diagnostic, SettingsError
from kapi.settings import IdentitySettings
from kapi.settings.identity.well_known import with_well_known
from kapi.settings.values import REFUSED, checked, field_types

_OWN = ("issuer", "host", "workers", "enabled", "issuers", "testing")
"""Members that the issuer decides itself."""
_NEEDED = object()
"""The default of a member without one."""
CHEAP_ALGORITHMS = ("RS256", "ES256", "EdDSA")


def identity_of(seed: Mapping[str, Any]) -> IdentitySettings:
    """The settings of a seed. Raises SettingsError with every mistake."""
    mistakes: list[Diagnostic] = []

    def wrong(name: str, message: str, hint: str = "") -> None:
        mistakes.append(Diagnostic("seed", f"{name}: {message}", hint, pointer=name))

    types = field_types(IdentitySettings)
    given: dict[str, Any] = {"algorithms": CHEAP_ALGORITHMS}
    fields = {field.name: field for field in dataclasses.fields(IdentitySettings)}
    for name, value in seed.items():
        if name in _OWN or name not in types:
            wrong(name, "is not a member of a seed", f"Known: {', '.join(sorted(types))}.")
            continue
        made = checked(types[name], value, name, wrong, fields[name].metadata)
        if made is not REFUSED:
            given[name] = made
    if mistakes:
        raise SettingsError(tuple(mistakes))
    return IdentitySettings(**with_well_known(given))


def exported(identity: IdentitySettings) -> dict[str, Any]:
    """The seed of an issuer as it is now: all members that differ from the defaults."""
    usual = IdentitySettings(algorithms=CHEAP_ALGORITHMS)
    found = {}
    for name, value in _differing(identity, usual).items():
        if name not in _OWN:
            found[name] = value
    return found


def _differing(value: Any, usual: Any) -> dict[str, Any]:
    """The members of a settings object that differ from those of another one."""
    names = [item.name for item in dataclasses.fields(value)]
    pairs = {name: (getattr(value, name), getattr(usual, name)) for name in names}
    found = {}
    for name, (own, other) in pairs.items():
        if own != other:
            found[name] = _plain(own)
    return found


def _plain(value: Any) -> Any:
    """A setting as a JSON value; tables without the members that have their default."""
    if isinstance(value, tuple):
        return list(map(_plain, value))
    if dataclasses.is_dataclass(value) and not isinstance(value, type):
        usual = _usual(type(value))
        names = [item.name for item in dataclasses.fields(value)]
        pairs = {name: (getattr(value, name), usual.get(name, _NEEDED)) for name in names}
        found = {}
        for name, (own, other) in pairs.items():
            if own != other:
                found[name] = _plain(own)
        return found
    return value


def _usual(cls: type) -> dict[str, Any]:
    """The defaults of a settings class."""
    made = {}
    for item in dataclasses.fields(cls):
        if item.default is not dataclasses.MISSING:
            made[item.name] = item.default
        elif item.default_factory is not dataclasses.MISSING:
            made[item.name] = item.default_factory()
    return made
