"""Authorization server metadata (RFC 8414, OpenID Connect Discovery 1.0) of all endpoints."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any
from urllib.parse import urlsplit

import orjson

from kapi.identity.client_authentication import methods_supported
from kapi.identity.endpoints.endpoint import Endpoint
from kapi.identity.grants import grant_types
from kapi.identity.protocol.documents import document_answer
from kapi.identity.protocol.http import Answer, Request
from kapi.identity.protocol.published import Published
from kapi.identity.protocol.scopes import DEFAULT_SCOPE
from kapi.identity.provider import Provider
from kapi.identity.token_endpoint import PATHS as TOKEN_PATHS
from kapi.jose.algorithms import ASYMMETRIC, SYMMETRIC

_RFC8414 = "/.well-known/oauth-authorization-server"
_OPENID = "/.well-known/openid-configuration"


class Discovery:
    """The endpoint of the document, made with the endpoints that it describes."""

    methods = ("GET",)
    quick = True

    def __init__(self, endpoints: Sequence[Endpoint]) -> None:
        self.__name__, self.__doc__ = __name__, __doc__
        self._endpoints = endpoints

    def paths(self, published: Published) -> tuple[str, ...]:
        """With the issuer's path inserted (RFC 8414 §3.1) and appended (OIDC Discovery §4)."""
        path = urlsplit(published.issuer).path.rstrip("/")
        placed = (
            _RFC8414,
            _OPENID,
            f"{_RFC8414}{path}",
            f"{_OPENID}{path}",
            f"{path}{_OPENID}",
        )
        return tuple(dict.fromkeys(placed))

    def metadata(self, published: Published) -> Mapping[str, Any]:
        """The members about the provider as a whole; `issuer` is that of the host."""
        identity = published.identity
        members: dict[str, Any] = {
            "issuer": published.issuer,
            "token_endpoint": f"{published.base_url}{TOKEN_PATHS[0]}",
            "scopes_supported": [DEFAULT_SCOPE],
            "response_types_supported": [],
            "grant_types_supported": grant_types(identity),
            "token_endpoint_auth_methods_supported": methods_supported(identity),
            "token_endpoint_auth_signing_alg_values_supported": [
                *ASYMMETRIC,
                *SYMMETRIC,
            ],
            "dpop_signing_alg_values_supported": list(ASYMMETRIC),
            "tls_client_certificate_bound_access_tokens": True,
        }
        if identity.client_id_metadata_documents:
            members["client_id_metadata_document_supported"] = True
        return members | {
            "subject_types_supported": ["public"],
            "id_token_signing_alg_values_supported": list(published.algorithms),
            "claims_supported": [
                "iss",
                "sub",
                "exp",
                "nbf",
                "iat",
                "jti",
                "clientId",
                "scope",
            ],
        }

    def needs(self, provider: Provider) -> Published:
        """What the documents are made from."""
        return provider.published

    def answer(self, published: Published, request: Request) -> Answer:
        """The document: the members of every endpoint."""
        members = dict(self.metadata(published))
        for endpoint in self._endpoints:
            members |= endpoint.metadata(published)
        return document_answer(orjson.dumps(members), request)
