"""Paths that a backend may take for another one: `/admin;x=1`, `/Admin`, `/admin%20` for `/admin`.

They match `/{name}` at the gateway, which may need less than `/admin` does. Servlet containers drop
what follows a `;`, many frameworks compare without regard to case, some drop spaces and dots at the
end or take a suffix (`/admin.json`) for a format. Escapes of plain characters (`/%61dmin`, RFC 3986
§6.2.2.2) are decoded by the gateway before it matches. Pure. Used by `kinds/rest.py`, which warns,
and by the routes, which refuse such paths.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Sequence
from typing import TYPE_CHECKING, Any, Final

if TYPE_CHECKING:
    from kapi.apis.model.conf import OperationConf

_PARAMETER: Final = re.compile(r"\{[^{}/]*\}")
_UNRESERVED: Final = re.compile(r"[A-Za-z0-9._~-]")
_DROPPED: Final = r"(?:%20|%0[09aAdD]|(?:\.|%2[eE]|;|%3[bB])[^/]*)*"
"""What servers remove from the end of a segment: spaces, control characters, parameters after `;`,
a suffix."""


def may_pass_for(wider: str, narrower: str) -> bool:
    """Whether a path that a backend may take for `narrower` matches the other target `wider`."""
    wide, narrow = _segments(wider), _segments(narrower)
    more = narrow[len(wide) :]
    if len(narrow) < len(wide):
        return False
    if more and not wider.endswith("/*"):
        return False
    matched = more
    for one, other in zip(wide, narrow, strict=False):
        if one == other:
            continue
        if not _PARAMETER.search(one):
            return False
        matched.append(other)
    return any(map(_is_literal, matched))


def _is_literal(segment: str) -> bool:
    return not _PARAMETER.fullmatch(segment)


def _segments(target: str) -> list[str]:
    return target.removesuffix("/*").rstrip("/").split("/")


def disguised(stem: str) -> str:
    """A regular expression for a path with parameters, and all that a backend may take for it."""
    return "/".join(map(_segment, stem.split("/")))


def weaker_siblings(
    operations: Sequence[OperationConf],
) -> Iterator[tuple[OperationConf, OperationConf]]:
    """Pairs of one verb: an operation with a parameter, and one that may be mistaken for it.

    The other one is secured and needs other credentials or scopes. Each operation is in one pair.
    """
    for verb, group in _by_verb(operations):
        if verb == "OPTIONS" or len(set(map(_needs, group))) == 1:
            continue
        secured = []
        for item in group:
            if item.secured:
                secured.append(item)
        for wider in group:
            if {"{", "*"} & set(wider.target):
                yield from _first_stricter(wider, secured)


def _first_stricter(
    wider: OperationConf, secured: Iterable[OperationConf]
) -> Iterator[tuple[OperationConf, OperationConf]]:
    for item in secured:
        if _needs(item) != _needs(wider) and may_pass_for(wider.target, item.target):
            yield wider, item
            return


def _by_verb(
    operations: Iterable[OperationConf],
) -> Iterable[tuple[str, list[OperationConf]]]:
    groups: dict[str, list[OperationConf]] = {}
    for item in operations:
        groups.setdefault(item.verb, []).append(item)
    return groups.items()


def _needs(operation: OperationConf) -> tuple[Any, ...]:
    return (
        operation.secured,
        frozenset(operation.scopes),
        frozenset(map(frozenset, operation.scope_alternatives)),
    )


def _segment(segment: str) -> str:
    if not segment:
        return ""
    fixed = map(_text, _PARAMETER.split(segment))
    return "[^/]+".join(fixed) + _DROPPED


def _text(text: str) -> str:
    return "".join(map(_character, text))


def _character(char: str) -> str:
    """The character in both cases; also escaped, unless the gateway decodes such an escape."""
    cases = dict.fromkeys((char.lower(), char.upper()))
    if not _UNRESERVED.fullmatch(char):
        forms = [f"{re.escape(case)}|{_escape(case)}" for case in cases]
        return f"(?:{'|'.join(forms)})"
    if len(cases) > 1:
        return f"[{''.join(cases)}]"
    return re.escape(char)


def _escape(char: str) -> str:
    return "".join("%" + _any_case(f"{byte:02x}") for byte in char.encode())


def _any_case(digits: str) -> str:
    return re.sub("[a-f]", lambda found: f"[{found[0]}{found[0].upper()}]", digits)
