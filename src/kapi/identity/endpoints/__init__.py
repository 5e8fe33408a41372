"""The endpoints besides the token endpoint. One endpoint is one file, and one name in the table here.

The documents about them (discovery, OpenAPI) are made with this table. A page for people says `cross_origin = False`: scripts of
other sites may not read it (RFC 9700 §2.6). `front/web/identity/app.py` finds the endpoint by its path, checks method and
sizes, and turns every OAuthError into its JSON.
"""

from __future__ import annotations

from kapi.identity.endpoints import (
    approvals,
    authorize,
    backchannel_authentication,
    callback,
    client_configuration,
    consent,
    device,
    device_authorization,
    end_session,
    health,
    home,
    introspect,
    jwks,
    par,
    register,
    revoke,
    select,
    sign_in,
    sign_in_paths,
    userinfo,
)
from kapi.identity.endpoints.discovery import Discovery
from kapi.identity.endpoints.openapi import OpenapiDocument
from kapi.identity.protocol.endpoint import Endpoint

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
    home,
)
_DISCOVERY = Discovery((*_ENDPOINTS, OpenapiDocument(())))
ENDPOINTS: tuple[Endpoint, ...] = (
    _DISCOVERY,
    *_ENDPOINTS,
    OpenapiDocument((_DISCOVERY, *_ENDPOINTS)),
)
"""All of them; the order has no meaning."""
