"""Liveness of a worker, in APK's words."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from kapi.identity.protocol.http import Answer, Request, json_answer
from kapi.identity.protocol.published import Published
from kapi.identity.provider import Provider

methods = ("GET",)
quick = True


def paths(published: Published) -> tuple[str, ...]:  # noqa: ARG001 - the endpoint contract
    """The path of the endpoint."""
    return ("/health",)


def metadata(published: Published) -> Mapping[str, Any]:  # noqa: ARG001
    """Nothing: the discovery document does not list this endpoint."""
    return {}


def needs(provider: Provider) -> None:
    """None: the answer is the same for all providers."""


def answer(given: None, request: Request) -> Answer:  # noqa: ARG001
    """The answer of a running worker."""
    return json_answer({"health": "Ok"})
