"""The endpoints besides the token endpoint. An endpoint is one file, and one name in the table.

Discovery and the OpenAPI document are made from this table. An endpoint for browsers has
`cross_origin = False`: scripts of other sites may not read it (RFC 9700 §2.6).
`front/web/identity/app.py` finds the endpoint by its path, checks method and sizes, and answers
every OAuthError with its JSON.
"""

from __future__ import annotations

from kapi.identity.endpoints.browser import (
    account,
    approvals,
    authorize,
    callback,
    consent,
    device,
    end_session,
    home,
    select,
    sign_in,
    sign_in_paths,
)
from kapi.identity.endpoints.clients import (
    backchannel_authentication,
    device_authorization,
    introspect,
    par,
    revoke,
    userinfo,
)
from kapi.identity.endpoints.documents import health, jwks
from kapi.identity.endpoints.documents.discovery import Discovery
from kapi.identity.endpoints.documents.openapi import OpenapiDocument
from kapi.identity.endpoints.endpoint import Endpoint
from kapi.identity.endpoints.registration import client_configuration, register

__all__ = ["ENDPOINTS", "Endpoint"]

_ENDPOINTS: tuple[Endpoint, ...] = (
    jwks,
    health,
    authorize,
    sign_in,
    select,
    consent,
    callback,
    sign_in_paths,
    par,
    introspect,
    revoke,
    register,
    client_configuration,
    userinfo,
    end_session,
    device_authorization,
    device,
    backchannel_authentication,
    approvals,
    account,
    home,
)
_DISCOVERY = Discovery((*_ENDPOINTS, OpenapiDocument(())))
ENDPOINTS: tuple[Endpoint, ...] = (
    _DISCOVERY,
    *_ENDPOINTS,
    OpenapiDocument((_DISCOVERY, *_ENDPOINTS)),
)
"""All of them; the order has no meaning."""
