"""Signed authorization requests (JAR, RFC 9101; OpenID Connect Core §6): parameters in a JWT.

Of the parameters outside it, only `client_id` is used (RFC 9101 §5). Unsigned request objects are
refused.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any

from kapi.errors import OAuthError
from kapi.identity.authorization.request import RequestChecks
from kapi.identity.clients.clients import Client
from kapi.identity.protocol.forms import MAY_REPEAT, Form, parameter_text
from kapi.jose.algorithms import ASYMMETRIC
from kapi.jose.jwt import (
    InvalidJwt,
    check_signature,
    check_times,
    numeric_date,
    read_jwt,
)
from kapi.json_reading import is_texts
from kapi.settings.identity.profiles import accepted_algorithms
from kapi.typed import listed

LONGEST_SECONDS = 3600
_TYPES = ("", "jwt", "oauth-authz-req+jwt")
_ABOUT_IT = frozenset({"iss", "aud", "exp", "nbf", "iat", "jti", "sub"})
"""Claims about the object, which are not parameters."""


def parameters_of(checks: RequestChecks, client: Client, text: str, now: int) -> Form:
    """The parameters in a request object. Raises OAuthError invalid_request_object."""
    settings = client.settings
    accepted = accepted_algorithms(
        settings, settings.request_object_signing_alg, ASYMMETRIC
    )
    try:
        jwt = read_jwt(text, algorithms=accepted, types=_TYPES)
        check_signature(
            jwt, checks.registry.keys_of(client, jwt.header.get("kid"), now)
        )
        claims = jwt.claims
        if claims.get("client_id") != client.id:
            raise InvalidJwt("client_id in it must be the one outside (RFC 9101 5.2)")
        if claims.get("iss", client.id) != client.id:
            raise InvalidJwt("iss must be the client id")
        if "aud" in claims and not is_audience(claims["aud"], checks.issuer):
            raise InvalidJwt(f"aud must be the issuer, {checks.issuer}")
        if settings.require_request_object_lifetime:
            _check_lifetime(claims)
        if "exp" in claims or "nbf" in claims:
            check_times({"exp": now + 60, **claims}, now, LONGEST_SECONDS)
        if not {"request", "request_uri"}.isdisjoint(claims):
            raise InvalidJwt("it must not contain request or request_uri")
        return form_of(claims)
    except InvalidJwt as error:
        raise OAuthError(
            "invalid_request_object", f"The request object is refused: {error}"
        ) from error


def _check_lifetime(claims: Mapping[str, Any]) -> None:
    """FAPI 2.0 Message Signing §5.3.1: `aud`, and `exp` at most 60 minutes after `nbf`."""
    begins, ends = numeric_date(claims, "nbf"), numeric_date(claims, "exp")
    if "aud" not in claims or begins is None or ends is None:
        raise InvalidJwt("aud, exp and nbf must be in it: this client needs them")
    if ends - begins > LONGEST_SECONDS:
        raise InvalidJwt(
            f"its exp must be at most {LONGEST_SECONDS} seconds after its nbf"
        )


def is_audience(audience: Any, issuer: str) -> bool:
    """Whether `aud` names the issuer, alone or in a list."""
    return issuer in listed(audience)


def form_of(claims: Mapping[str, Any]) -> Form:
    """The claims that are parameters, as a form has them. Raises InvalidJwt."""
    values: dict[str, str] = {}
    repeated: dict[str, tuple[str, ...]] = {}
    for name, value in claims.items():
        if name in _ABOUT_IT:
            continue
        if name in MAY_REPEAT:
            repeated[name] = _texts(name, value)
            text = "".join(repeated[name][:1])
        else:
            text = parameter_text(name, _text(name, value))
        if text:
            values[name] = text
    return Form(values, repeated)


def _texts(name: str, value: Any) -> tuple[str, ...]:
    """The values of a parameter that may repeat."""
    items = listed(value)
    if not is_texts(items):
        raise InvalidJwt(f"{name} must be text or a list of texts")
    return tuple(items)


def _text(name: str, value: Any) -> str:
    """The value of a parameter, as a form contains it; objects and numbers are JSON."""
    if isinstance(value, bool) or value is None:
        raise InvalidJwt(f"{name} is not a parameter")
    if isinstance(value, str):
        return value
    return json.dumps(value)
