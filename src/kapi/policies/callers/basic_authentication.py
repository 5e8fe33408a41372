"""User names and passwords at the gateway (kapi's own policy `BasicAuthentication`; RFC 7617).

For operations without tokens, by Envoy's filter `basic_auth`. The users are lines of a named
secret, in the only format that Envoy reads: SHA-1 without salt, as `htpasswd -s` writes it.
"""

from __future__ import annotations

from typing import Any, ClassVar, Final

from kapi.apis import report as codes
from kapi.apis.conf.nodes import check_text
from kapi.apis.conf.policy_part import ConfPart, ListedPolicy
from kapi.apis.conf.shapes import NAME, Record, Text
from kapi.apis.header_rules import header_fault
from kapi.apis.ir import PasswordFile, SecretRef
from kapi.apis.model.conf import ApiConf, OperationConf, policy_named
from kapi.apis.report import Report
from kapi.apis.secrets import users_in
from kapi.apis.yaml_positions import Mapping
from kapi.dataclass import dataclass
from kapi.policies.composite import BY_ROUTE, on_route
from kapi.policies.contract import EnvoyRoute, HttpFilter, Phase, Place
from kapi.policies.kubernetes import KubernetesPlace, KubernetesRoute, not_possible

name = "basic_authentication"
phase = Phase.AUTHENTICATE
FILTER = "kapi.filters.http.basic_authentication"
_FILTERS: Final = "type.googleapis.com/envoy.extensions.filters.http."
filters = (HttpFilter(phase, FILTER, BY_ROUTE, disabled=True),)

POLICY: Final = "BasicAuthentication"
_NO_USER: Final = "nobody:{SHA}AAAAAAAAAAAAAAAAAAAAAAAAAAA="
"""No password is known that has this digest."""


@dataclass(frozen=True, slots=True)
class BasicAuthentication:
    """The users, and the header by which the backend gets the name of one; empty for none."""

    policy: ClassVar[str] = name
    users: PasswordFile
    user_header: str = ""


def compile(conf: ApiConf, operation: OperationConf) -> BasicAuthentication | None:
    """The one policy of the list."""
    item = policy_named(conf.policies_of(operation).request, POLICY)
    if item is None:
        return None
    names = item.parameter("secretName"), item.parameter("secretKey")
    header = item.parameter("userHeader", "").lower()
    return BasicAuthentication(PasswordFile(SecretRef(*names, item.mark)), header)


def envoy(node: BasicAuthentication, place: Place) -> EnvoyRoute:
    """The filter with the users on this route alone. Without usable ones it refuses all."""
    users = users_in(place.secret(node.users.secret) or "") or (_NO_USER,)
    config: dict[str, Any] = {
        "@type": f"{_FILTERS}basic_auth.v3.BasicAuth",
        "users": {"inline_string": "\n".join(users)},
    }
    if node.user_header:
        # Envoy replaces what a caller sends by this name.
        config["forward_username_header"] = node.user_header
    basic = {"name": "basic_auth", "typed_config": config}
    return EnvoyRoute(
        {FILTER: on_route(name, [basic])},
        remove_request_headers=("authorization",),
        sets_request_headers=(node.user_header,) if node.user_header else (),
    )


def kubernetes(node: BasicAuthentication, at: KubernetesPlace) -> KubernetesRoute:  # noqa: ARG001
    """Not possible: `basicAuth` leaves the password in the request for the backend."""
    return not_possible(
        "users and passwords that the backend does not get",
        "Remove BasicAuthentication, or deploy the API to kapi's gateway.",
    )


def _check(parameters: Mapping, pointer: str, report: Report) -> None:
    check_text(parameters, "userHeader", header_fault, codes.HEADER, report, pointer)


def _check_open(conf: ApiConf, report: Report) -> None:
    """Refuse it beside tokens, which callers send in the same header."""
    for operation in conf.operations:
        item = policy_named(conf.policies_of(operation).request, POLICY)
        if item is not None and operation.secured:
            message = f"{POLICY} is for operations with secured: false"
            hint = (
                f"{operation.verb} {operation.target} needs a token, which callers send in the"
                " same header: write secured: false there, or remove the policy."
            )
            report.add(codes.COMBINATION, message, item.mark, hint)
            return


conf_part = ConfPart(
    listed=(
        ListedPolicy(
            POLICY,
            flows=("request",),
            parameters=Record(
                {"secretName": NAME, "secretKey": NAME, "userHeader": Text(1, 128)},
                ("secretName", "secretKey"),
            ),
            descriptions={
                "secretName": "Name of the secret with the users.",
                "secretKey": "Its key; the value has lines as `htpasswd -nbs NAME PASSWORD`.",
                "userHeader": "Header by which the backend gets the name of the user.",
            },
            example={"secretName": "partners", "secretKey": "users"},
            check=_check,
            once=True,
        ),
    ),
    check_conf=_check_open,
)
