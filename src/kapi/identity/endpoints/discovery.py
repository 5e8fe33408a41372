"""Authorization server metadata (RFC 8414, OpenID Connect Discovery 1.0), derived from what is registered, so it cannot lie."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any
from urllib.parse import urlsplit

import orjson

from kapi.identity.client_authentication import METHODS
from kapi.identity.protocol.documents import document_answer
from kapi.identity.protocol.http import Answer, Request
from kapi.identity.protocol.scopes import DEFAULT_SCOPE
from kapi.identity.protocol.token_endpoint import PATHS as TOKEN_PATHS
from kapi.identity.provider import Provider
from kapi.jose.foreign_jwt import ASYMMETRIC, SYMMETRIC

methods = ("GET",)
quick = True
_RFC8414 = "/.well-known/oauth-authorization-server"
_OPENID = "/.well-known/openid-configuration"


def paths(provider: Provider) -> tuple[str, ...]:
    """At the root, with the issuer's path inserted (RFC 8414 §3.1), and appended (OIDC Discovery §4)."""
    path = urlsplit(provider.settings.identity.issuer).path.rstrip("/")
    return tuple(
        dict.fromkeys(
            (_RFC8414, _OPENID, f"{_RFC8414}{path}", f"{_OPENID}{path}", f"{path}{_OPENID}")
        )
    )


def metadata(provider: Provider) -> Mapping[str, Any]:
    """What is true of the provider as a whole; `issuer` is the setting, byte for byte."""
    return {
        "issuer": provider.settings.identity.issuer,
        "token_endpoint": f"{provider.base_url}{TOKEN_PATHS[0]}",
        "scopes_supported": [DEFAULT_SCOPE],
        "response_types_supported": [],
        "grant_types_supported": grant_types(provider),
        "token_endpoint_auth_methods_supported": methods_supported(provider),
        "token_endpoint_auth_signing_alg_values_supported": [*ASYMMETRIC, *SYMMETRIC],
        "dpop_signing_alg_values_supported": list(ASYMMETRIC),
        "tls_client_certificate_bound_access_tokens": True,
        **(
            {"client_id_metadata_document_supported": True}
            if provider.settings.identity.client_id_metadata_documents
            else {}
        ),
        "subject_types_supported": ["public"],
        "id_token_signing_alg_values_supported": list(provider.keyring.algorithms),
        "claims_supported": ["iss", "sub", "exp", "nbf", "iat", "jti", "clientId", "scope"],
    }


def grant_types(provider: Provider) -> list[str]:
    """The grants of the token endpoint, and `implicit` where the authorization endpoint issues tokens."""
    from kapi.identity.grants import offered

    identity = provider.settings.identity
    made = [grant.grant_type for grant in offered(identity)]
    return [*made, "implicit"] if identity.front_channel_tokens else made


def methods_supported(provider: Provider) -> list[str]:
    """Methods of client authentication that can succeed: without authorities nobody can vouch for a certificate."""
    without = () if provider.settings.identity.client_ca_file else ("tls_client_auth",)
    return [name for name in METHODS if name not in without]


def answer(provider: Provider, request: Request) -> Answer:
    """The document: the members of every endpoint."""
    from kapi.identity.endpoints import ENDPOINTS

    members: dict[str, Any] = {}
    for endpoint in ENDPOINTS:
        members |= endpoint.metadata(provider)
    return document_answer(orjson.dumps(members), request)
