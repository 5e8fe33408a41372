"""The check of JSON bodies of the system APIs. It reports all mistakes of a body at once."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from itertools import islice
from typing import Any, Final

from starlette.requests import Request

from kapi.dataclass import dataclass
from kapi.error_codes import ErrorCode
from kapi.errors import Diagnostic, Invalid
from kapi.front.web.http.bodies import json_object, read_body

DOCUMENT_HINT: Final = "/openapi.html on this host describes it."
_LONGEST_NAME: Final = 64
"""Characters of an unknown name that are repeated in the answer."""
_MOST_MISTAKES: Final = 100
"""Mistakes that one answer names."""
_KINDS: Final[Mapping[type, str]] = {
    str: "a text",
    bool: "true or false",
    int: "a whole number",
    list: "a list",
    dict: "an object",
}

Rule = Callable[[Any], str]
"""What is wrong with a value of the right type; an empty text if nothing is."""


def _accept(_: Any) -> str:
    return ""


@dataclass(frozen=True, slots=True)
class Member:
    """A member of a JSON object."""

    kind: type
    """A key of the JSON types: str, bool, int, list or dict."""
    default: Any = None
    """The value of a member that is absent."""
    required: bool = False
    rule: Rule = _accept
    hint: str = DOCUMENT_HINT
    """What to do about a mistake."""
    members: Mapping[str, Member] | None = None
    """The members of an object."""


@dataclass(frozen=True, slots=True)
class Shape:
    """The JSON object that an operation reads. It has no other members than these."""

    subject: str
    """The `code` of each diagnostic: what the body describes."""
    error: ErrorCode
    members: Mapping[str, Member]

    def read(self, body: Mapping[str, Any]) -> dict[str, Any]:
        """All members, with defaults for absent ones. Raises Invalid with all mistakes."""
        mistakes = tuple(
            islice(_mistakes(self.subject, self.members, body, ()), _MOST_MISTAKES)
        )
        if mistakes:
            raise Invalid(mistakes, self.error)
        return _filled(self.members, body)


async def read_members(
    request: Request, shape: Shape, hint: str = "", *, optional: bool = False
) -> dict[str, Any]:
    """The members of the body. An empty body is an empty object if it is `optional`.

    Raises Problem 413 for a body that is too large, 400 with the `hint` for one that is not a JSON
    object, and Invalid for one of another shape.
    """
    content = await read_body(request)
    if optional and not content:
        return shape.read({})
    known = ", ".join(shape.members)
    return shape.read(json_object(content, hint or f"Send an object with {known}."))


def one_of(*choices: str) -> Rule:
    """A rule for texts that are one of these."""

    def rule(value: str) -> str:
        if value in choices:
            return ""
        return f"must be one of {', '.join(choices)}"

    return rule


def _mistakes(
    subject: str,
    members: Mapping[str, Member],
    body: Mapping[str, Any],
    place: tuple[str, ...],
) -> Iterator[Diagnostic]:
    """The mistakes of the object at this place."""
    for name in body:
        if name not in members:
            known = f"Known: {', '.join(members)}."
            yield _diagnostic(
                subject, (*place, name[:_LONGEST_NAME]), "unknown member", known
            )
    for name, member in members.items():
        here = (*place, name)
        if name not in body:
            if member.required:
                yield _diagnostic(subject, here, "is missing", member.hint)
        elif message := _mistake(member, body[name]):
            yield _diagnostic(subject, here, message, member.hint)
        elif member.members is not None:
            yield from _mistakes(subject, member.members, body[name], here)


def _mistake(member: Member, value: Any) -> str:
    # The exact type: in Python, true and false are whole numbers too.
    if type(value) is not member.kind:
        return f"must be {_KINDS[member.kind]}"
    return member.rule(value)


def _filled(members: Mapping[str, Member], body: Mapping[str, Any]) -> dict[str, Any]:
    filled: dict[str, Any] = {}
    for name, member in members.items():
        value = body.get(name, member.default)
        if member.members is not None:
            value = _filled(member.members, value or {})
        filled[name] = value
    return filled


def _diagnostic(
    subject: str, place: tuple[str, ...], message: str, hint: str
) -> Diagnostic:
    # A JSON pointer (RFC 6901) as a URI fragment.
    pointer = "/".join(name.replace("~", "~0").replace("/", "~1") for name in place)
    return Diagnostic(subject, f"{'.'.join(place)}: {message}", hint, f"#/{pointer}")
