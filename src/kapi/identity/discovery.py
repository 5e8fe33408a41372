"""Authorization server metadata (RFC 8414, OpenID Connect Discovery 1.0), derived from what is registered, so it cannot lie."""

from __future__ import annotations

from collections.abc import Sequence
from urllib.parse import urlsplit

import orjson

from kapi.identity.client_authentication import METHODS
from kapi.identity.grants import Grant
from kapi.identity.keys import ALGORITHMS
from kapi.identity.scopes import DEFAULT_SCOPE
from kapi.settings import Settings

JWKS_PATHS = ("/oauth2/jwks", "/oauth2/keys", "/.well-known/jwks.json")
TOKEN_PATHS = ("/oauth2/token", "/oauth2/1.0.0/token", "/oauth2/1.1.0/token", "/oauth2/1.2.0/token")
_RFC8414 = "/.well-known/oauth-authorization-server"
_OPENID = "/.well-known/openid-configuration"


def metadata(settings: Settings, grants: Sequence[Grant]) -> bytes:
    """The document. `issuer` is the setting, byte for byte."""
    port = "" if settings.gateway.port == 443 else f":{settings.gateway.port}"
    base = f"https://{settings.identity.host}{port}"
    return orjson.dumps({
        "issuer": settings.identity.issuer,
        "token_endpoint": f"{base}{TOKEN_PATHS[0]}",
        "jwks_uri": f"{base}{JWKS_PATHS[0]}",
        "scopes_supported": [DEFAULT_SCOPE],
        "response_types_supported": [],
        "grant_types_supported": [grant.grant_type for grant in grants],
        "token_endpoint_auth_methods_supported": list(METHODS),
        "subject_types_supported": ["public"],
        "id_token_signing_alg_values_supported": list(ALGORITHMS),
        "claims_supported": ["iss", "sub", "exp", "nbf", "iat", "jti", "clientId", "scope"],
    })  # fmt: skip


def metadata_paths(issuer: str) -> tuple[str, ...]:
    """Where the document answers: at the root, with the issuer's path inserted (RFC 8414 §3.1), and appended (OIDC Discovery §4)."""
    path = urlsplit(issuer).path.rstrip("/")
    return tuple(dict.fromkeys((_RFC8414, _OPENID, f"{_RFC8414}{path}", f"{_OPENID}{path}", f"{path}{_OPENID}")))
