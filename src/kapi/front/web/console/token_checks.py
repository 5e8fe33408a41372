"""The checks of a token by its trusted issuer, for the pages that show them."""

from __future__ import annotations

import time
from collections.abc import Iterable

from kapi.identity.issuers.trials.token import Step, token_steps
from kapi.identity.issuers.verify import IssuerKeys
from kapi.jose.jwt import InvalidJwt, parse_jwt


def checks_of(text: str, issuers: Iterable[IssuerKeys]) -> list[Step]:
    """Each check; one that failed if the text is not a JWT, or no issuer has its `iss`."""
    try:
        named = parse_jwt(text).claims.get("iss")
    except InvalidJwt:
        hint = "Opaque tokens are read by introspection only."
        return [Step("token", "fail", "this is not a JWT", hint)]
    for known in issuers:
        if known.issuer.is_named(named):
            return token_steps(text, known.issuer, known.keys, int(time.time()))
    return [Step("issuer", "fail", "no trusted issuer has the iss of the token")]
