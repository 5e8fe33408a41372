"""The key that a token is bound to: its `cnf` claim (RFC 7800, RFC 9449 §6, RFC 8705 §3.1). Pure."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any


@dataclass(frozen=True, slots=True)
class Confirmation:
    """What the holder must prove: a DPoP key by its thumbprint, a client certificate by its SHA-256. Empty: a bearer token."""

    jkt: str = ""
    x5t: str = ""

    @property
    def members(self) -> Mapping[str, str]:
        """The members of `cnf`."""
        return {
            **({"jkt": self.jkt} if self.jkt else {}),
            **({"x5t#S256": self.x5t} if self.x5t else {}),
        }

    @property
    def token_type(self) -> str:
        """`token_type` of a token bound to it."""
        return "DPoP" if self.jkt else "Bearer"

    def __bool__(self) -> bool:
        """Whether it demands anything."""
        return bool(self.jkt or self.x5t)


UNBOUND = Confirmation()


def confirmation_of(claims: Mapping[str, Any]) -> Confirmation | None:
    """The confirmation that a token's claims demand; None when they demand one that is not understood here."""
    cnf = claims.get("cnf")
    if cnf is None:
        return UNBOUND
    if (
        not isinstance(cnf, dict)
        or not cnf
        or not set(cnf) <= {"jkt", "x5t#S256"}
        or not all(isinstance(v, str) and v for v in cnf.values())
    ):
        return None
    return Confirmation(cnf.get("jkt", ""), cnf.get("x5t#S256", ""))
