"""What the system APIs take, and how they answer: one row for each operation. `openapi_api.py` makes the document of them."""

from __future__ import annotations

from collections.abc import Iterator, Mapping

from kapi.front.web.openapi.refusals import REFUSALS
from kapi.openapi import HTML, JSON, MULTIPART, TEXT, YAML, Refusal, Row

_NOTHING = {204: ""}
_MADE = {201: JSON}
_THIS = "This document"
_LONG_WORK = ("too_many", "too_busy")
_FORM_REFUSED = (*_LONG_WORK, "too_much_work", "no_form", "part_twice", "form_too_large")
_ISSUER_BODY = (
    "issuer_body",
    "invalid_issuer",
    "issuer_exists",
    "issuer_too_large",
    "other_organization",
    "not_confirmed",
)
_APPLICATION_BODY = ("application_body", "body_too_large")
ROWS: Mapping[tuple[str, str], Row] = {
    ("GET", "/openapi.json"): Row(summary=_THIS),
    ("GET", "/openapi.yaml"): Row(answers={200: YAML}, summary=_THIS),
    ("GET", "/openapi.html"): Row(answers={200: HTML}, summary=_THIS),
    ("GET", "/health"): Row(),
    ("GET", "/ready"): Row(answers={200: JSON, 503: JSON}),
    ("POST", "/api/configurator/apis/generate-configuration"): Row(
        {"definition": "a file", "url": "or its address", "apiType": "REST, GRAPHQL, GRPC"},
        MULTIPART,
        {200: YAML},
        refuses=("one_of_two", "invalid_definition", "invalid_url", *_FORM_REFUSED),
    ),
    ("POST", "/api/deployer/apis/deploy"): Row(
        {"apkConfiguration!": "the apk-conf", "definitionFile!": "its definition"},
        MULTIPART,
        {200: YAML},
        security="bearer",
        refuses=(
            "invalid_conf",
            "base_path_taken",
            "envoy_refused",
            "part_missing",
            "not_confirmed",
            *_FORM_REFUSED,
        ),
    ),
    ("POST", "/api/deployer/apis/undeploy"): Row(
        {"apiId!": "which"},
        answers={202: TEXT},
        security="bearer",
        refuses=("no_api_id", "no_api", "not_confirmed", *_LONG_WORK),
    ),
    ("POST", "/api/configurator/apis/generate-k8s-resources"): Row(
        {}, MULTIPART, {}, refuses=("not_there_yet",)
    ),
    ("GET", "/api/deployer/apis"): Row(security="bearer"),
    ("POST", "/api/notification/notify"): Row(
        {"type!": "TOKEN_REVOCATION"},
        security="stsAuthKey",
        refuses=(
            "notification_key",
            "notification_type",
            "notification_body",
            "notification_token",
            "body_too_large",
        ),
    ),
    ("GET", "/api/secrets"): Row(security="bearer"),
    ("PUT", "/api/secrets/{name}/{key}"): Row(
        {},
        TEXT,
        _NOTHING,
        security="bearer",
        refuses=(
            "secret_name",
            "secret_value",
            "secret_fixed",
            "body_too_large",
            "envoy_refused",
            "not_confirmed",
        ),
    ),
    ("DELETE", "/api/secrets/{name}/{key}"): Row(
        answers=_NOTHING,
        security="bearer",
        refuses=("secret_name", "no_secret", "secret_fixed", "not_confirmed"),
    ),
    ("GET", "/api/issuers"): Row(security="bearer"),
    ("POST", "/api/issuers"): Row(
        {"name!": "a name", "issuer": "its `iss`", "preset": "a preset"},
        JSON,
        _MADE,
        security="bearer",
        refuses=_ISSUER_BODY,
    ),
    ("GET", "/api/issuers/{name}"): Row(security="bearer", refuses=("no_issuer",)),
    ("PUT", "/api/issuers/{name}"): Row(
        {"issuer": "its `iss`", "preset": "a preset"},
        JSON,
        security="bearer",
        refuses=(*_ISSUER_BODY, "no_issuer"),
    ),
    ("DELETE", "/api/issuers/{name}"): Row(
        answers=_NOTHING, security="bearer", refuses=("no_issuer", "issuer_exists", "not_confirmed")
    ),
    ("POST", "/api/issuers/{name}/test"): Row(
        {"token": "a token of it"},
        JSON,
        security="bearer",
        refuses=(
            "no_issuer",
            "issuer_body",
            "issuer_test_body",
            "issuer_too_large",
            "no_method",
            *_LONG_WORK,
        ),
    ),
    ("GET", "/api/metrics"): Row(answers={200: TEXT}, security="bearer"),
    ("GET", "/api/users"): Row(security="bearer"),
    ("POST", "/api/users"): Row(
        {
            "username!": "a name",
            "password!": "8 to 1024 characters",
            "organizations": "a list",
            "groups": "a list",
        },
        JSON,
        _MADE,
        security="bearer",
        refuses=("user_body", "invalid_user", "user_exists", "body_too_large"),
    ),
    ("GET", "/api/users/{username}"): Row(security="bearer", refuses=("no_user",)),
    ("DELETE", "/api/users/{username}"): Row(
        answers=_NOTHING, security="bearer", refuses=("no_user", "user_of_settings")
    ),
    ("PUT", "/api/users/{username}/password"): Row(
        {"password!": "the new one"},
        JSON,
        _NOTHING,
        security="bearer",
        refuses=(
            "user_body",
            "invalid_user",
            "no_user",
            "no_method",
            "user_of_settings",
            "body_too_large",
        ),
    ),
    ("PUT", "/api/users/{username}/disabled"): Row(
        {"disabled!": "true or false"},
        JSON,
        _NOTHING,
        security="bearer",
        refuses=(
            "user_body",
            "invalid_user",
            "no_user",
            "no_method",
            "user_of_settings",
            "body_too_large",
        ),
    ),
    ("GET", "/api/keys"): Row(security="bearer"),
    ("POST", "/api/keys"): Row(
        {"algorithm": "RS256, …"},
        JSON,
        _MADE,
        security="bearer",
        refuses=("key_body", "key_members", "body_too_large", "no_algorithm", "too_many_keys"),
    ),
    ("POST", "/api/keys/rotate"): Row(
        {"algorithm": "RS256, …", "now": "true or false", "emergency": "true or false"},
        JSON,
        _MADE,
        security="bearer",
        refuses=("key_body", "key_members", "body_too_large", "no_algorithm", "too_many_keys"),
    ),
    ("POST", "/api/keys/{kid}/activate"): Row(
        security="bearer", refuses=("no_key", "no_method", "key_not_published")
    ),
    ("DELETE", "/api/keys/{kid}"): Row(
        answers=_NOTHING, security="bearer", refuses=("no_key", "key_active")
    ),
    ("GET", "/api/clients"): Row(security="bearer"),
    ("POST", "/api/clients"): Row(
        {"client_name": "a name", "grant_types": "a list", "redirect_uris": "a list"},
        JSON,
        _MADE,
        security="bearer",
        refuses=("client_body", "invalid_client", "body_too_large"),
    ),
    ("GET", "/api/clients/{client_id}"): Row(security="bearer", refuses=("no_client",)),
    ("DELETE", "/api/clients/{client_id}"): Row(
        answers=_NOTHING, security="bearer", refuses=("no_client", "client_of_settings")
    ),
    ("GET", "/api/api-keys"): Row(security="bearer"),
    ("POST", "/api/api-keys"): Row(
        {"apis!": "a list of objects with name and version"},
        JSON,
        _MADE,
        security="bearer",
        refuses=("api_key_body", "invalid_api_key", "body_too_large"),
    ),
    ("DELETE", "/api/api-keys/{id}"): Row(
        answers=_NOTHING, security="bearer", refuses=("no_api_key",)
    ),
    ("GET", "/api/applications"): Row(security="bearer"),
    ("POST", "/api/applications"): Row(
        {"name!": "a name", "tier": "of its limits", "id": "its own; else one is made"},
        JSON,
        _MADE,
        summary="A new application",
        security="bearer",
        refuses=("application_name", "application_exists", *_APPLICATION_BODY),
    ),
    ("DELETE", "/api/applications/{id}"): Row(
        answers=_NOTHING,
        summary="Forget an application, by its id or name",
        security="bearer",
        refuses=("no_application", "application_of_settings"),
    ),
    ("POST", "/api/applications/{id}/keys"): Row(
        {
            "consumerKey!": "a client",
            "type": "PRODUCTION or SANDBOX",
            "environment": "where it is good",
        },
        JSON,
        _MADE,
        summary="Give an application the key of a client; the answer is the application",
        security="bearer",
        refuses=(
            "consumer_key",
            "no_application",
            "no_method",
            "consumer_key_taken",
            "application_of_settings",
            *_APPLICATION_BODY,
        ),
    ),
    ("DELETE", "/api/applications/{id}/keys/{key}"): Row(
        answers=_NOTHING,
        summary="Take a key from an application",
        security="bearer",
        refuses=("no_application", "no_consumer_key", "application_of_settings"),
    ),
    ("GET", "/api/subscriptions"): Row(security="bearer"),
    ("POST", "/api/subscriptions"): Row(
        {
            "application!": "its name or id",
            "api!": "an object with name and version",
            "tier": "of its limits",
            "status": "ACTIVE, …",
        },
        JSON,
        _MADE,
        summary="Subscribe an application to an API",
        security="bearer",
        refuses=(
            "api_name",
            "no_application",
            "subscribed",
            "application_of_settings",
            *_APPLICATION_BODY,
        ),
    ),
    ("PATCH", "/api/subscriptions/{id}"): Row(
        {"status": "ACTIVE, BLOCKED, …", "tier": "of its limits"},
        JSON,
        summary="Change the tier or the status of a subscription",
        security="bearer",
        refuses=("api_name", "no_subscription", "application_of_settings", *_APPLICATION_BODY),
    ),
    ("DELETE", "/api/subscriptions/{id}"): Row(
        answers=_NOTHING,
        summary="End a subscription",
        security="bearer",
        refuses=("no_subscription", "application_of_settings"),
    ),
    ("GET", "/.well-known/oauth-protected-resource"): Row(),
    ("GET", "/.well-known/jwks.json"): Row(answers={200: JSON, 503: JSON}),
}
"""By method and path without a version; each also answers with a version in its path."""
_SCOPE_OF = {
    "users": "kapi:users",
    "keys": "kapi:keys",
    "clients": "kapi:clients",
    "issuers": "kapi:issuers",
    "metrics": "kapi:metrics",
}


def refusals_of(row: Row, path: str) -> Iterator[tuple[str, Refusal]]:
    """Those of an operation: its own, then what its path and its security scheme bring."""
    names = list(row.refuses)
    if row.security == "bearer":
        segment = path.split("/")[2]
        names += ["no_token", "invalid_token", f"scope {_SCOPE_OF.get(segment, 'apk:api_create')}"]
    if "{" in path:
        names += ["no_http", "no_path"]
    for name in dict.fromkeys((*names, "restarting")):
        yield name, REFUSALS[name]
