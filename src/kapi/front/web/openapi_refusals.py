"""Why the system APIs say no: each reason once, with its answer as it comes. Rows of `openapi_rows.py` name them.

A live test makes them happen and compares the bodies.
"""

from __future__ import annotations

from collections.abc import Mapping

from kapi.errors import Diagnostic
from kapi.front.web.openapi_reasons import invalid, not_json, notified, problem, too_large
from kapi.openapi import Refusal

_UNCHANGED = "Nothing was changed; see `kapi status`, then try again."
_MEND = "Nothing was changed; mend the conf and deploy again."
_SCOPES = ("apk:api_create", "kapi:users", "kapi:keys", "kapi:clients", "kapi:issuers", "kapi:metrics")
_SHOW = "/openapi.html on this host describes it."


_YAML_MISTAKE = "while parsing a flow node, did not find expected node content"
_YAML_HINT = "Check indentation, quotes and colons here and one line up."
REFUSALS: Mapping[str, Refusal] = {
    "no_token": problem(
        401,
        "no access token was sent",
        900902,
        "Missing Credentials",
        "Make sure you have provided the correct security credentials: a header Authorization: Bearer ACCESS_TOKEN",
    ),
    "invalid_token": problem(
        401,
        "the access token is not good",
        900901,
        "Invalid Credentials",
        "Invalid Credentials. Make sure you have provided the correct security credentials",
    ),
    **{
        f"scope {scope}": problem(
            403,
            f"the access token lacks the scope {scope}",
            900910,
            "The access token does not allow you to access the requested resource",
            f"Scope validation failed: one of these scopes is needed: {scope}",
            f"Ask for a token with it: kapi token --scope {scope}",
        )
        for scope in _SCOPES
    },
    "no_path": problem(404, "the path leads nowhere", 404, "Not Found"),
    "no_method": problem(405, "the path, once `.` and `..` are gone, is another one's", 405, "Method Not Allowed"),
    "no_http": Refusal(
        400, "the request is not valid HTTP", {"code": "400", "message": "Bad Request", "description": "The request is not valid HTTP."}
    ),
    "no_form": problem(
        415,
        "the body is no form with parts",
        90091,
        "The body must be multipart/form-data",
        hint="With curl: --form 'name=@file' for each part.",
    ),
    "part_twice": problem(
        400, "a part was sent twice", 90091, "The part apkConfiguration was sent more than once", hint="Send each part once."
    ),
    "invalid_conf": invalid(
        "the apk-conf or its definition has mistakes",
        909029,
        "Invalid apk-conf provided",
        Diagnostic("KAPI1002", _YAML_MISTAKE, _YAML_HINT, "#", line=2, column=1, source="apkConfiguration"),
    ),
    "part_missing": problem(
        406,
        "a part is missing",
        909018,
        "Invalid API request",
        "missing: definitionFile",
        "Send both parts, apkConfiguration and definitionFile, as files.",
    ),
    "base_path_taken": invalid(
        "another API answers there",
        909029,
        "Invalid apk-conf provided",
        Diagnostic(
            "KAPI1401",
            "base path /echo/1.0.0 is taken by Echo 1.0.0 (id echo)",
            "Choose another basePath or version, or undeploy the other API first.",
            "#/basePath",
            source="apkConfiguration",
        ),
    ),
    "form_too_large": too_large(
        17_891_328, "the documents are too large", "Send a smaller document, or raise the limit in [apis] of the settings."
    ),
    "too_many": problem(
        429,
        "the caller's network has too many such requests",
        900957,
        "Too many requests at once",
        "24 requests from your network are being worked on.",
        "Try again in 5 seconds.",
    ),
    "too_busy": problem(
        503,
        "there are too many such requests",
        900958,
        "Too busy",
        "18 requests of this kind are being worked on.",
        "Try again in 5 seconds.",
    ),
    "too_much_work": problem(
        413,
        "reading the documents takes too long, or too much memory",
        900959,
        "The document needs too much work",
        "Reading it took more than 30 seconds.",
        "Send a smaller document, or raise apis.work_seconds or apis.work_bytes in the settings.",
    ),
    "one_of_two": problem(
        400,
        "there is neither a definition nor a url, or both",
        90091,
        "Specify either definition or url",
        hint="Send one of the two parts: definition (a file) or url (text).",
    ),
    "invalid_definition": invalid(
        "the definition has mistakes",
        90091,
        "Invalid API Definition",
        Diagnostic("KAPI1301", "Invalid API Type SOAP", "Use one of: REST, GRAPHQL, GRPC.", "#", source="definitionFile"),
    ),
    "invalid_url": problem(
        406,
        "the definition could not be fetched",
        909044,
        "Invalid url provided for openapi definition",
        "the URL must be http:// or https:// with a host and without a user name",
        "Check the URL, or send the document itself as the part `definition`.",
    ),
    "no_api_id": problem(
        400,
        "apiId is missing or stands twice",
        909005,
        "apiId is required once",
        hint="POST …/undeploy?apiId=<id>; `kapi apis` lists the ids.",
    ),
    "no_api": problem(404, "there is no such API", 909001, "nothing not found", hint="See the deployed APIs: kapi apis."),
    "not_there_yet": problem(
        501,
        "this is planned",
        909052,
        "Kubernetes resources are not there yet",
        "/api/configurator/apis/generate-k8s-resources is planned",
        "Deploy the conf to kapi: POST …/apis/deploy.",
    ),
    "notification_key": notified(401, "the header stsAuthKey is missing or wrong, or the settings have none", "Unauthorized request"),
    "notification_type": notified(400, "the type is another", "Invalid type"),
    "notification_body": not_json("Send JSON with token, or with jti and expiry."),
    "notification_token": notified(400, "the body does not say which token", "Invalid request body: send either token, or jti and expiry"),
    "secret_name": problem(
        400,
        "the name or the key is not allowed",
        909018,
        "name and key of a secret",
        hint="Use letters, digits, `.`, `_` and `-`, at most 253.",
    ),
    "secret_value": problem(
        400, "the value is empty, or no text", 909018, "the value is empty or has a null character", hint="Send the value as the body."
    ),
    "no_secret": problem(
        404, "there is no such secret", 909001, "there is no secret nothing with the key x", hint="See the secrets: kapi secret list."
    ),
    "secret_fixed": problem(
        409,
        "deployed APIs use it, or the settings have it",
        909030,
        "the secret fixed with the key x comes from the settings",
        hint="Change it there and restart, or choose another name.",
    ),
    "issuer_body": not_json("/openapi.html on this host shows one."),
    "issuer_test_body": problem(
        400,
        "the body has more than a token",
        900960,
        "Invalid request",
        "the body may have a token only",
        'Send {"token": "…"}, or nothing.',
    ),
    "invalid_issuer": invalid(
        "the declaration has mistakes",
        900960,
        "Invalid issuer",
        Diagnostic("issuer", "issuer.color: unknown field", "/openapi.html on this host lists the fields.", "#/color"),
    ),
    "other_organization": problem(
        403,
        "the caller is of another organization",
        900964,
        "Not your organization",
        "callers of acme may declare issuers for acme only",
        'Say "organization": "acme".',
    ),
    "no_issuer": problem(404, "there is no such issuer", 900961, "there is no issuer 'nothing'", hint="See them with: kapi issuer list."),
    "issuer_exists": problem(
        409,
        "there is such an issuer already, or the settings have it",
        900963,
        "https://idp.am.wso2.com/token is the inbuilt provider",
        hint="Give the other provider's issuer.",
    ),
    "issuer_too_large": too_large(1_048_576),
    "user_body": not_json("/openapi.html on this host shows an example."),
    "invalid_user": invalid(
        "a member is not allowed",
        900956,
        "Invalid user",
        Diagnostic("user", "password: must have 8 to 1024 characters", "/openapi.html on this host describes it.", "#/password"),
    ),
    "no_user": problem(404, "there is no such person", 900953, "there is no user 'nothing'", hint="See them with: kapi user list."),
    "user_exists": problem(
        409, "the name is taken", 900951, "there is a user 'org1user' already", hint="Choose another name, or remove that one first."
    ),
    "user_of_settings": problem(
        409,
        "the person stands in the settings",
        900952,
        "'org1user' stands in the settings",
        hint="Change [[identity.users]] in kapi.toml and start again.",
    ),
    "key_body": not_json(_SHOW),
    "key_members": problem(
        400,
        "the body has other members",
        900970,
        "Invalid request",
        "the body may be a JSON object with algorithm (str)",
        _SHOW,
    ),
    "no_algorithm": problem(
        400,
        "the algorithm is not known",
        900971,
        "'none' is no signature algorithm",
        hint="Known: RS256, RS384, RS512, PS256, PS384, PS512, ES256, ES384, ES512, EdDSA.",
    ),
    "no_key": problem(404, "there is no such key", 900975, "there is no key 'nothing'", hint="See them with: kapi key list."),
    "too_many_keys": problem(
        409, "there are too many keys", 900972, "there are 100 keys already", hint="Retire some: kapi key list, kapi key retire KID."
    ),
    "key_not_published": problem(
        409,
        "the key is not published",
        900973,
        "gateway_certificate_alias is not published",
        hint="Only a published key can become active: kapi key list.",
    ),
    "key_active": problem(
        409,
        "the key is active",
        900974,
        "gateway_certificate_alias is the active key",
        hint="Rotate it: kapi key rotate --algorithm RS256; add --emergency to refuse its tokens at once.",
    ),
    "client_body": not_json(_SHOW),
    "api_key_body": not_json('Send {"apis": [{"name": …, "version": …}]}.'),
    "invalid_client": problem(
        400,
        "the metadata are not allowed",
        900971,
        "Invalid client",
        "invalid_redirect_uri: redirect_uris is missing: the authorization code grant needs one",
        _SHOW,
    ),
    "no_client": problem(404, "there is no such client", 900973, "there is no client 'nothing'", hint="See them with: kapi client list."),
    "client_of_settings": problem(
        409,
        "the client stands in the settings",
        900972,
        "Not a registered client",
        "45f1c5c8-a92e-11ed-afa1-0242ac120002 stands in the settings",
        "Change [[identity.clients]] in kapi.toml and start again.",
    ),
    "invalid_api_key": invalid(
        "a member is not allowed",
        909018,
        "Invalid API request",
        Diagnostic(
            "api-key", "apis must be a list of APIs", 'Write [{"name": "Petstore", "version": "1.0.0"}]; "*" means every one.', "#/apis"
        ),
    ),
    "no_api_key": problem(404, "there is no such key", 909001, "nothing not found", hint="See the keys: kapi api-key list."),
    "body_too_large": too_large(65_536),
    "application_body": not_json("Send an object with name, tier, id."),
    "application_name": problem(
        400, "a member is not allowed", 909018, "Invalid name of an application", hint="Use 1 to 120 printable characters."
    ),
    "consumer_key": problem(400, "a member is not allowed", 909018, "Invalid consumerKey", hint="Use 1 to 255 printable characters."),
    "api_name": problem(400, "a member is not allowed", 909018, "Invalid api.name", hint="The name that the API's conf has."),
    "no_application": problem(
        404, "there is no such application", 909001, "nothing not found", hint="See the applications: kapi app list."
    ),
    "no_consumer_key": problem(
        404, "there is no such key", 909001, "the application has no such key", hint="See its keys: kapi app list -o json."
    ),
    "no_subscription": problem(
        404, "there is no such subscription", 909001, "nothing not found", hint="See the subscriptions: kapi subscription list."
    ),
    "application_exists": problem(
        409, "the name is taken", 909018, "application shop exists", hint="Choose another, or remove the other first."
    ),
    "application_of_settings": problem(
        409,
        "it stands in the settings",
        909018,
        "fixed is an application of the settings",
        hint="Change it in kapi.toml, and start kapi again.",
    ),
    "consumer_key_taken": problem(
        409,
        "the key is an application's",
        909018,
        "the consumer key belongs to an application",
        hint="Choose another, or remove the other first.",
    ),
    "subscribed": problem(
        409, "there is such a subscription", 909018, "shop has a subscription to Echo .*", hint="Choose another, or remove the other first."
    ),
    "envoy_refused": problem(
        400, "Envoy refused what came of it", 909028, "The gateway refused the configuration", "route: invalid regex", _MEND
    ),
    "not_confirmed": problem(
        503,
        "the gateway did not confirm; nothing has changed",
        909028,
        "The gateway did not confirm",
        "Envoy is not connected.",
        _UNCHANGED,
    ),
    "restarting": Refusal(
        503,
        "the process that answers is starting again",
        {"code": "102503", "message": "Upstream connection failed", "description": "upstream connect error"},
    ),
}
