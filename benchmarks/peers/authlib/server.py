"""Authlib's authorization server in Flask: client credentials, RS256 JWTs (RFC 9068), one client.

Started by `token_cpu.py` below gunicorn; the id and the secret of the client are in the
environment. It keeps everything in memory.
"""

from __future__ import annotations

import os
from typing import Any

from authlib.integrations.flask_oauth2 import AuthorizationServer
from authlib.jose import JsonWebKey
from authlib.oauth2.rfc6749 import ClientMixin, grants
from authlib.oauth2.rfc9068 import JWTBearerTokenGenerator
from flask import Flask, Response

ISSUER = "https://idp.am.wso2.com"
KEY = JsonWebKey.generate_key(
    "RSA", 2048, {"kid": "1", "alg": "RS256"}, is_private=True
)
CLIENT_ID, SECRET = os.environ["PEER_CLIENT"], os.environ["PEER_SECRET"]


class Client(ClientMixin):
    """The only client."""

    def get_client_id(self) -> str:
        return CLIENT_ID

    def get_allowed_scope(self, scope: str) -> str:
        return scope

    def check_client_secret(self, client_secret: str) -> bool:
        return client_secret == SECRET

    def check_endpoint_auth_method(self, method: str, endpoint: str) -> bool:
        return (method, endpoint) == ("client_secret_basic", "token")

    def check_grant_type(self, grant_type: str) -> bool:
        return grant_type == "client_credentials"


class Tokens(JWTBearerTokenGenerator):
    """Signs with the key."""

    def get_jwks(self) -> Any:
        # The key itself: to read it from a JWK for each token takes 50 ms.
        return KEY

    def get_audiences(self, *_: Any) -> str:
        return ISSUER


ONLY = Client()
app = Flask(__name__)
server = AuthorizationServer(
    app, lambda name: ONLY if name == CLIENT_ID else None, lambda *_: None
)
server.register_token_generator("default", Tokens(ISSUER, alg="RS256"))
server.register_grant(grants.ClientCredentialsGrant)


@app.post("/token")
def token() -> Response:
    """The token endpoint."""
    return server.create_token_response()  # type: ignore[no-any-return]
