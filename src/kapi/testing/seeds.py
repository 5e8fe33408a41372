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
from kapi.settings.written.documents import differing

_OWN = ("issuer", "host", "workers", "enabled", "issuers", "testing")
"""Members that the issuer decides itself."""
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
            wrong(
                name, "is not a member of a seed", f"Known: {', '.join(sorted(types))}."
            )
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
    for name, value in differing(identity, usual).items():
        if name not in _OWN:
            found[name] = value
    return found
