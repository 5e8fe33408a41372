"""Paths that a backend may take for another one: `/admin;x=1`, `/Admin`, `/admin%20`, `/admin.json` for `/admin`. Pure.

They match `/{name}` at the gateway, which may need less than `/admin` does. Servlet containers drop what follows a `;`, many frameworks
compare without regard to case, some drop spaces and dots at the end or take a suffix for a format. Escapes of plain characters
(`/%61dmin`, RFC 3986 §6.2.2.2) are decoded by the gateway before it matches. Used by `compile.py`, which warns, and by the routes,
which refuse such paths.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Sequence
from typing import TYPE_CHECKING, Any, Final

if TYPE_CHECKING:
    from kapi.apis.conf.model import OperationConf

_PARAMETER: Final = re.compile(r"\{[^{}/]*\}")
_UNRESERVED: Final = re.compile(r"[A-Za-z0-9._~-]")
_DROPPED: Final = r"(?:%20|%0[09aAdD]|(?:\.|%2[eE]|;|%3[bB])[^/]*)*"
"""What servers take away from the end of a segment: spaces and control characters, parameters after `;`, a suffix."""


def may_pass_for(wider: str, narrower: str) -> bool:
    """Whether a path that a backend may take for `narrower` matches the target `wider`, which is not the same one."""
    below = wider.endswith("/*")
    wide = wider.removesuffix("/*").rstrip("/").split("/")
    narrow = narrower.removesuffix("/*").rstrip("/").split("/")
    if len(narrow) < len(wide) or (len(narrow) > len(wide) and not below):
        return False
    loose = [part for part in narrow[len(wide) :] if not _PARAMETER.fullmatch(part)]
    for one, other in zip(wide, narrow, strict=False):
        if not _PARAMETER.search(one):
            if one != other:
                return False
        elif not _PARAMETER.fullmatch(other) and one != other:
            loose.append(other)
    return bool(loose)


def disguised(stem: str) -> str:
    """A regular expression for a path of fixed segments and parameters, and for all that a backend may take for it."""
    return "/".join(_segment(part) for part in stem.split("/"))


def weaker_siblings(
    operations: Sequence[OperationConf],
) -> Iterator[tuple[OperationConf, OperationConf]]:
    """Pairs of one verb: an operation with a parameter, and one that may be mistaken for it.

    The other one is secured and needs other credentials or scopes. Each operation is in one pair.
    """
    for verb, group in _by_verb(operations):
        if verb == "OPTIONS" or len(set(map(_needs, group))) == 1:
            continue
        secured = [item for item in group if item.secured]
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


def _by_verb(operations: Iterable[OperationConf]) -> Iterable[tuple[str, list[OperationConf]]]:
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
    fixed = _PARAMETER.split(segment)
    return "[^/]+".join("".join(map(_character, text)) for text in fixed) + _DROPPED


def _character(char: str) -> str:
    """The character in both cases; another one than those that the gateway decodes by itself, also escaped."""
    cases = dict.fromkeys((char.lower(), char.upper()))
    if _UNRESERVED.fullmatch(char):
        return f"[{''.join(cases)}]" if len(cases) > 1 else re.escape(char)
    return f"(?:{'|'.join(form for case in cases for form in (re.escape(case), _escape(case)))})"


def _escape(char: str) -> str:
    digits = (f"{byte:02x}" for byte in char.encode())
    return "".join(
        "%" + "".join(f"[{digit}{digit.upper()}]" if digit.isalpha() else digit for digit in pair)
        for pair in digits
    )
