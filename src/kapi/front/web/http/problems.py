"""Errors of the system APIs as HTTP answers: APK's JSON, or RFC 9457 if the caller accepts it."""

from __future__ import annotations

import logging
from dataclasses import asdict
from typing import Any

import orjson
from starlette.requests import Request
from starlette.responses import Response

from kapi import error_codes
from kapi.errors import (
    FULL,
    GatewayRejected,
    GatewayUnavailable,
    Invalid,
    KapiError,
    Problem,
    StorageBusy,
    StorageError,
    StorageFull,
)

REASON = "reason_of_refusal"
"""Attribute of a request: the text of the error that it got, without what the caller sent."""
_LOG = logging.getLogger("kapi.system_api")


def answer(request: Request, error: Exception) -> Response:
    """The response to any error. An unexpected one is logged with its trace, and gives 500."""
    problem = problem_of(error)
    setattr(request.state, REASON, problem.title)
    if problem.status >= 500:
        _LOG.error(
            "%s %s: %s",
            request.method,
            request.url.path,
            problem.title,
            exc_info=None if isinstance(error, KapiError) else error,
        )
    if "application/problem+json" in request.headers.get("accept", ""):
        body: dict[str, Any] = {
            "type": "about:blank",
            "title": problem.title,
            "status": problem.status,
            "detail": problem.detail,
            "instance": request.url.path,
            "code": problem.code,
            "hint": problem.hint,
        }
        if isinstance(problem, Invalid):
            body["errors"] = list(map(asdict, problem.diagnostics))
        media_type = "application/problem+json"
    else:
        body = body_of(problem)
        media_type = "application/json"
    return Response(
        orjson.dumps(body),
        problem.status,
        {"Cache-Control": "no-store", **problem.headers},
        media_type,
    )


def body_of(problem: Problem) -> dict[str, Any]:
    """APK's JSON of a problem, with its hint and the place of every mistake."""
    body: dict[str, Any] = {
        "code": int(problem.code) if problem.code.isdigit() else problem.code,
        "message": problem.title,
        "description": problem.detail or problem.title,
        "moreInfo": problem.more_info,
    }
    if problem.hint:
        body["hint"] = problem.hint
    if isinstance(problem, Invalid):
        body["diagnostics"] = list(map(asdict, problem.diagnostics))
    return body


def problem_of(error: Exception) -> Problem:
    """The problem that an error is for the caller."""
    if isinstance(error, Problem):
        return error
    if isinstance(error, StorageError):
        headers = {}
        if isinstance(error, StorageBusy):
            headers = {"Retry-After": "2"}
        return Problem(
            error.status,
            error.code,
            error.title,
            error.detail,
            error.hint,
            headers=headers,
        )
    if isinstance(error, OSError) and error.errno in FULL:
        return problem_of(StorageFull())
    if isinstance(error, GatewayRejected):
        return Problem(400, error.code, error.title, error.detail, error.hint)
    if isinstance(error, GatewayUnavailable):
        return Problem(
            503,
            error.code,
            error.title,
            error.detail,
            error.hint,
            headers={"Retry-After": "2"},
        )
    return Problem.of(
        error_codes.UNEXPECTED,
        detail="The request could not be processed; the log of the control process says why.",
    )
