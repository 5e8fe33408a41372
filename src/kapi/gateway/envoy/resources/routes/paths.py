"""Operation targets as regular expressions (apk-interface §2.3): `/pets/{id}`, `/files/*`. Pure.

One trailing slash of a request is tolerated; the backend gets the path of the conf.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from functools import lru_cache
from itertools import zip_longest
from urllib.parse import quote

from kapi.dataclass import dataclass

_PARAMETER = re.compile(r"\{[^{}/]*\}")
_WILDCARD = "*"
_SEGMENT = "([^/]+)"
_ANY = "[^/]+"
_LEGAL = "/:@!$&'()*+,;=-._~%"
"""Characters that are not escaped in a request path, and `%` of an escape (RFC 3986 §3.3)."""


_KEPT = 1024
"""Texts between parameters that are kept: the targets of an API share most of theirs."""


@dataclass(frozen=True, slots=True)
class Rewrite:
    """How the path for the backend is made: RE2 pattern and substitution."""

    pattern: str
    substitution: str
    is_fixed: bool = False
    """Whether nothing of the request's path is in the backend's."""


def first_segment(path: str) -> str:
    """The first segment as it is in a request; empty if there is none or it is not literal."""
    segment = path.lstrip("/").partition("/")[0]
    if segment == "*" or _PARAMETER.search(segment):
        return ""
    return literal(segment)


def is_literal(path: str) -> bool:
    """Whether a target matches one path only."""
    return not (path.endswith("/*") or _PARAMETER.search(path))


def match_pattern(base_path: str, target: str, *, exact: bool = False) -> str:
    """The pattern of a request path without query; `exact` if the last slash is significant."""
    if exact:
        return _pattern(base_path.rstrip("/") + target)
    stem, wildcard = _split(base_path.rstrip("/") + target)
    bare = stem.rstrip("/")
    if wildcard:
        return f"{_pattern(bare)}(?:/.*)?"
    if bare:
        return f"{_pattern(bare)}/?"
    return "/"


def rewrite(base_path: str, target: str, backend_base: str, path: str = "") -> Rewrite:
    """Request path → backend path: `backend_base` and what follows the base path, or `path`.

    A tolerated slash is removed. The rest is one group, since a substitution can name nine at most.
    """
    if path and path != target:
        return _rewrite_to(
            base_path.rstrip("/"), target, backend_base.rstrip("/"), path
        )
    base, backend = _pattern(base_path.rstrip("/")), literal(backend_base.rstrip("/"))
    stem, wildcard = _split(target)
    fixed = stem.rstrip("/")
    if not wildcard and not _PARAMETER.search(stem):
        return Rewrite(
            f"^{base}{_pattern(fixed)}/?$",
            literal(backend_base.rstrip("/") + target) or "/",
            is_fixed=True,
        )
    if not wildcard:
        return Rewrite(
            f"^{base}({_pattern(fixed, _ANY)})/?$",
            f"{backend}\\1{stem.removeprefix(fixed)}",
        )
    if not fixed and not backend:
        # The backend path may not be empty, so the slash is the substitution's own.
        return Rewrite(f"^{base}/?(.*)$", "/\\1")
    return Rewrite(f"^{base}({_pattern(fixed, _ANY)}(?:/.*)?)$", f"{backend}\\1")


def _rewrite_to(base_path: str, target: str, backend_base: str, path: str) -> Rewrite:
    """To another path, whose parameters and `*` are those of the target."""
    used = _parts(path)
    groups: dict[str, int] = {}
    pattern = _pattern(base_path)
    stem, wildcard = _split(target)
    texts = _PARAMETER.split(stem if wildcard else stem.rstrip("/"))
    for text, name in zip_longest(texts, _PARAMETER.findall(stem)):
        pattern += re.escape(literal(text))
        if name is None:
            continue
        if name in used and name not in groups:
            groups[name] = len(groups) + 1
            pattern += _SEGMENT
        else:
            pattern += _ANY
    if not wildcard:
        pattern += "/?"
    elif _WILDCARD in used:
        groups[_WILDCARD] = len(groups) + 1
        pattern += "(?:/(.*))?"
    else:
        pattern += "(?:/.*)?"
    made = literal(backend_base) + _substitution(path, groups)
    return Rewrite(f"^{pattern}$", made or "/", is_fixed=not groups)


def _substitution(path: str, groups: Mapping[str, int]) -> str:
    """A path with the numbers of the groups in place of its parameters."""
    stem, wildcard = _split(path)
    made = literal(_PARAMETER.split(stem)[0])
    for name, text in zip(
        _PARAMETER.findall(stem), _PARAMETER.split(stem)[1:], strict=True
    ):
        made += f"\\{groups[name]}{literal(text)}"
    return f"{made}/\\{groups[_WILDCARD]}" if wildcard else made


def _parts(path: str) -> list[str]:
    """The parameters of a path by name, and its `*`."""
    stem, wildcard = _split(path)
    return [*_PARAMETER.findall(stem), *([_WILDCARD] if wildcard else [])]


def _split(path: str) -> tuple[str, bool]:
    return path.removesuffix("/*"), path.endswith("/*")


@lru_cache(maxsize=_KEPT)
def literal(text: str) -> str:
    """A text of a target as it is in a request path."""
    return quote(text, safe=_LEGAL)


def _pattern(stem: str, segment: str = _SEGMENT) -> str:
    return segment.join(map(_escaped, _PARAMETER.split(stem)))


@lru_cache(maxsize=_KEPT)
def _escaped(text: str) -> str:
    return re.escape(literal(text))
