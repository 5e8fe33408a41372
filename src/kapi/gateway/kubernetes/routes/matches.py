"""Matches of rules, so that the order of Gateway API is that of the IR. Pure.

Gateway API takes the first of: exact paths, then regular expressions (in Envoy Gateway the longest
first). The IR has an order of its own, so an expression that must come before another one is made
longer than it by empty groups `(?:)`, which match nothing.
"""

from __future__ import annotations

from collections.abc import Sequence

from kapi.dataclass import dataclass
from kapi.gateway.envoy.resources.routes.paths import is_literal

_PADDING = "(?:)"
_ANY = "*"


@dataclass(frozen=True, slots=True)
class PathMatch:
    """The paths of a rule: the template that it is made of, and its pattern."""

    template: str
    """Base path and target: `/pets/1.0.0/{id}`, or `…/*`."""
    pattern: str
    """Of the whole path."""
    exact: tuple[str, ...] = ()
    """All paths that match, if these are a few; then the pattern is not used."""


def may_overlap(first: str, second: str) -> bool:
    """Whether one path may match both templates."""
    left, right = _segments(first), _segments(second)
    for one, other in zip(left, right, strict=False):
        if _ANY in (one, other):
            return True
        if one != other and not ({"{"} & set(one) or {"{"} & set(other)):
            return False
    longer = right
    if len(left) > len(right):
        longer = left
    return len(left) == len(right) or longer[min(len(left), len(right))] == _ANY


def _segments(template: str) -> list[str]:
    return template.strip("/").split("/")


def ordered_patterns(paths: Sequence[PathMatch]) -> list[str]:
    """The patterns, padded so that of two that overlap the one before is longer."""
    padded = [item.pattern for item in paths]
    for index in range(len(paths) - 1, -1, -1):
        if paths[index].exact:
            continue
        behind = []
        for later in range(index + 1, len(paths)):
            if _comes_behind(paths[index], paths[later]):
                behind.append(len(padded[later]))
        missing = max(behind, default=-1) + 1 - len(padded[index])
        padded[index] += _PADDING * -(-missing // len(_PADDING)) if missing > 0 else ""
    return padded


def _comes_behind(first: PathMatch, later: PathMatch) -> bool:
    if later.exact or first.pattern == later.pattern:
        return False
    return may_overlap(first.template, later.template)


def is_one_path(template: str) -> bool:
    """Whether a template has neither a parameter nor a wildcard."""
    return is_literal(template)
