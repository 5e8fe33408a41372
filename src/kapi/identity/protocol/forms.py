"""Parameters of OAuth requests in form bodies and queries (RFC 6749 §3.1, §3.2, appendix B)."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import field
from typing import Any
from urllib.parse import parse_qsl, urlencode

from kapi.dataclass import dataclass
from kapi.errors import OAuthError
from kapi.identity.protocol.http import Request

MAY_REPEAT = frozenset({"resource", "audience"})
"""RFC 8707 §2, RFC 8693 §2.1; any other parameter occurs at most once (RFC 6749 §3.2)."""
_MOST_PARAMETERS = 100
FORM = "application/x-www-form-urlencoded"


@dataclass(frozen=True, slots=True)
class Form:
    """The parameters: `values` contains the first of each name, `repeated` all of MAY_REPEAT."""

    values: Mapping[str, str]
    repeated: Mapping[str, tuple[str, ...]] = field(default_factory=dict)

    def get(self, name: str) -> str | None:
        """A parameter, or None."""
        return self.values.get(name)

    def encoded(self) -> str:
        """As a query, encoded again, so that raw input does not reach a header."""
        return urlencode({**self.values, **self.repeated}, doseq=True)

    def need(self, name: str) -> str:
        """A parameter. Raises OAuthError invalid_request when it is missing."""
        value = self.values.get(name)
        if value is None:
            raise OAuthError("invalid_request", f"{name} is missing")
        return value


def form_from(stored: Mapping[str, Any]) -> Form:
    """A form from its stored members, `values` and `repeated`."""
    repeated = {name: tuple(values) for name, values in stored["repeated"].items()}
    return Form(stored["values"], repeated)


def sent_form(request: Request) -> Form:
    """The parameters of a page's request, from its form or its link. Raises OAuthError."""
    if request.method == "POST":
        return parse_form(request.body)
    return parse_form(request.query.encode("latin-1"))


def with_query(uri: str, parameters: Mapping[str, str]) -> str:
    """A URI with further query parameters."""
    joint = "?"
    if "?" in uri:
        joint = "&"
    if uri.endswith(("?", "&")):
        joint = ""
    return f"{uri}{joint}{urlencode(parameters)}"


def parse_form(body: bytes) -> Form:
    """The parameters of a form body or a query that are not empty (RFC 6749 §3.2).

    Raises OAuthError invalid_request for a broken form or a repeated parameter.
    """
    try:
        pairs = read_pairs(body.decode("ascii"))
    except ValueError as error:
        raise OAuthError(
            "invalid_request",
            "The body is not application/x-www-form-urlencoded text in UTF-8",
        ) from error
    values: dict[str, str] = {}
    repeated: dict[str, tuple[str, ...]] = {}
    seen: set[str] = set()
    for name, value in pairs:
        if name in MAY_REPEAT:
            if value:
                repeated[name] = (*repeated.get(name, ()), value)
        elif name in seen:
            raise OAuthError(
                "invalid_request", "A parameter is sent more than once (RFC 6749 3.2)"
            )
        seen.add(name)
        value = parameter_text(name, value)  # noqa: PLW2901 - the value that counts
        if value:
            values.setdefault(name, value)
    return Form(values, repeated)


def parameter_text(name: str, value: str) -> str:
    """The value without the blanks that some clients send around `scope`."""
    if name == "scope":
        return value.strip(" ")
    return value


def read_pairs(text: str) -> list[tuple[str, str]]:
    """Names and values. Raises ValueError."""
    if not text:
        return []
    if "%" not in text and "+" not in text and text.count("&") < _MOST_PARAMETERS:
        # Nothing is encoded, as in nearly all token requests: this costs a quarter of parse_qsl.
        plain = [piece.split("=", 1) for piece in text.split("&")]
        return [(name, value) for name, value in plain]
    return parse_qsl(
        text,
        keep_blank_values=True,
        strict_parsing=True,
        errors="strict",
        max_num_fields=_MOST_PARAMETERS,
    )


def check_media_type(content_type: str) -> None:
    """Raise OAuthError invalid_request unless it is a form in UTF-8 (RFC 6749 §3.2)."""
    if content_type == FORM:
        return
    media_type, _, parameters = content_type.lower().partition(";")
    charset = parameters.strip().replace('"', "")
    if media_type.strip() != FORM or charset not in {"", "charset=utf-8"}:
        raise OAuthError(
            "invalid_request",
            "The body must be application/x-www-form-urlencoded in UTF-8 (RFC 6749 3.2)",
        )
