"""Verifiers of vendors from PyPI judge tokens, as `peers/verifiers.mjs` does with those of npm.

The only argument is JSON, {verifier, facts, tokens: {label: token}}. The answer is one line of
JSON, {label: "accepted" or the refusal}. Runs in an environment of its own: `verifiers.lock`.
"""

from __future__ import annotations

import asyncio
import json
import os
import socket
import sys
from collections.abc import Callable, Mapping
from typing import Any

Verify = Callable[[str], Any]
Facts = Mapping[str, str]
VENDOR_PORTS = (443, 9443)


def lead_to_the_test_server(port: int) -> None:
    """Every host name leads to one server of this machine, over TLS, by name."""
    connect = socket.socket.connect
    getaddrinfo = socket.getaddrinfo

    def found(host: Any, wanted: Any, *rest: Any, **more: Any) -> Any:
        more.pop("family", None)
        return getaddrinfo("127.0.0.1", wanted, socket.AF_INET, *rest[1:], **more)

    def connected(self: socket.socket, address: Any) -> None:
        if isinstance(address, tuple) and address[1] in VENDOR_PORTS:
            address = ("127.0.0.1", port)
        connect(self, address)

    socket.getaddrinfo = found
    socket.socket.connect = connected


def auth0(facts: Facts) -> Verify:
    from auth0_api_python import ApiClient, ApiClientOptions

    options = ApiClientOptions(domain=facts["domain"], audience=facts["audience"])
    client = ApiClient(options)
    return lambda token: asyncio.run(client.verify_access_token(token))


def okta(facts: Facts) -> Verify:
    from okta_jwt_verifier import AccessTokenVerifier

    verifier = AccessTokenVerifier(issuer=facts["issuer"], audience=facts["audience"])
    return verifier.verify_sync


def google(facts: Facts) -> Verify:
    from google.auth.transport.requests import Request
    from google.oauth2.id_token import verify_oauth2_token

    request = Request()
    return lambda token: verify_oauth2_token(token, request, facts["client"])


def firebase(facts: Facts) -> Verify:
    import firebase_admin
    from firebase_admin import auth
    from google.auth.credentials import AnonymousCredentials

    class Nobody(firebase_admin.credentials.Base):
        """An app that only verifies has no credentials."""

        def get_credential(self) -> AnonymousCredentials:
            return AnonymousCredentials()

    app = firebase_admin.initialize_app(Nobody(), {"projectId": facts["project"]})
    return lambda token: auth.verify_id_token(token, app)


def clerk(facts: Facts) -> Verify:
    from clerk_backend_api.security import verify_token
    from clerk_backend_api.security.types import VerifyTokenOptions

    options = VerifyTokenOptions(
        secret_key="sk_test_kapi", authorized_parties=[facts["origin"]], audience=None
    )
    return lambda token: verify_token(token, options)


def supabase(facts: Facts) -> Verify:
    from supabase_auth import SyncGoTrueClient

    client = SyncGoTrueClient(url=f"{facts['url']}/auth/v1", auto_refresh_token=False)
    return client.get_claims


def pyjwt(facts: Facts) -> Verify:
    """For vendors without a verifier in Python: what their documents tell an API to check."""
    import jwt

    keys = jwt.PyJWKClient(facts["keys"])
    rules = {
        "issuer": facts["issuer"],
        "audience": facts["audience"],
        "algorithms": ["RS256"],
    }
    return lambda token: jwt.decode(
        token, keys.get_signing_key_from_jwt(token), **rules
    )


VERIFIERS = (auth0, okta, google, firebase, clerk, supabase, pyjwt)


def judged(verify: Verify, token: str) -> str:
    try:
        verify(token)
    except Exception as error:  # whatever a library raises is its refusal
        return f"refused: {type(error).__name__}: {error}"
    return "accepted"


def main() -> None:
    told = json.loads(sys.argv[1])
    lead_to_the_test_server(int(os.environ["VENDOR_PORT"]))
    by_name = {make.__name__: make for make in VERIFIERS}
    verify = by_name[told["verifier"]](told["facts"])
    print(
        json.dumps(
            {label: judged(verify, token) for label, token in told["tokens"].items()}
        )
    )


if __name__ == "__main__":
    main()
