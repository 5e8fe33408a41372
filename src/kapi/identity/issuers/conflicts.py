"""Conflicts between issuers that would be trusted at the same time."""

from __future__ import annotations

from collections.abc import Iterable

from kapi import error_codes
from kapi.errors import Problem
from kapi.identity.issuers.declaration import Issuer


def refuse_conflict(issuer: Issuer, others: Iterable[Issuer], *, replace: bool) -> None:
    """Raise Problem 409 if the name or the organization's issuer is taken.

    With `replace`, an issuer of the same name is replaced.
    """
    for other in others:
        if other.name == issuer.name:
            if not replace:
                raise exists(issuer.name)
        elif other.issuer == issuer.issuer and (
            other.in_organization(issuer.organization)
            or issuer.in_organization(other.organization)
        ):
            raise Problem.of(
                error_codes.ISSUER_EXISTS,
                f"{other.name} is the same issuer for the same organization",
                hint="Change that one, or give this one another organization.",
            )


def exists(name: str) -> Problem:
    """The refusal of a name that is taken."""
    return Problem.of(
        error_codes.ISSUER_EXISTS,
        f"there is an issuer {name} already",
        hint="Remove it first, or say --replace.",
    )
