"""The apk-conf's `authentication` and `secured`: credentials and their combinations (APK 909018).

OAuth2, JWT and API keys are alternatives; a client certificate comes before them. A combination
that is enforced otherwise than its words suggest, or that opens the API, is a warning, as APK
deploys it; one that no caller could pass is refused.
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterator
from typing import Any, Final, Literal

from kapi import error_codes
from kapi.apis import report as codes
from kapi.apis.conf.nodes import mappings_at, text_at
from kapi.apis.conf.policy_part import ConfField, ConfPart
from kapi.apis.conf.shapes import FLAG, NAME, TEXT, ByField, Items, Record, Shape, Text
from kapi.apis.model.conf import ApiConf, OperationConf, SecretKey
from kapi.apis.report import NO_MARK, Mark, Report, below
from kapi.apis.reserved_headers import may_hold_credential
from kapi.apis.yaml_positions import Mapping, Node, Sequence, key_mark, mark, plain
from kapi.dataclass import dataclass

AuthType = Literal["OAuth2", "JWT", "APIKey", "mTLS"]

FIELD: Final = "authentication"
SUBSCRIPTIONS: Final = "subscriptionValidation"
"""The field of the policy `subscriptions`, which needs a credential that names an application."""
_HEADER: Final = re.compile(r"[A-Za-z0-9_-]{1,128}")
_QUERY: Final = re.compile(r"[A-Za-z0-9._~-]{1,128}")

SUBSCRIPTION_HINT: Final = (
    "Enable OAuth2, JWT or API keys beside mTLS, or validate no subscriptions."
)


@dataclass(frozen=True, slots=True)
class AuthenticationConf:
    """One item of `authentication`, with the defaults of its type filled in.

    `header` and `query` are names, empty when the credential is not looked for there.
    `audiences` belong to OAuth2 and JWT, `certificates` to mTLS only, `dpop` to OAuth2 only.
    """

    auth_type: AuthType = "OAuth2"
    required: Literal["mandatory", "optional"] = "mandatory"
    enabled: bool = True
    send_token_to_upstream: bool = False
    header: str = "Authorization"
    query: str = ""
    audiences: tuple[str, ...] = ()
    dpop: Literal["", "optional", "mandatory"] = ""
    certificates: tuple[SecretKey, ...] = ()
    mark: Mark = NO_MARK


def items(conf: ApiConf) -> tuple[AuthenticationConf, ...]:
    """The items that the conf has; at most one of each type."""
    found: tuple[AuthenticationConf, ...] = conf.field(FIELD, ())
    return found


def item_of(conf: ApiConf, auth_type: AuthType) -> AuthenticationConf | None:
    """The item of a type, or None."""
    for item in items(conf):
        if item.auth_type == auth_type:
            return item
    return None


def _check_conf(conf: ApiConf, report: Report) -> None:
    """Report everything that is wrong with who may call the API."""
    enabled = [item for item in methods(conf) if item.enabled]
    for item in enabled:
        for message, hint in _faults(item):
            report.add(codes.AUTHENTICATION, message, item.mark, hint)
    queries = [item.query for item in enabled if item.query]
    for item in enabled:
        if queries.count(item.query) > 1:
            message = f"two kinds of credentials in the query parameter {item.query}"
            report.add(
                codes.AUTHENTICATION,
                message,
                item.mark,
                "Name another parameter: queryParamName.",
            )
    if any(operation.secured for operation in conf.operations):
        _check_somebody_may_call(conf, enabled, report)


def methods(conf: ApiConf) -> tuple[AuthenticationConf, ...]:
    """The items of the conf; OAuth2 too, which is enabled unless the conf has an item for it."""
    if item_of(conf, "OAuth2"):
        return items(conf)
    return (AuthenticationConf(mark=conf.mark), *items(conf))


def needs_caller(conf: ApiConf, operation: OperationConf) -> bool:
    """Whether the operation is closed to callers without a credential.

    It is when it is secured and some kind of authentication is enabled.
    """
    return operation.secured and any(item.enabled for item in methods(conf))


def _faults(item: AuthenticationConf) -> Iterator[tuple[str, str]]:
    """What is wrong with one item: message and hint."""
    if item.auth_type == "mTLS":
        if not item.certificates:
            yield (
                "mTLS has no certificates, so that no client could be accepted",
                "Name at least one: certificates: [{name: …, key: …}].",
            )
        return
    if not item.header and not item.query:
        yield (
            f"{item.auth_type} has neither a header nor a query parameter",
            "Set headerEnable: true, or enabled: false.",
        )
    at_home = item.header.lower() == "authorization" and not item.query
    if item.dpop and not at_home:
        yield (
            "a token with a DPoP proof is in the header Authorization and nowhere else",
            "Leave out headerName and queryParamName, or dpop.",
        )
    if item.header and not _is_credential_header(item.header):
        yield (
            f"{item.header[:60]} cannot be a header for credentials",
            "Use letters, digits, `-` and `_`, and no name that HTTP or the gateway needs.",
        )
    if item.query and not _QUERY.fullmatch(item.query):
        yield (
            f"{item.query[:60]} cannot be a query parameter for credentials",
            "Use letters, digits, `.`, `_`, `~` and `-`.",
        )


def _is_credential_header(name: str) -> bool:
    return bool(_HEADER.fullmatch(name)) and may_hold_credential(name)


def _check_somebody_may_call(
    conf: ApiConf, enabled: list[AuthenticationConf], report: Report
) -> None:
    """Warn of combinations that are not what they say; refuse one that no caller could pass."""
    written = items(conf)
    place = conf.mark
    if written:
        place = written[0].mark
    tokens = []
    for item in enabled:
        if item.auth_type != "mTLS":
            tokens.append(item)
    if not tokens and conf.field(SUBSCRIPTIONS):
        what = "no kind of authentication is enabled"
        if enabled:
            what = "a certificate names none"
        asked = "subscriptionValidation asks for an application"
        message = f"Invalid authtypes provided: {asked}, and {what}"
        spot = place
        if enabled:
            spot = enabled[0].mark
        report.add(codes.AUTHENTICATION, message, spot, SUBSCRIPTION_HINT)
    elif not enabled:
        what = "any caller may call every operation of this API"
        message = f"every kind of authentication is disabled: {what}"
        hint = "Enable one, or set secured: false on the operations that need none."
        report.warn(codes.AUTHENTICATION, message, place, hint)
    elif len(enabled) == 1 and enabled[0].required == "optional":
        kind = enabled[0].auth_type
        what = "a credential of this kind"
        if kind == "mTLS":
            what = "a client certificate"
        message = (
            f"{kind} is optional, and no other kind is enabled: {what} is still needed"
        )
        hint = "Set required: mandatory, or enable another kind."
        report.warn(codes.AUTHENTICATION, message, enabled[0].mark, hint)


def _check(root: Mapping, report: Report) -> None:
    """Refuse two items of one type."""
    kinds = Counter(
        text_at(item, "authType") for item, _ in mappings_at(root, FIELD, "#")
    )
    for kind in sorted(kinds):
        if kind and kinds[kind] > 1:
            message = f"more than one authentication item of type {kind[:40]}"
            report.add(
                codes.COMBINATION, message, key_mark(root, FIELD, "#"), "Keep one."
            )


_CREDENTIAL_PLACES: Final[dict[AuthType, tuple[str, str]]] = {
    "OAuth2": ("Authorization", ""),
    "JWT": ("Authorization", ""),
    "APIKey": ("apikey", "apikey"),
    "mTLS": ("", ""),
}
"""Header and query parameter of a credential by default; empty means not there."""
_OPTIONAL_BY_DEFAULT: Final = ("APIKey", "mTLS")


def _values(node: Node, pointer: str) -> tuple[AuthenticationConf, ...]:
    found = []
    if isinstance(node, Sequence):
        found = node.items
    return tuple(
        _value(item, below(pointer, index)) for index, item in enumerate(found)
    )


def _value(node: Node, pointer: str) -> AuthenticationConf:
    data: dict[str, Any] = plain(node)
    kind: AuthType = data["authType"]
    place = mark(node, pointer)
    header, query = _CREDENTIAL_PLACES[kind]
    # A name alone does not switch the query on: tokens in URLs end up in logs (RFC 9700 §4.3.2).
    looks_into_query = data.get("queryParamEnable", bool(query))
    usual = "mandatory"
    if kind in _OPTIONAL_BY_DEFAULT:
        usual = "optional"
    return AuthenticationConf(
        auth_type=kind,
        required=data.get("required", usual),
        enabled=data.get("enabled", True),
        send_token_to_upstream=data.get("sendTokenToUpstream", False),
        header=data.get("headerName", header) if data.get("headerEnable", True) else "",
        query=data.get("queryParamName", query) if looks_into_query else "",
        audiences=tuple(dict.fromkeys(data.get("audience", ()))),
        dpop=data.get("dpop", ""),
        certificates=tuple(
            SecretKey(item["name"], item["key"], place)
            for item in data.get("certificates", ())
        ),
        mark=place,
    )


_REQUIRED: Final = Text(one_of=("mandatory", "optional"))
_TOKEN: Final[dict[str, Shape]] = {
    "authType": TEXT,
    "required": _REQUIRED,
    "enabled": FLAG,
    "sendTokenToUpstream": FLAG,
    "headerName": Text(1, 256),
    "headerEnable": FLAG,
    "queryParamName": Text(1, 256),
    "queryParamEnable": FLAG,
}
_CERTIFICATES: Final = Items(
    Record({"name": NAME, "key": NAME}, ("name", "key"), more=True)
)
_ITEM: Final = ByField(
    "authType",
    {
        "OAuth2": Record(
            {**_TOKEN, "dpop": _REQUIRED, "audience": Items(TEXT)}, ("authType",)
        ),
        "JWT": Record({**_TOKEN, "audience": Items(TEXT)}, ("authType",)),
        "APIKey": Record(_TOKEN, ("authType",)),
        "mTLS": Record(
            {
                "authType": TEXT,
                "required": _REQUIRED,
                "enabled": FLAG,
                "certificates": _CERTIFICATES,
            },
            ("authType",),
        ),
    },
)
conf_part = ConfPart(
    fields=(
        ConfField(
            "secured",
            places=("operation",),
            shape=FLAG,
            descriptions={
                "operations.secured": "false needs no credential. true when left out."
            },
        ),
        ConfField(
            FIELD,
            places=("api",),
            shape=Items(_ITEM),
            descriptions={
                ".authentication": (
                    "How callers say who they are. OAuth2, mandatory, when left out."
                ),
                "authType": (
                    "Kind of credential. OAuth2, JWT and APIKey are alternatives: one of them is "
                    "enough."
                ),
                "required": "mandatory: needed; optional: one of the alternatives.",
                "authentication.OAuth2.enabled": (
                    "false accepts no OAuth2 token. true when left out."
                ),
                "authentication.JWT.enabled": "false accepts no JWT. true when left out.",
                "authentication.APIKey.enabled": "false accepts no API key. true when left out.",
                "authentication.mTLS.enabled": "false asks for no certificate. true when left out.",
                "sendTokenToUpstream": (
                    "true passes the credential on to the backend. false when left out."
                ),
                "headerName": (
                    "Header of the credential: Authorization for tokens, apikey for API keys when "
                    "left out."
                ),
                "headerEnable": "false does not look into the header. true when left out.",
                "queryParamName": "Query parameter of the credential.",
                "queryParamEnable": "true looks into the query too. Tokens in URLs end up in logs.",
                "authentication.OAuth2.dpop": (
                    "DPoP-bound tokens: optional takes them too, mandatory no others. Refused when "
                    "left out."
                ),
                "authentication.OAuth2.audience": (
                    "The token must be meant for one of these audiences: of MCP, its address when "
                    "left out."
                ),
                "authentication.JWT.audience": (
                    "The token must be meant for one of these audiences."
                ),
                "authentication.mTLS.certificates": "Certificates of clients that are let in.",
                "certificates.name": "Name of the secret that holds the certificate.",
                "certificates.key": "Key of the certificate (PEM) in the secret.",
            },
            value=_values,
        ),
    ),
    check=_check,
    check_conf=_check_conf,
    error_codes={codes.AUTHENTICATION: error_codes.INVALID_AUTHENTICATION},
)
