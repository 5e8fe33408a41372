"""Which combinations of `authentication` can be enforced (APK 909018), and where a credential may stand. Called by `reading.py`.

OAuth2, JWT and API keys are alternatives; a client certificate comes before them. A combination that is
enforced otherwise than its words suggest, or that opens the API, is a warning, as APK deploys it; one
that no caller could pass is refused.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import Final

from kapi.apis import report as codes
from kapi.apis.conf.model import ApiConf, AuthenticationConf, OperationConf
from kapi.apis.report import Report
from kapi.apis.reserved_headers import may_hold_credential

_HEADER: Final = re.compile(r"[A-Za-z0-9_-]{1,128}")
_QUERY: Final = re.compile(r"[A-Za-z0-9._~-]{1,128}")

SUBSCRIPTION_HINT: Final = (
    "Enable OAuth2, JWT or API keys beside mTLS, or validate no subscriptions."
)


def check_authentication(conf: ApiConf, report: Report) -> None:
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
                codes.AUTHENTICATION, message, item.mark, "Name another parameter: queryParamName."
            )
    if any(operation.secured for operation in conf.operations):
        _check_somebody_may_call(conf, enabled, report)


def methods(conf: ApiConf) -> tuple[AuthenticationConf, ...]:
    """The items of the conf; OAuth2 too, which holds unless the conf says otherwise."""
    return (
        conf.authentication
        if conf.authentication_of("OAuth2")
        else (AuthenticationConf(mark=conf.mark), *conf.authentication)
    )


def needs_caller(conf: ApiConf, operation: OperationConf) -> bool:
    """Whether the operation is closed to callers without a credential.

    It is when it is secured and some kind of authentication is enabled.
    """
    return operation.secured and any(item.enabled for item in methods(conf))


def _faults(item: AuthenticationConf) -> Iterator[tuple[str, str]]:
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
    lower = item.header.lower()
    if item.dpop and (lower != "authorization" or item.query):
        yield (
            "a token with a DPoP proof stands in the header Authorization and nowhere else",
            "Leave out headerName and queryParamName, or dpop.",
        )
    if item.header and (not _HEADER.fullmatch(item.header) or not may_hold_credential(item.header)):
        yield (
            f"{item.header[:60]} cannot be a header for credentials",
            "Use letters, digits, `-` and `_`, and no name that HTTP or the gateway needs.",
        )
    if item.query and not _QUERY.fullmatch(item.query):
        yield (
            f"{item.query[:60]} cannot be a query parameter for credentials",
            "Use letters, digits, `.`, `_`, `~` and `-`.",
        )


def _check_somebody_may_call(
    conf: ApiConf, enabled: list[AuthenticationConf], report: Report
) -> None:
    """Warn of combinations that are not what they say; refuse one that no caller could pass."""
    place = conf.authentication[0].mark if conf.authentication else conf.mark
    tokens = [item for item in enabled if item.auth_type != "mTLS"]
    if not tokens and conf.subscription_validation:
        what = "a certificate names none" if enabled else "no kind of authentication is enabled"
        asked = "subscriptionValidation asks for an application"
        message = f"Invalid authtypes provided: {asked}, and {what}"
        spot = enabled[0].mark if enabled else place
        report.add(codes.AUTHENTICATION, message, spot, SUBSCRIPTION_HINT)
    elif not enabled:
        what = "any caller may call every operation of this API"
        message = f"every kind of authentication is disabled: {what}"
        hint = "Enable one, or set secured: false on the operations that need none."
        report.warn(codes.AUTHENTICATION, message, place, hint)
    elif len(enabled) == 1 and enabled[0].required == "optional":
        kind = enabled[0].auth_type
        what = "a client certificate" if kind == "mTLS" else "a credential of this kind"
        message = f"{kind} is optional, and no other kind is enabled: {what} is still needed"
        hint = "Set required: mandatory, or enable another kind."
        report.warn(codes.AUTHENTICATION, message, enabled[0].mark, hint)
