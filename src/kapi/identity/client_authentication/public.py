"""`none`: the id of a public client, without a proof (RFC 6749 §2.1, RFC 7591 §2)."""

from __future__ import annotations

from kapi.identity.client_authentication.attempt import Attempt
from kapi.identity.client_authentication.method import ClientAuthentication, Method
from kapi.identity.clients.clients import Client


def _has_no_secret(
    authentication: ClientAuthentication,  # noqa: ARG001 - the shape of a proof
    client: Client,
    attempt: Attempt,  # noqa: ARG001
    now: int,  # noqa: ARG001
) -> bool:
    return not client.digest


NONE = Method(
    name="none",
    proves=_has_no_secret,
    uses_secret=False,
    needs_keys=False,
    registrable=True,
    document_clients=True,
    fapi=False,
)
