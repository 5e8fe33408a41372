"""Security requirements of OpenAPI (3.1 §4.8.30) and Swagger (2.0 "securityRequirementObject") in the words of the apk-conf.

Called by `openapi_document.py`. Schemes of a requirement are all needed, requirements of a list are alternatives. The gateway asks for an
access token, and for the scopes of every `oauth2` and `openIdConnect` scheme. Every other kind of credential is named in a note.
"""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from typing import Any, Final

from kapi.apis.definitions.model import Note
from kapi.apis.report import below

_SCOPED: Final = frozenset(("oauth2", "openIdConnect"))
_APK_SCHEMES: Final = frozenset(("default", "OAuth2Security"))
"""Schemes whose scopes APK reads, also where the document does not declare them."""
_SCOPE: Final = re.compile(r"[\x21\x23-\x5b\x5d-\x7e]{1,256}")
_MOST_ALTERNATIVES: Final = 100
_MOST_NAMED: Final = 3
_ENFORCE: Final = {
    "apiKey": "To accept API keys of kapi, add an item with authType: APIKey to authentication.",
    "basic": "Where the backend needs a password, give its endpoint an endpointSecurity.",
    "mutualTLS": "To ask for client certificates, add an item with authType: mTLS to authentication.",
}


@dataclass(frozen=True, slots=True)
class Access:
    """What a caller of an operation needs. `fault` says why that cannot be written into a conf."""

    secured: bool = True
    scopes: tuple[str, ...] = ()
    alternatives: tuple[tuple[str, ...], ...] = ()
    fault: str = ""


@dataclass(frozen=True, slots=True)
class Scheme:
    """A security scheme: its kind, and how a person would call it."""

    kind: str
    text: str


def scheme(declared: Any) -> Scheme:
    """A scheme from its declaration."""
    kind = declared.get("type") if isinstance(declared, dict) else None
    if kind == "apiKey":
        return Scheme("apiKey", f"API key in {declared.get('in')} {str(declared.get('name'))[:60]}")
    if kind == "http":
        name = str(declared.get("scheme")).lower()
        return Scheme("bearer" if name == "bearer" else "basic", f"HTTP {name[:40]}")
    if kind == "basic":
        return Scheme("basic", "HTTP basic")
    if kind == "mutualTLS":
        return Scheme("mutualTLS", "client certificate")
    if isinstance(kind, str) and kind in _SCOPED:
        return Scheme(kind, kind)
    return Scheme("", "not declared" if declared is None else "unknown type")


@dataclass(slots=True)
class Security:
    """The schemes of one document, and what becomes of requirements; gathers what is to be noted."""

    schemes: dict[str, Scheme]
    schemes_pointer: str
    open: list[tuple[str, str]] = field(default_factory=list)
    """Pointer and name of each operation that the document opens to any caller."""
    others: dict[str, list[str]] = field(default_factory=dict)
    """For each scheme that is not enforced, the operations that ask for it."""

    def access(
        self, requirements: list[Any] | None, own_scopes: tuple[str, ...], pointer: str, name: str
    ) -> Access:
        """What `security` means for an operation; None means that the document says nothing. `own_scopes` are those of `x-scope`."""
        if requirements is None:
            return _checked(own_scopes, ())
        choices = [self._choice(item, name) for item in requirements if isinstance(item, dict)]
        scopes, alternatives = _combined([choice for choice in choices if choice is not None])
        if not scopes and not alternatives and own_scopes:
            return _checked(own_scopes, ())
        if not requirements or {} in requirements:
            self.open.append((pointer, name))
            return Access(secured=False)
        return _checked(scopes, alternatives)

    def _choice(self, requirement: dict[str, Any], name: str) -> tuple[str, ...] | None:
        """The scopes of a requirement; None when nothing in it is a scope or a token that may carry one."""
        scopes: dict[str, None] = {}
        takes_scopes = False
        for scheme_name, listed in requirement.items():
            known = self.schemes.get(scheme_name, scheme(None))
            items = listed if isinstance(listed, list) else ()
            texts = [word for item in items if isinstance(item, str) for word in item.split()]
            # An undeclared scheme that lists scopes is taken as one that has scopes: nothing opens by a slip of the pen.
            if known.kind in _SCOPED or scheme_name in _APK_SCHEMES or (not known.kind and texts):
                takes_scopes = True
                scopes.update(dict.fromkeys(texts))
            elif known.kind != "bearer":
                self.others.setdefault(scheme_name, []).append(name)
        return tuple(scopes) if takes_scopes else None

    def notes(self) -> list[Note]:
        """One note for all open operations, and one for each scheme that is not enforced."""
        found = []
        if self.open:
            message = f"{_named([name for _, name in self.open])} may be called without a credential, as the definition says"
            found.append(
                Note(
                    self.open[0][0], message, "Set secured: true where a token is to be asked for."
                )
            )
        for scheme_name, operations in self.others.items():
            known = self.schemes.get(scheme_name, scheme(None))
            message = (
                f"security scheme {scheme_name[:60]} ({known.text}) is not enforced:"
                f" an access token is asked for instead at {_named(operations)}"
            )
            hint = _ENFORCE.get(
                known.kind,
                "Declare it as oauth2 or openIdConnect, if its scopes are to be asked for.",
            )
            found.append(Note(below(self.schemes_pointer, scheme_name), message, hint))
        return found


def _combined(
    choices: list[tuple[str, ...]],
) -> tuple[tuple[str, ...], tuple[tuple[str, ...], ...]]:
    """Scopes that are needed in any case, and alternatives; without those that ask for more than another one does."""
    sets = list(dict.fromkeys(frozenset(choice) for choice in choices))
    least = [item for item in sets if not any(other < item for other in sets)]
    ordered = [next(choice for choice in choices if frozenset(choice) == item) for item in least]
    if len(ordered) < 2:
        return (ordered[0] if ordered else ()), ()
    return (), tuple(ordered)


def _checked(scopes: tuple[str, ...], alternatives: tuple[tuple[str, ...], ...]) -> Access:
    """The access, or why it cannot be asked for: no token can carry such a scope (RFC 6749 §3.3)."""
    unfit = next(
        (
            item
            for item in (*scopes, *(one for many in alternatives for one in many))
            if not _SCOPE.fullmatch(item)
        ),
        None,
    )
    if unfit is not None:
        return Access(fault=f"no token can have the scope [{unfit[:80]}]")
    if len(alternatives) > _MOST_ALTERNATIVES:
        return Access(
            fault=f"it has {len(alternatives)} alternative security requirements; at most {_MOST_ALTERNATIVES} can be deployed"
        )
    return Access(scopes=scopes, alternatives=alternatives)


def _named(operations: list[str]) -> str:
    """A few names, and how many more."""
    shown = ", ".join(operations[:_MOST_NAMED])
    more = len(operations) - _MOST_NAMED
    return f"{shown} and {more} more" if more > 0 else shown
