"""The request that a filled-in draft becomes. Pure.

Its path stays below the base path of the API: values of parameters are percent-encoded, and no
segment is `.` or `..` (RFC 3986 §5.2.4).
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import field
from typing import Final
from urllib.parse import quote, urlencode

from kapi import error_codes
from kapi.apis.collections.drafts import REST_OF_PATH, Draft
from kapi.dataclass import dataclass
from kapi.errors import Problem

_METHOD: Final = re.compile("[A-Z]{1,20}")
_NAME: Final = re.compile(r"[!#$%&'*+.^_`|~0-9A-Za-z-]{1,128}")
_VALUE: Final = re.compile(r"[\x20-\x7e\t]*")
_PARAMETER: Final = re.compile(r"\{([^{}/]+)\}")
_OWN: Final = frozenset(
    (
        *("host", "connection", "content-length", "transfer-encoding", "te", "trailer"),
        *(
            "upgrade",
            "keep-alive",
            "expect",
            "accept-encoding",
            "forwarded",
            "x-real-ip",
        ),
    )
)
"""Headers that are about the connection, or that name an address of the caller."""
_OWN_STARTS: Final = ("proxy-", "x-forwarded-", "x-envoy-", "x-request-id", ":")
_MOST_HEADERS: Final = 50
_LONGEST_PATH: Final = 8192


@dataclass(frozen=True, slots=True)
class Outgoing:
    """A request to a deployed API."""

    method: str
    host: str
    path: str
    """With the query."""
    headers: tuple[tuple[str, str], ...]
    body: bytes = field(default=b"", repr=False)
    token: str = field(default="", repr=False)
    """The access token; it is sent as a bearer token (RFC 6750 §2.1)."""


@dataclass(frozen=True, slots=True)
class Filled:
    """What a person filled in."""

    values: Sequence[str]
    """Of the parameters of the draft, in their order."""
    headers: str = field(default="", repr=False)
    """Further headers, one a line."""
    body: bytes = field(default=b"", repr=False)
    content_type: str = ""


def outgoing(
    draft: Draft, filled: Filled, address: tuple[str, str], forbidden: Iterable[str]
) -> Outgoing:
    """The request, without an access token. `address` is host and base path.

    No header of `forbidden` is sent. Raises Problem 400 with all mistakes.
    """
    wrong: list[str] = []
    host, base_path = address
    path = base_path + _path(draft, filled, wrong)
    if query := _query(draft, filled):
        path += f"?{query}"
    if len(path) > _LONGEST_PATH:
        wrong.append(f"the path is longer than {_LONGEST_PATH} characters")
    if not _METHOD.fullmatch(draft.method):
        wrong.append("the method of the operation cannot be sent by this page")
    headers = tuple(
        _headers(draft, filled, frozenset(map(str.lower, forbidden)), wrong)
    )
    body = filled.body if draft.has_body else b""
    if wrong:
        raise Problem.of(
            error_codes.INVALID_SYSTEM_REQUEST,
            "The call was not sent",
            detail=f"{'; '.join(wrong)}.",
            hint="Correct the form, and send it again.",
        )
    return Outgoing(draft.method, host, path, headers, body)


def _path(draft: Draft, filled: Filled, wrong: list[str]) -> str:
    given = {}
    for item, value in zip(draft.values, filled.values, strict=False):
        if item.place == "path":
            given[item.name] = value
    template = draft.template
    rest = given.pop(REST_OF_PATH, None)
    if rest is not None:
        template = template.removesuffix(REST_OF_PATH)

    def replaced(found: re.Match[str]) -> str:
        value = given.get(found[1], "")
        if not value:
            wrong.append(f"the parameter {found[1]} is empty")
        return quote(value, safe="")

    path = _PARAMETER.sub(replaced, template)
    if rest:
        path += quote(rest, safe="/")
    path = quote(path, safe="/%:@!$&'()*+,;=~-._")
    if any(segment in {".", ".."} for segment in path.split("/")):
        wrong.append("no segment of the path may be . or ..")
    return path


def _query(draft: Draft, filled: Filled) -> str:
    """The query; a parameter that may be left out is left out when it is empty."""
    sent = []
    for item, value in zip(draft.values, filled.values, strict=False):
        if item.place == "query" and (value or item.required):
            sent.append((item.name, value))
    return urlencode(sent)


def _headers(
    draft: Draft, filled: Filled, forbidden: frozenset[str], wrong: list[str]
) -> Iterator[tuple[str, str]]:
    """The headers, each name once: what the person wrote comes before what the draft has."""
    sent: dict[str, tuple[str, str]] = {}
    for name, value in draft.headers.items():
        sent[name.lower()] = (name, value)
    if filled.body and draft.has_body and filled.content_type:
        sent["content-type"] = ("Content-Type", filled.content_type)
    for item, value in zip(draft.values, filled.values, strict=False):
        if item.place == "header" and (value or item.required):
            sent[item.name.lower()] = (item.name, value)
    for name, value in _written(filled.headers, wrong):
        sent[name.lower()] = (name, value)
    if len(sent) > _MOST_HEADERS:
        wrong.append(f"there are more than {_MOST_HEADERS} headers")
    for key, (name, value) in sent.items():
        if fault := _fault(key, value, forbidden):
            wrong.append(fault)
        yield name, value


def _written(text: str, wrong: list[str]) -> Iterator[tuple[str, str]]:
    for line in filter(None, map(str.strip, text.splitlines())):
        name, separator, value = line.partition(":")
        if not separator:
            wrong.append("each line of the headers is written as Name: value")
            continue
        yield name.strip(), value.strip()


def _fault(key: str, value: str, forbidden: frozenset[str]) -> str:
    """Why a header cannot be sent; empty if it can."""
    if not _NAME.fullmatch(key):
        return "the name of a header has characters that are not allowed"
    if key in _OWN or key in forbidden or key.startswith(_OWN_STARTS):
        return f"the header {key} cannot be set here"
    if not _VALUE.fullmatch(value):
        return f"the header {key} has characters that are not allowed"
    return ""


def redacted(text: str, secrets: Mapping[str, str]) -> str:
    """The text with words in place of secrets that an answer repeats."""
    for secret, words in secrets.items():
        if secret:
            text = text.replace(secret, words)
    return text
