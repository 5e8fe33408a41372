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
    schema="TokenAnswer",
    security="client",
)
ROWS: Mapping[str, Mapping[str, Row]] = {
    "discovery": {"GET": Row(answers=_DOCUMENT)},
    "jwks": {"GET": Row(answers=_DOCUMENT, schema="JwkSet")},
    "openapi": {"GET": Row(answers=_DOCUMENT)},
    "health": {"GET": Row()},
    "authorize": {"GET": Row(_AUTHORIZATION, answers=_PAGE), "POST": Row(_AUTHORIZATION, FORM, _PAGE)},
    "sign_in": {
        "GET": Row({"stateKey!": "the waiting request"}, answers=_PAGE),
        "POST": Row({"sessionKey!": "the waiting request", "username": "", "password": "", "organization": ""}, FORM, _PAGE),
    },
    "select": {"GET": Row({"stateKey!": "the waiting request"}, answers=_PAGE), "POST": Row({"sessionKey!": "the same"}, FORM, _PAGE)},
    "consent": {"GET": Row({"stateKey!": "the waiting request"}, answers=_PAGE), "POST": Row({"sessionKey!": "the same"}, FORM, _PAGE)},
    "callback": {"GET": Row({"sessionKey!": "the waiting request"}, answers=_PAGE)},
    "par": {"POST": Row({**_AUTHORIZATION, **_CLIENT}, FORM, {201: JSON}, security="client")},
    "introspect": {"POST": Row({"token!": "the token", "token_type_hint": "", **_CLIENT}, FORM, schema="Introspection", security="client")},
    "revoke": {"POST": Row({"token!": "the token", "token_type_hint": "", **_CLIENT}, FORM, {200: ""}, security="client")},
    "register": {"POST": Row(_REGISTRATION, JSON, {201: JSON}, security="bearer")},
    "client_configuration": {
        "GET": Row(security="bearer"),
        "PUT": Row(_REGISTRATION, JSON, security="bearer"),
        "DELETE": Row(answers={204: ""}, security="bearer"),
    },
    "userinfo": {"GET": Row(security="bearer"), "POST": Row({"access_token": "the token"}, FORM, security="bearer")},
    "end_session": {"GET": Row(_LOGOUT, answers=_PAGE), "POST": Row(_LOGOUT, FORM, _PAGE)},
    "device_authorization": {"POST": Row({"scope": "what is asked for", **_CLIENT}, FORM, schema="DeviceAnswer", security="client")},
    "device": {"GET": Row({"user_code": "the code"}, answers=_PAGE), "POST": Row({"user_code": "the code", "decision": ""}, FORM, _PAGE)},
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
            security="client",
        )
    },
    "approvals": {"GET": Row(answers=_PAGE), "POST": Row({"request": "the request", "decision": "allow or deny"}, FORM, _PAGE)},
}
"""By the name of the endpoint's module."""
NOT_DESCRIBED = frozenset({"sign_in_paths"})
"""Addresses that belong to pages: their style sheet, what stands for a wrong address."""

_TEXT = {"type": "string"}
SCHEMAS: Mapping[str, Any] = {
    "OAuthError": {
        "type": "object",
        "required": ["error"],
        "properties": {"error": _TEXT, "error_description": _TEXT},
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
    "JwkSet": {"type": "object", "required": ["keys"], "properties": {"keys": {"type": "array", "items": {"type": "object"}}}},
    "Introspection": {"type": "object", "required": ["active"], "properties": {"active": {"type": "boolean"}}},
    "DeviceAnswer": {
        "type": "object",
        "required": ["device_code", "user_code", "verification_uri", "expires_in"],
        "properties": {"device_code": _TEXT, "user_code": _TEXT, "verification_uri": _TEXT, "expires_in": {"type": "integer"}},
    },
}
