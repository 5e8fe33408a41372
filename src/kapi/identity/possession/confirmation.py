"""The key that a token is bound to, in `cnf` (RFC 7800, RFC 9449 §6, RFC 8705 §3.1). Pure."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from kapi.dataclass import dataclass


@dataclass(frozen=True, slots=True)
class Confirmation:
    """A DPoP key by its thumbprint, or a client certificate by its SHA-256; empty for neither."""

    jkt: str = ""
    x5t: str = ""

    @property
    def members(self) -> Mapping[str, str]:
        """The members of `cnf`."""
        made: dict[str, str] = {}
        if self.jkt:
            made["jkt"] = self.jkt
        if self.x5t:
            made["x5t#S256"] = self.x5t
        return made

    @property
    def token_type(self) -> str:
        """`token_type` of a token bound to it."""
        if self.jkt:
            return "DPoP"
        return "Bearer"

    def __bool__(self) -> bool:
        """Whether a token is bound to a key."""
        return bool(self.jkt or self.x5t)


UNBOUND = Confirmation()


def confirmation_of(claims: Mapping[str, Any]) -> Confirmation | None:
    """The confirmation of a token; None for a method that is not supported."""
    cnf = claims.get("cnf")
    if cnf is None:
        return UNBOUND
    if not isinstance(cnf, dict) or not cnf:
        return None
    for name, value in cnf.items():
        is_known = name in {"jkt", "x5t#S256"}
        if not is_known or not isinstance(value, str) or not value:
            return None
    return Confirmation(cnf.get("jkt", ""), cnf.get("x5t#S256", ""))
