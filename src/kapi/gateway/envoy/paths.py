"""Operation targets as regular expressions (apk-interface §2.3): `/pets/{id}`, `/files/*`, one trailing slash tolerated."""

from __future__ import annotations

import re
from dataclasses import dataclass
from urllib.parse import quote

_PARAMETER = re.compile(r"\{[^{}/]*\}")
_SEGMENT = "([^/]+)"
_LEGAL = "/:@!$&'()*+,;=-._~%"
"""What stands unescaped in a request path, and an escape that is already one (RFC 3986 §3.3)."""


@dataclass(frozen=True, slots=True)
class Rewrite:
    """How the path for the backend is made: RE2 pattern and substitution."""

    pattern: str
    substitution: str
    is_fixed: bool = False
    """Whether nothing of the request's path is in the backend's."""


def first_segment(path: str) -> str:
    """The first segment as Envoy sees it in a request; empty when there is none or it is not literal."""
    segment = path.lstrip("/").partition("/")[0]
    return "" if segment == "*" or _PARAMETER.search(segment) else _literal(segment)


def match_pattern(base_path: str, target: str) -> str:
    """What a whole request path (without query) must look like."""
    stem, wildcard = _split(base_path.rstrip("/") + target)
    return _pattern(stem.rstrip("/")) + ("(?:/.*)?" if wildcard else "/?" if stem.rstrip("/") else "/")


def rewrite(base_path: str, target: str, backend_base: str) -> Rewrite:
    """Request path → backend path: `backend_base` + target, parameters filled in, the tolerated slash gone."""
    stem, wildcard = _split(base_path.rstrip("/") + target)
    backend_stem, _ = _split(backend_base.rstrip("/") + target)
    pattern, substitution = _pattern(stem.rstrip("/")), _substitution(backend_stem if not wildcard else backend_stem.rstrip("/"))
    if not wildcard:
        return Rewrite(f"^{pattern}/?$", substitution or "/", is_fixed=not _PARAMETER.search(stem))
    rest = len(_PARAMETER.findall(stem)) + 1
    if not substitution:
        # The backend path may not be empty, so the slash is the substitution's own.
        return Rewrite(f"^{pattern}/?(.*)$", f"/\\{rest}")
    return Rewrite(f"^{pattern}(/.*)?$", f"{substitution}\\{rest}")


def _split(path: str) -> tuple[str, bool]:
    return (path[:-2], True) if path.endswith("/*") else (path, False)


def _literal(text: str) -> str:
    return quote(text, safe=_LEGAL)


def _pattern(stem: str) -> str:
    return _SEGMENT.join(re.escape(_literal(text)) for text in _PARAMETER.split(stem))


def _substitution(stem: str) -> str:
    parts = [_literal(text) for text in _PARAMETER.split(stem)]
    return parts[0] + "".join(f"\\{number}{text}" for number, text in enumerate(parts[1:], 1))
