"""Entity tags and preconditions of the system APIs (RFC 9110 §8.8.3 and §13).

A caller that has read an object sends its ETag back in `If-Match`: the change is made only if the
object is still the same. `If-None-Match: *` makes a new object only. What is stored is compared in
the transaction that changes it (`store/engine/conditions.py`), for all kinds of object.
"""

from __future__ import annotations

import base64
import hashlib
import re
from collections.abc import Callable, Mapping
from typing import Any, Final, ParamSpec, TypeVar

import orjson
from starlette.concurrency import run_in_threadpool
from starlette.requests import Request
from starlette.responses import Response

from kapi import error_codes
from kapi.dataclass import dataclass
from kapi.errors import Problem
from kapi.front.web.http.access import json_answer
from kapi.store.engine.conditions import only_if

Document = Mapping[str, Any]
P = ParamSpec("P")
T = TypeVar("T")
_TAG: Final = re.compile(r'(?:W/)?"[\x21\x23-\x7e\x80-\xff]*"')
_DIGEST_BYTES: Final = 18
_ANY: Final = "*"


def tag_of(document: Document) -> str:
    """The strong entity tag of an object: a digest of its members, in any order."""
    content = orjson.dumps(document, option=orjson.OPT_SORT_KEYS)
    digest = hashlib.sha256(content).digest()[:_DIGEST_BYTES]
    return f'"{base64.urlsafe_b64encode(digest).decode()}"'


def tagged(
    request: Request,
    document: Document,
    status: int = 200,
    *,
    tag: str = "",
    more: Document | None = None,
) -> Response:
    """An object with its ETag; 304 without a body for a GET by a caller that has it.

    `more` is in this answer only, and `tag` replaces the digest of the document.
    """
    tag = tag or tag_of(document)
    known = _tags(request, "if-none-match")
    if request.method == "GET" and known & {tag, f"W/{tag}", _ANY}:
        return Response(status_code=304, headers={"ETag": tag})
    answer = json_answer({**document, **(more or {})}, status)
    answer.headers["ETag"] = tag
    return answer


@dataclass(frozen=True, slots=True)
class Precondition:
    """What a request says about the object that it changes; empty sets say nothing."""

    match: frozenset[str]
    none_match: frozenset[str]

    def check(self, tag: str) -> None:
        """Raise Problem 412 unless an object with this tag may be changed; empty: there is none."""
        if self.match and not (tag and self.match & {tag, _ANY}):
            raise Problem.of(
                error_codes.OBJECT_CHANGED,
                detail="It is not as in the answer whose ETag If-Match contains.",
                hint="Read it again, and send the change with its new ETag, quotes included.",
                headers={"ETag": tag} if tag else {},
            )
        if tag and self.none_match & {tag, f"W/{tag}", _ANY}:
            raise Problem.of(
                error_codes.OBJECT_EXISTS,
                detail="If-None-Match asks for a change only if there is no such object.",
                hint="Leave the header out, or send If-Match with the ETag of the object.",
                headers={"ETag": tag},
            )


async def guarded(
    request: Request,
    tag: Callable[[], str],
    work: Callable[P, T],
    *args: P.args,
    **more: P.kwargs,
) -> T:
    """Do what changes an object, in a thread, if the preconditions of the request hold.

    `tag` reads the object from the database and returns its tag, empty if there is none. It is
    compared before the work, and again in the transaction that changes the object. Raises Problem.
    """
    wanted = Precondition(_tags(request, "if-match"), _tags(request, "if-none-match"))
    if not (wanted.match or wanted.none_match):
        return await run_in_threadpool(work, *args, **more)

    def check() -> None:
        wanted.check(tag())

    def run() -> T:
        check()
        with only_if(check):
            return work(*args, **more)

    return await run_in_threadpool(run)


def _tags(request: Request, header: str) -> frozenset[str]:
    """The tags of a header; a text that is none for a header without one."""
    values = request.headers.getlist(header)
    if not values:
        return frozenset()
    text = ", ".join(values).strip()
    if text == _ANY:
        return frozenset((_ANY,))
    return frozenset(_TAG.findall(text)) or frozenset((text,))
