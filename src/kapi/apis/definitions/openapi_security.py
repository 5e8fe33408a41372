"""Security requirements of OpenAPI (3.1 §4.8.30) and Swagger 2.0 in the words of the apk-conf.

Called by `openapi_document.py`. Schemes of a requirement are all needed, requirements of a list are
alternatives. The gateway asks for an access token, and for the scopes of every `oauth2` and
`openIdConnect` scheme. Every other kind of credential is named in a note.
"""

from __future__ import annotations

import re
from collections.abc import Iterable
from dataclasses import field
from itertools import chain
from typing import Any, Final

from kapi.apis.definitions.model import Note
from kapi.apis.report import below
from kapi.dataclass import dataclass
from kapi.typed import mapping, of_kind, texts

_SCOPED: Final = frozenset(("oauth2", "openIdConnect"))
_APK_SCHEMES: Final = frozenset(("default", "OAuth2Security"))
"""Schemes whose scopes APK reads, also where the document does not declare them."""
_SCOPE: Final = re.compile(r"[\x21\x23-\x5b\x5d-\x7e]{1,256}")
_MOST_ALTERNATIVES: Final = 100
_MOST_NAMED: Final = 3
_DECLARE: Final = (
    "Declare it as oauth2 or openIdConnect, if its scopes are to be asked for."
)
_ENFORCE: Final = {
    "apiKey": "To accept API keys of kapi, add an item with authType: APIKey to authentication.",
    "basic": "Where the backend needs a password, give its endpoint an endpointSecurity.",
    "mutualTLS": (
        "To ask for client certificates, add an item with authType: mTLS to authentication."
    ),
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
    if declared is None:
        return Scheme("", "not declared")
    members = mapping(declared)
    match members.get("type"):
        case "apiKey":
            name = str(members.get("name"))[:60]
            return Scheme("apiKey", f"API key in {members.get('in')} {name}")
        case "http":
            name = str(members.get("scheme")).lower()
            return Scheme(
                "bearer" if name == "bearer" else "basic", f"HTTP {name[:40]}"
            )
        case "basic":
            return Scheme("basic", "HTTP basic")
        case "mutualTLS":
            return Scheme("mutualTLS", "client certificate")
        case ("oauth2" | "openIdConnect") as kind:
            return Scheme(kind, kind)
    return Scheme("", "unknown type")


@dataclass(frozen=True, slots=True)
class _Meant:
    """What a list of requirements means; `others` are schemes that are not enforced."""

    requirements: list[Any]
    scopes: tuple[str, ...]
    alternatives: tuple[tuple[str, ...], ...]
    others: tuple[str, ...]


@dataclass(slots=True)
class Security:
    """The schemes of one document and the access of its requirements; collects notes."""

    schemes: dict[str, Scheme]
    schemes_pointer: str
    open: list[tuple[str, str]] = field(default_factory=list)
    """Pointer and name of each operation that the document opens to any caller."""
    others: dict[str, list[str]] = field(default_factory=dict)
    """For each scheme that is not enforced, the operations that ask for it."""
    _known: dict[int, _Meant] = field(default_factory=dict)
    """By the identity of the list, which `_Meant` keeps alive."""

    def access(
        self,
        requirements: list[Any] | None,
        own_scopes: tuple[str, ...],
        pointer: str,
        name: str,
    ) -> Access:
        """What `security` means for an operation; None if the document has none.

        `own_scopes` are those of `x-scope`.
        """
        if requirements is None:
            return _checked(own_scopes, ())
        meant = self._meant(requirements)
        scopes, alternatives = meant.scopes, meant.alternatives
        for scheme_name in meant.others:
            self.others.setdefault(scheme_name, []).append(name)
        if not scopes and not alternatives and own_scopes:
            return _checked(own_scopes, ())
        if not requirements or {} in requirements:
            self.open.append((pointer, name))
            return Access(secured=False)
        return _checked(scopes, alternatives)

    def _meant(self, requirements: list[Any]) -> _Meant:
        """What a list means. That of the document is the list of most operations: read once."""
        known = self._known.get(id(requirements))
        if known is None:
            others: list[str] = []
            choices = [
                self._choice(item, others) for item in of_kind(requirements, dict)
            ]
            scopes, alternatives = _combined(
                [item for item in choices if item is not None]
            )
            known = _Meant(requirements, scopes, alternatives, tuple(others))
            self._known[id(requirements)] = known
        return known

    def _choice(
        self, requirement: dict[str, Any], others: list[str]
    ) -> tuple[str, ...] | None:
        """The scopes of a requirement; None if it has neither scopes nor a token with scopes.

        Schemes that are not enforced are added to `others`.
        """
        scopes: dict[str, None] = {}
        takes_scopes = False
        for scheme_name, listed in requirement.items():
            words = " ".join(texts(listed)).split()
            if self._has_scopes(scheme_name, words):
                takes_scopes = True
                scopes.update(dict.fromkeys(words))
            elif self._scheme(scheme_name).kind != "bearer":
                others.append(scheme_name)
        if takes_scopes:
            return tuple(scopes)
        return None

    def _has_scopes(self, name: str, words: list[str]) -> bool:
        """Whether the list of a scheme in a requirement contains scopes.

        An undeclared scheme that lists scopes is one that has scopes: a slip opens nothing.
        """
        kind = self._scheme(name).kind
        return kind in _SCOPED or name in _APK_SCHEMES or (not kind and bool(words))

    def _scheme(self, name: str) -> Scheme:
        return self.schemes.get(name) or scheme(None)

    def notes(self) -> list[Note]:
        """One note for all open operations, and one for each scheme that is not enforced."""
        found = []
        if self.open:
            names = _named([name for _, name in self.open])
            message = (
                f"{names} may be called without a credential, as the definition says"
            )
            hint = "Set secured: true where a token is to be asked for."
            found.append(Note(self.open[0][0], message, hint))
        for scheme_name, operations in self.others.items():
            known = self._scheme(scheme_name)
            message = (
                f"security scheme {scheme_name[:60]} ({known.text}) is not enforced:"
                f" an access token is asked for instead at {_named(operations)}"
            )
            hint = _ENFORCE.get(known.kind, _DECLARE)
            found.append(Note(below(self.schemes_pointer, scheme_name), message, hint))
        return found


def _combined(
    choices: list[tuple[str, ...]],
) -> tuple[tuple[str, ...], tuple[tuple[str, ...], ...]]:
    """Scopes that are always needed, and alternatives, without those that contain another one."""
    by_set = {frozenset(choice): choice for choice in reversed(choices)}
    ordered = [
        by_set[item]
        for item in dict.fromkeys(map(frozenset, choices))
        if _is_least(item, by_set)
    ]
    if not ordered:
        return (), ()
    if len(ordered) == 1:
        return (ordered[0], ())
    return ((), tuple(ordered))


def _is_least(item: frozenset[str], others: Iterable[frozenset[str]]) -> bool:
    return not any(other < item for other in others)


def _checked(
    scopes: tuple[str, ...], alternatives: tuple[tuple[str, ...], ...]
) -> Access:
    """The access, or the reason why no token can have such a scope (RFC 6749 §3.3)."""
    for item in chain(scopes, *alternatives):
        if not _SCOPE.fullmatch(item):
            return Access(fault=f"no token can have the scope [{item[:80]}]")
    if len(alternatives) > _MOST_ALTERNATIVES:
        number = f"it has {len(alternatives)} alternative security requirements"
        return Access(fault=f"{number}; at most {_MOST_ALTERNATIVES} can be deployed")
    return Access(scopes=scopes, alternatives=alternatives)


def _named(operations: list[str]) -> str:
    """A few names, and how many more."""
    shown = ", ".join(operations[:_MOST_NAMED])
    more = len(operations) - _MOST_NAMED
    if more > 0:
        return f"{shown} and {more} more"
    return shown
