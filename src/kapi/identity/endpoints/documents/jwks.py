"""The public signing keys (RFC 7517 §5), with an entity tag so that a verifier may ask often."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from kapi.identity.protocol.documents import document_answer
from kapi.identity.protocol.http import Answer, Request
from kapi.identity.provider import Provider

methods = ("GET",)
quick = True
PATHS = ("/oauth2/jwks", "/oauth2/keys", "/.well-known/jwks.json")


def paths(provider: Provider) -> tuple[str, ...]:  # noqa: ARG001 - the endpoint contract
    """The usual ones; APK's `/oauth2/keys` was an empty stub."""
    return PATHS


def metadata(provider: Provider) -> Mapping[str, Any]:
    """Where the keys are."""
    return {"jwks_uri": f"{provider.base_url}{PATHS[0]}"}


def answer(provider: Provider, request: Request) -> Answer:
    """The keys, never a private member."""
    return document_answer(provider.keyring.jwks, request)
