"""The apk-conf's `BrowserSignIn`: its parameters and what they need of the API."""

from __future__ import annotations

from typing import Final

from kapi.addresses import is_loopback
from kapi.apis import report as codes
from kapi.apis.conf.nodes import is_text, text_at
from kapi.apis.conf.policy_part import ConfPart, ListedPolicy
from kapi.apis.conf.shapes import NAME, Items, Record, Text
from kapi.apis.model.conf import ApiConf, PolicyConf, policy_named
from kapi.apis.model.rules import Fault, endpoint_of, target_fault, target_key
from kapi.apis.report import Report, below
from kapi.apis.yaml_positions import Mapping, key_mark, mark
from kapi.policies.authentication.conf import AuthenticationConf, methods, needs_caller

POLICY: Final = "BrowserSignIn"
BASIC, POST = "client_secret_basic", "client_secret_post"
CALLBACK, SIGN_OUT = "/sign-in/callback", "/sign-out"


def item_of(conf: ApiConf) -> PolicyConf | None:
    """The policy in the list of the API."""
    return policy_named(conf.policies.request, POLICY)


def _check(parameters: Mapping, pointer: str, report: Report) -> None:
    for key in _ENDPOINTS:
        _check_endpoint(parameters, key, pointer, report)
    for key in ("callbackPath", "signOutPath"):
        path = text_at(parameters, key)
        fault = _path_fault(path) if path else None
        if fault is not None:
            place = mark(parameters.entries[key], below(pointer, key))
            report.add(codes.FORMAT, f"{key}: {fault.message}", place, fault.hint)
    for given, other in _TOGETHER:
        if given in parameters.entries and other not in parameters.entries:
            place = key_mark(parameters, given, pointer)
            report.add(
                codes.COMBINATION, f"{given} without {other}", place, f"Add {other}."
            )


_ENDPOINTS: Final = ("authorizationEndpoint", "tokenEndpoint", "endSessionEndpoint")
_TOGETHER: Final = (
    ("authorizationEndpoint", "tokenEndpoint"),
    ("tokenEndpoint", "authorizationEndpoint"),
    ("endSessionEndpoint", "authorizationEndpoint"),
    ("tlsSecretName", "tlsSecretKey"),
    ("tlsSecretKey", "tlsSecretName"),
    ("tlsSecretName", "tokenEndpoint"),
)


def _check_endpoint(
    parameters: Mapping, key: str, pointer: str, report: Report
) -> None:
    url = parameters.entries.get(key)
    if url is None or not is_text(url):
        return
    endpoint = endpoint_of(text_at(parameters, key))
    here = mark(url, below(pointer, key))
    if isinstance(endpoint, Fault):
        message = endpoint.message.replace("endpoint", key, 1)
        report.add(codes.ENDPOINT, message, here, endpoint.hint)
    elif endpoint.scheme == "http" and not is_loopback(endpoint.host):
        hint = "Use https: secrets and codes are sent there."
        report.add(codes.ENDPOINT, f"{key} is not an https URL", here, hint)


def _path_fault(path: str) -> Fault | None:
    if "{" in path or "*" in path:
        return Fault("it has a parameter", "Write a path without parameters.")
    return target_fault(path)


def _check_conf(conf: ApiConf, report: Report) -> None:
    """What the API must accept, and the paths that must be free."""
    item = item_of(conf)
    if item is None:
        return
    place = item.mark
    if not any(needs_caller(conf, operation) for operation in conf.operations):
        hint = "Remove the policy, or secured: false from an operation."
        report.add(
            codes.COMBINATION, f"{POLICY}, but no operation needs a caller", place, hint
        )
    elif not any(map(_takes_token, methods(conf))):
        hint = "Enable OAuth2 in the header Authorization, without mandatory DPoP."
        message = f"{POLICY} needs an API that accepts access tokens"
        report.add(codes.AUTHENTICATION, message, place, hint)
    paths = (
        item.parameter("callbackPath", CALLBACK),
        item.parameter("signOutPath", SIGN_OUT),
    )
    own = tuple(map(target_key, paths))
    if own[0] == own[1]:
        hint = "Write different paths."
        report.add(
            codes.COMBINATION, "callbackPath and signOutPath are equal", place, hint
        )
    for operation in conf.operations:
        if operation.verb == "GET" and target_key(operation.target) in own:
            message = f"{POLICY} has the path {operation.target} of an operation"
            hint = "Choose other paths: callbackPath, signOutPath."
            report.add(codes.COMBINATION, message, place, hint)


def _takes_token(item: AuthenticationConf) -> bool:
    at_home = item.header.lower() == "authorization"
    return (
        item.enabled
        and item.auth_type == "OAuth2"
        and at_home
        and item.dpop != "mandatory"
    )


_URL: Final = Text(1, 2048)
conf_part = ConfPart(
    listed=(
        ListedPolicy(
            POLICY,
            flows=("request",),
            parameters=Record(
                {
                    "clientId": Text(1, 256),
                    "secretName": NAME,
                    "clientSecretKey": NAME,
                    "sessionSecretKey": NAME,
                    "scopes": Items(Text(1, 256, "[!#-\\[\\]-~]+"), 50),
                    "authorizationEndpoint": _URL,
                    "tokenEndpoint": _URL,
                    "endSessionEndpoint": _URL,
                    "clientAuthentication": Text(one_of=(BASIC, POST)),
                    "callbackPath": Text(1, 256),
                    "signOutPath": Text(1, 256),
                    "tlsSecretName": NAME,
                    "tlsSecretKey": NAME,
                },
                ("clientId", "secretName", "clientSecretKey", "sessionSecretKey"),
            ),
            descriptions={
                "clientId": "The client of the API at the provider.",
                "secretName": "Name of the secret with the two values below.",
                "clientSecretKey": "Key of the secret of the client.",
                "sessionSecretKey": (
                    "Key of a random text of 32 characters or more, which encrypts sessions."
                ),
                "scopes": "Scopes that are asked for besides openid.",
                "authorizationEndpoint": (
                    "Where browsers sign in; the inbuilt provider when left out."
                ),
                "tokenEndpoint": "Where the gateway exchanges codes for tokens.",
                "endSessionEndpoint": "Where browsers sign out of the provider.",
                "clientAuthentication": (
                    "client_secret_basic (when left out) or client_secret_post."
                ),
                "callbackPath": (
                    "Path below that of the API where the provider sends browsers back;"
                    f" {CALLBACK}."
                ),
                "signOutPath": f"Path below that of the API that ends a session; {SIGN_OUT}.",
                "tlsSecretName": (
                    "Name of the secret with the authorities of the token endpoint."
                ),
                "tlsSecretKey": "Key of the certificates (PEM) in that secret.",
            },
            example={
                "clientId": "shop",
                "secretName": "shop",
                "clientSecretKey": "client",
                "sessionSecretKey": "session",
            },
            check=_check,
            levels=("api",),
            both_levels=True,
            once=True,
            types=("REST",),
        ),
    ),
    check_conf=_check_conf,
)
