"""The public signing keys (RFC 7517 §5), with an entity tag for frequent requests."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from kapi.identity.keys.keyring import Keyring
from kapi.identity.protocol.documents import document_answer
from kapi.identity.protocol.http import Answer, Request
from kapi.identity.protocol.published import Published
from kapi.identity.provider import Provider

methods = ("GET",)
quick = True
PATHS = ("/oauth2/jwks", "/oauth2/keys", "/.well-known/jwks.json")


def paths(published: Published) -> tuple[str, ...]:  # noqa: ARG001 - the endpoint contract
    """The usual paths, and APK's `/oauth2/keys`."""
    return PATHS


def metadata(published: Published) -> Mapping[str, Any]:
    """The address of the keys."""
    return {"jwks_uri": f"{published.base_url}{PATHS[0]}"}


def needs(provider: Provider) -> Keyring:
    """The signing keys."""
    return provider.keyring


def answer(keyring: Keyring, request: Request) -> Answer:
    """Answer with the public keys (RFC 7517)."""
    return document_answer(keyring.jwks, request)
