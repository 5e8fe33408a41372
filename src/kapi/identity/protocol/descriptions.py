"""What requests to the identity provider hold and which answers come: one row for each endpoint and method (`openapi.py`).

A test compares it with what is registered, and another sends what it allows.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from kapi.openapi import FORM, HTML, JSON, Row

_PAGE = {200: HTML, 303: ""}
_CLIENT = {
    "client_id": "unless HTTP Basic or an assertion says it",
    "client_secret": "with client_secret_post",
    "client_assertion_type": "with a signed assertion",
    "client_assertion": "a JWT of the client",
}
_AUTHORIZATION = {
    "response_type!": "code",
    "client_id!": "the client",
    "redirect_uri": "one of the client's",
    "scope": "what is asked for; openid for an ID token",
    "state": "comes back as it is",
    "code_challenge": "PKCE (RFC 7636)",
    "code_challenge_method": "S256",
    "nonce": "goes into the ID token",
    "prompt": "none, login, consent, select_account",
    "max_age": "seconds since sign-in",
    "login_hint": "a user name",
    "response_mode": "query, fragment, form_post, or a JWT form of them",
    "request_uri": "of a pushed request",
    "request": "a signed request",
}
_REGISTRATION = {
    "client_name": "a name for people",
    "grant_types": "a list of grants",
    "redirect_uris": "a list of addresses",
    "token_endpoint_auth_method": "how it proves who it is",
    "scope": "what it may ask for",
    "jwks": "its public keys",
    "jwks_uri": "where they are",
}
_LOGOUT = {
    "id_token_hint": "an ID token",
    "client_id": "the client",
    "post_logout_redirect_uri": "one of the client's",
    "state": "comes back",
}
_DOCUMENT = {200: JSON, 304: ""}

TOKEN = Row(
    {
        "grant_type!": "the grant; the discovery document lists them",
        "scope": "what the token shall be good for",
        "code": "of an authorization",
        "redirect_uri": "as at the authorization endpoint",
        "code_verifier": "PKCE (RFC 7636)",
        "refresh_token": "to use",
        "device_code": "RFC 8628",
        "auth_req_id": "CIBA",
        "assertion": "RFC 7523",
        "subject_token": "RFC 8693",
        "subject_token_type": "RFC 8693",
        "audience": "RFC 8693",
        "resource": "RFC 8707",
        **_CLIENT,
    },
    FORM,
    summary="The token endpoint (RFC 6749 §3.2): a grant becomes tokens",
    schema="TokenAnswer",
    security="client",
    refuses=(
        "unsupported_grant_type",
        "unauthorized_client",
        "invalid_grant",
        "invalid_scope",
        "invalid_target",
        "invalid_authorization_details",
        "invalid_dpop_proof",
        "use_dpop_nonce",
        "authorization_pending",
        "slow_down",
        "expired_token",
        "access_denied",
        "too_many_proofs",
    ),
)
_TOKEN_REFUSED = ("no_token", "invalid_token", "not_a_person", "insufficient_scope")
_METADATA_REFUSED = ("invalid_client_metadata", "invalid_redirect_uri")
ROWS: Mapping[str, Mapping[str, Row]] = {
    "discovery": {
        "GET": Row(
            answers=_DOCUMENT,
            summary="What the provider can do and where (RFC 8414, OpenID Connect Discovery 1.0)",
        )
    },
    "jwks": {
        "GET": Row(
            answers=_DOCUMENT,
            schema="JwkSet",
            summary="The public keys that tokens are signed with (RFC 7517)",
        )
    },
    "openapi": {"GET": Row(answers=_DOCUMENT, summary="This document")},
    "health": {"GET": Row()},
    "authorize": {
        "GET": Row(_AUTHORIZATION, answers=_PAGE),
        "POST": Row(_AUTHORIZATION, FORM, _PAGE),
    },
    "sign_in": {
        "GET": Row({"stateKey!": "the waiting request"}, answers=_PAGE),
        "POST": Row(
            {
                "sessionKey!": "the waiting request",
                "username": "",
                "password": "",
                "organization": "",
            },
            FORM,
            _PAGE,
        ),
    },
    "select": {
        "GET": Row({"stateKey!": "the waiting request"}, answers=_PAGE),
        "POST": Row({"sessionKey!": "the same"}, FORM, _PAGE),
    },
    "consent": {
        "GET": Row({"stateKey!": "the waiting request"}, answers=_PAGE),
        "POST": Row({"sessionKey!": "the same"}, FORM, _PAGE),
    },
    "callback": {"GET": Row({"sessionKey!": "the waiting request"}, answers=_PAGE)},
    "par": {
        "POST": Row(
            {**_AUTHORIZATION, **_CLIENT},
            FORM,
            {201: JSON},
            schema="PushedAnswer",
            security="client",
            refuses=(
                "unsupported_response_type",
                "invalid_request_object",
                "invalid_scope",
                "invalid_target",
                "invalid_authorization_details",
                "use_dpop_nonce",
                "too_many_proofs",
                "too_many_waiting",
            ),
        )
    },
    "introspect": {
        "POST": Row(
            {"token!": "the token", "token_type_hint": "", **_CLIENT},
            FORM,
            schema="Introspection",
            also="application/token-introspection+jwt",
            security="client",
        )
    },
    "revoke": {
        "POST": Row(
            {"token!": "the token", "token_type_hint": "", **_CLIENT},
            FORM,
            {200: ""},
            security="client",
            refuses=("not_yours",),
        )
    },
    "register": {
        "POST": Row(
            _REGISTRATION,
            JSON,
            {201: JSON},
            summary="Register a client (RFC 7591); its secrets are shown this once",
            schema="RegisteredClient",
            security="bearer",
            refuses=(
                *_METADATA_REFUSED,
                "no_registration_token",
                "invalid_token",
                "registration_scope",
            ),
        )
    },
    "client_configuration": {
        "GET": Row(
            summary="A client reads itself (RFC 7592)",
            schema="RegisteredClient",
            security="bearer",
            refuses=("wrong_registration_token",),
        ),
        "PUT": Row(
            _REGISTRATION,
            JSON,
            summary="A client replaces what it said of itself (RFC 7592)",
            schema="RegisteredClient",
            security="bearer",
            refuses=(*_METADATA_REFUSED, "wrong_registration_token"),
        ),
        "DELETE": Row(
            summary="A client removes itself (RFC 7592)",
            answers={204: ""},
            security="bearer",
            refuses=("wrong_registration_token",),
        ),
    },
    "userinfo": {
        "GET": Row(
            schema="UserInfo", also="application/jwt", security="bearer", refuses=_TOKEN_REFUSED
        ),
        "POST": Row(
            {"access_token": "the token"},
            FORM,
            schema="UserInfo",
            also="application/jwt",
            security="bearer",
            refuses=_TOKEN_REFUSED,
        ),
    },
    "end_session": {"GET": Row(_LOGOUT, answers=_PAGE), "POST": Row(_LOGOUT, FORM, _PAGE)},
    "device_authorization": {
        "POST": Row(
            {"scope": "what is asked for", **_CLIENT},
            FORM,
            schema="DeviceAnswer",
            security="client",
            refuses=("unauthorized_device", "invalid_scope", "too_many_waiting"),
        )
    },
    "device": {
        "GET": Row({"user_code": "the code"}, answers=_PAGE),
        "POST": Row({"user_code": "the code", "decision": ""}, FORM, _PAGE),
    },
    "backchannel_authentication": {
        "POST": Row(
            {
                "scope!": "with openid",
                "login_hint": "a user name",
                "id_token_hint": "",
                "binding_message": "",
                "requested_expiry": "seconds",
                **_CLIENT,
            },
            FORM,
            schema="BackchannelAnswer",
            security="client",
            refuses=(
                "unauthorized_ciba",
                "invalid_scope",
                "unknown_user_id",
                "invalid_binding_message",
                "too_many_waiting",
            ),
        )
    },
    "approvals": {
        "GET": Row(answers=_PAGE),
        "POST": Row({"request": "the request", "decision": "allow or deny"}, FORM, _PAGE),
    },
}
"""By the name of the endpoint's module."""
TAGS: Mapping[str, str] = {
    "discovery": "Documents",
    "jwks": "Documents",
    "openapi": "Documents",
    "health": "Documents",
    "authorize": "Signing in",
    "sign_in": "Signing in",
    "select": "Signing in",
    "consent": "Signing in",
    "callback": "Signing in",
    "end_session": "Signing in",
    "device": "Signing in",
    "approvals": "Signing in",
    "register": "Clients",
    "client_configuration": "Clients",
}
"""Groups for readers, by the name of the endpoint's module; the others are of tokens."""
NOT_DESCRIBED = frozenset({"sign_in_paths", "home"})
"""Addresses that belong to pages: their style sheet, what stands for a wrong address, what the host is for."""

_TEXT = {"type": "string"}
SCHEMAS: Mapping[str, Any] = {
    "OAuthError": {
        "type": "object",
        "required": ["error"],
        "properties": {
            "error": _TEXT,
            "error_description": _TEXT,
            "code": {"type": "integer", "description": "APK's number"},
        },
        "description": "RFC 6749 5.2",
    },
    "TokenAnswer": {
        "type": "object",
        "required": ["access_token", "token_type", "expires_in", "scope"],
        "properties": {
            "access_token": _TEXT,
            "token_type": {"enum": ["Bearer", "DPoP", "N_A"]},
            "expires_in": {"type": "integer"},
            "scope": _TEXT,
            "refresh_token": _TEXT,
            "id_token": _TEXT,
            "issued_token_type": _TEXT,
        },
    },
    "JwkSet": {
        "type": "object",
        "required": ["keys"],
        "properties": {"keys": {"type": "array", "items": {"type": "object"}}},
    },
    "Introspection": {
        "type": "object",
        "required": ["active"],
        "properties": {"active": {"type": "boolean"}},
    },
    "PushedAnswer": {
        "type": "object",
        "required": ["request_uri", "expires_in"],
        "properties": {"request_uri": _TEXT, "expires_in": {"type": "integer"}},
        "description": "RFC 9126 2.2",
    },
    "BackchannelAnswer": {
        "type": "object",
        "required": ["auth_req_id", "expires_in", "interval"],
        "properties": {
            "auth_req_id": _TEXT,
            "expires_in": {"type": "integer"},
            "interval": {"type": "integer"},
        },
        "description": "CIBA 7.3",
    },
    "RegisteredClient": {
        "type": "object",
        "required": ["client_id", "registration_client_uri"],
        "properties": {
            "client_id": _TEXT,
            "client_secret": _TEXT,
            "client_secret_expires_at": {"type": "integer"},
            "registration_access_token": _TEXT,
            "registration_client_uri": _TEXT,
        },
        "description": "RFC 7591 3.2.1: the client's metadata, and its secrets when they are new",
    },
    "UserInfo": {
        "type": "object",
        "required": ["sub"],
        "properties": {"sub": _TEXT},
        "description": "OpenID Connect Core 5.3.2",
    },
    "DeviceAnswer": {
        "type": "object",
        "required": ["device_code", "user_code", "verification_uri", "expires_in"],
        "properties": {
            "device_code": _TEXT,
            "user_code": _TEXT,
            "verification_uri": _TEXT,
            "expires_in": {"type": "integer"},
        },
    },
}
