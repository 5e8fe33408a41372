"""Refusals in the shapes that the system APIs answer with, for the document. Called by `openapi_refusals.py`."""

from __future__ import annotations

from kapi.errors import Diagnostic, Invalid, Problem
from kapi.front.web.http.problems import body_of
from kapi.openapi import Refusal


def problem(
    status: int, when: str, code: int, message: str, description: str = "", hint: str = ""
) -> Refusal:
    """A Problem as it comes."""
    return Refusal(status, when, body_of(Problem(status, str(code), message, description, hint)))


def invalid(when: str, code: int, message: str, mistake: Diagnostic) -> Refusal:
    """An Invalid with this mistake."""
    return Refusal(400, when, body_of(Invalid((mistake,), code=str(code), title=message)))


def notified(status: int, when: str, error: str) -> Refusal:
    """APK's shape at the notification API."""
    return Refusal(status, when, {"error": error}, "NotificationError")


def too_large(
    most: int, when: str = "the body is too large", hint: str = "Send a smaller body."
) -> Refusal:
    """The answer to a body that is too large."""
    return problem(
        413, when, 900954, "The body is too large", f"At most {most} bytes are read.", hint
    )


def not_json(hint: str) -> Refusal:
    """The answer to the body `x`."""
    when, fault = (
        "the body is no JSON object",
        "unexpected character, expected a JSON value: line 1 column 1 (char 0)",
    )
    return problem(400, when, 900955, "The body is not a JSON object", fault, hint)
