"""Requests for tokens: client credentials, refresh, device code (RFC 6749, RFC 8628). No I/O."""

from __future__ import annotations

from base64 import b64encode
from collections.abc import Mapping
from typing import Final
from urllib.parse import quote_plus

from kapi.errors import Problem
from kapi.front.cli.server.base import Answer

DEVICE_CODE: Final = "urn:ietf:params:oauth:grant-type:device_code"
_FORM: Final = {"Content-Type": "application/x-www-form-urlencoded"}
Sent = tuple[dict[str, str], dict[str, str]]
"""The fields of a form, and headers."""


def client_credentials(
    client_id: str, secret: str, scopes: tuple[str, ...], *, in_body: bool = False
) -> Sent:
    """A request by the client credentials grant (RFC 6749 §4.4.2, §2.3.1)."""
    fields = {"grant_type": "client_credentials"}
    if scopes:
        fields["scope"] = " ".join(scopes)
    return authenticated(fields, client_id, secret, in_body=in_body)


def authenticated(
    fields: Mapping[str, str], client_id: str, secret: str, *, in_body: bool = False
) -> Sent:
    """The fields, with the client that sends them. A public client has no secret."""
    if not secret:
        return {**fields, "client_id": client_id}, dict(_FORM)
    if in_body:
        return {**fields, "client_id": client_id, "client_secret": secret}, dict(_FORM)
    credentials = f"{quote_plus(client_id)}:{quote_plus(secret)}"
    basic = f"Basic {b64encode(credentials.encode()).decode()}"
    return dict(fields), {**_FORM, "Authorization": basic}


def refused(answer: Answer, what: str, hint: str) -> Problem:
    """The refusal of a provider (RFC 6749 §5.2). `what` it refused, and what to do next."""
    value = answer.members
    return Problem(
        401,
        str(value.get("error", "error")),
        f"{what}: {value.get('error', answer.status)}",
        str(value.get("error_description", "")),
        hint,
    )
