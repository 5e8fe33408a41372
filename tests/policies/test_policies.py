"""What the policies make of an apk-conf operation."""

from __future__ import annotations

from typing import Any

import pytest

from kapi.apis.ir import Api, Endpoint
from kapi.apis.kinds.rest import RestOperation
from kapi.apis.model.conf import (
    ApiConf,
    Fields,
    OperationConf,
    PoliciesConf,
    PolicyConf,
)
from kapi.apis.model.rules import Fault
from kapi.jose.token_kinds import AccessTokenRule
from kapi.policies import POLICIES, Place, authentication, headers
from kapi.policies.authentication.conf import AuthenticationConf
from kapi.policies.authentication.node import Credential
from kapi.policies.callers import scopes
from kapi.policies.contract import HttpFilter
from kapi.policies.custom_claims import claim_value
from kapi.policies.rbac import one_of, text
from kapi.policies.traffic import redirect

ENDPOINT = Endpoint("http", "backend", 80)
OPERATION = RestOperation("GET", "/a", (ENDPOINT,))
API = Api("id", "default", "pets", "1.0.0", "", "/pets/1.0.0", None, (OPERATION,))
PLACE = Place(
    API, OPERATION, (ENDPOINT,), "default.gw.wso2.com", "/pets/1.0.0", sandbox=False
)


def conf(*auth: AuthenticationConf) -> ApiConf:
    return ApiConf(
        "pets", "/pets", "1.0.0", "REST", (), fields=Fields((("authentication", auth),))
    )


def test_policies_stand_in_the_order_of_their_phases() -> None:
    assert [policy.phase for policy in POLICIES] == sorted(
        policy.phase for policy in POLICIES
    )
    assert len({policy.name for policy in POLICIES}) == len(POLICIES)


FILTERS = """
2 kapi.filters.http.brotli switched on on demand
2 kapi.filters.http.gzip switched on on demand
5 envoy.filters.http.cors switched on
5 kapi.filters.http.options switched on
7 kapi.filters.http.addresses switched on
8 kapi.sign_in_port on demand
8 kapi.filters.http.browser_sign_in switched on
9 kapi.filters.http.session_cookies on demand
10 kapi.filters.http.claim_headers discovered placeholder
10 kapi.filters.http.move switched on
10 kapi.filters.http.credentials switched on discovered
10 envoy.filters.http.jwt_authn discovered
10 kapi.filters.http.claims discovered placeholder
10 kapi.filters.http.dpop switched on
10 kapi.filters.http.token discovered
10 kapi.filters.http.key_claims switched on
10 kapi.filters.http.certificate switched on
10 kapi.filters.http.caller switched on
10 kapi.filters.http.basic_authentication switched on
15 kapi.filters.http.revoked discovered placeholder
20 envoy.filters.http.rbac switched on
30 kapi.admission switched on on demand
26 kapi.filters.http.external_authorization switched on
28 kapi.validation switched on on demand
28 kapi.guardrails switched on on demand
30 kapi.admission switched on on demand
30 kapi.admission switched on on demand
30 kapi.admission switched on on demand
30 kapi.admission switched on on demand
30 kapi.admission switched on on demand
30 kapi.admission switched on on demand
30 kapi.admission switched on on demand
30 kapi.opening switched on on demand
35 kapi.stream switched on on demand
35 kapi.messages switched on on demand
36 kapi.cache switched on on demand
37 envoy.filters.http.fault switched on
38 kapi.filters.http.mock switched on
40 kapi.backend_jwt switched on
40 kapi.interceptor switched on
40 kapi.guard.before switched on
40 kapi.wasm switched on
90 kapi.guard.after switched on
45 kapi.limit_keys switched on on demand
50 kapi.query_key switched on
50 kapi.lua switched on
50 kapi.filters.http.xml switched on
50 kapi.public_address
3 envoy.filters.http.grpc_web switched on
95 envoy.filters.http.grpc_json_transcoder switched on
"""


def described(item: HttpFilter) -> str:
    """When a filter acts, and whether it does anything where no route asks for it."""
    words = {
        "switched on": item.disabled,
        "on demand": item.on_demand,
        "discovered": bool(item.discovered),
        "placeholder": item.placeholder,
    }
    return " ".join(
        [f"{item.phase:d}", item.name, *(word for word in words if words[word])]
    )


def test_a_filter_does_nothing_at_routes_that_do_not_ask_for_it() -> None:
    """One that is not switched on by a route acts on every request, so each of them is named
    here.
    """
    found = [described(item) for policy in POLICIES for item in policy.filters]
    assert found == FILTERS.strip().splitlines()


@pytest.mark.parametrize(
    ("credential", "plain"),
    [
        (Credential(), True),
        (Credential(header="AUTHORIZATION"), True),
        (Credential(header="x-token"), False),
        (Credential(query="token"), False),
        (Credential(kind="JWT"), False),
        (Credential(kind="APIKey", header="Authorization"), False),
    ],
)
def test_which_credential_is_a_plain_access_token(
    credential: Credential, *, plain: bool
) -> None:
    assert credential.is_plain is plain


def test_alternatives_are_a_list_of_at_least_two() -> None:
    """Envoy refuses a shorter one."""
    a, b = text("a"), text("b", any_case=True)
    assert one_of(["a"]) == a == {"string_match": {"exact": "a"}}
    assert b == {"string_match": {"exact": "b", "ignore_case": True}}
    both = {"or_match": {"value_matchers": [a, text("b")]}}
    assert one_of(["a", "b"]) == both


def test_an_operation_needs_a_token_unless_it_says_otherwise() -> None:
    node = authentication.compile(conf(), OperationConf("/a", "GET"))
    assert node.required
    assert (
        authentication.envoy(node, PLACE).per_route[authentication.FILTER][
            "requirement_name"
        ]
        == "kapi:b:default:;"
    )


def test_secured_false_opens_the_route() -> None:
    node = authentication.compile(conf(), OperationConf("/a", "GET", secured=False))
    assert (
        authentication.envoy(node, PLACE).per_route["envoy.filters.http.jwt_authn"][
            "disabled"
        ]
        is True
    )


def test_the_token_is_hidden_from_the_backend_unless_asked_for() -> None:
    hidden = authentication.compile(conf(), OperationConf("/a", "GET"))
    shown = authentication.compile(
        conf(AuthenticationConf(send_token_to_upstream=True)),
        OperationConf("/a", "GET"),
    )
    assert authentication.envoy(hidden, PLACE).remove_request_headers == (
        "authorization",
    )
    assert authentication.envoy(shown, PLACE).remove_request_headers == ()


def test_scopes_need_a_token_and_are_independent_of_their_order() -> None:
    assert scopes.compile(conf(), OperationConf("/a", "GET")) is None
    assert (
        scopes.compile(conf(), OperationConf("/a", "GET", secured=False, scopes=("a",)))
        is None
    )
    one = scopes.compile(conf(), OperationConf("/a", "GET", scopes=("b", "a")))
    other = scopes.compile(conf(), OperationConf("/a", "GET", scopes=("a", "b", "a")))
    assert one == other


def test_every_node_says_which_policy_made_it() -> None:
    operation = OperationConf("/a", "GET", scopes=("a",))
    for policy in POLICIES:
        node = policy.compile(conf(), operation)
        assert node is None or node.policy == policy.name


def test_challenges_name_the_algorithms_that_proofs_may_have() -> None:
    from kapi.jose.algorithms import ASYMMETRIC
    from kapi.settings.words import PROOF_ALGORITHMS

    assert PROOF_ALGORITHMS == ASYMMETRIC


@pytest.mark.parametrize(
    ("header", "claims", "accepted"),
    [
        ({"typ": "at+jwt"}, {}, True),
        ({"typ": "JWT"}, {}, True),
        ({}, {}, True),
        ({"typ": ""}, {}, False),
        ({"typ": 7}, {}, False),
        ({"typ": ["at+jwt"]}, {}, False),
        ({"typ": "id_token+jwt"}, {}, False),
        ({"typ": "JWT"}, {"nonce": "n"}, False),
        ({"typ": "at+jwt"}, {"nonce": "n"}, True),
    ],
)
def test_the_type_of_an_access_token(
    header: dict[str, Any], claims: dict[str, Any], *, accepted: bool
) -> None:
    assert (AccessTokenRule().objection(header, claims) is None) is accepted


@pytest.mark.parametrize(
    ("required", "names"),
    [
        (("token_use", "access"), True),
        (("token_use", ""), False),
        (("tier", "gold"), False),
    ],
)
def test_a_required_claim_names_the_kind_by_its_name_and_value(
    required: tuple[str, str], *, names: bool
) -> None:
    rule = AccessTokenRule(required_claims=(required,))
    assert rule.names_kind is names
    with_nonce = {required[0]: required[1] or "x", "nonce": "n"}
    assert (rule.objection({"typ": "JWT"}, with_nonce) is None) is names


@pytest.mark.parametrize(
    ("url", "port"),
    [
        ("http://a.example/", None),
        ("http://a.example:80/", None),
        ("http://a.example:81/", 81),
        ("http://a.example:443/", 443),
        ("https://a.example:443/", None),
        ("https://a.example:444/", 444),
        ("https://a.example:80/", 80),
    ],
)
def test_a_redirect_names_the_port_unless_it_is_the_usual_one(
    url: str, port: int | None
) -> None:
    made = redirect.envoy(redirect.Redirect(url), PLACE).redirect
    assert made is not None
    assert made.get("port_redirect") == port


def test_other_policies_among_those_of_headers_change_nothing() -> None:
    change = PolicyConf(
        "SetHeader", parameters=Fields((("headerName", "X-A"), ("headerValue", "1")))
    )
    request = (PolicyConf("Interceptor"), change, PolicyConf("Interceptor"))
    node = headers.compile(
        conf(), OperationConf("/a", "GET", policies=PoliciesConf(request))
    )
    assert node is not None
    assert [(item.header, item.value) for item in node.request] == [("x-a", "1")]


@pytest.mark.parametrize(
    ("written", "kind", "value"),
    [
        ("7", "string", "7"),
        ("-7", "int", -7),
        ("2147483647", "int", 2**31 - 1),
        ("2147483648", "long", 2**31),
        ("1.5", "float", 1.5),
        ("True", "bool", True),
        ("1970-01-01T00:01:00Z", "date", 60),
    ],
)
def test_a_custom_claim_has_the_type_that_is_named(
    written: str, kind: str, value: object
) -> None:
    assert (claim_value(written, kind), type(claim_value(written, kind))) == (
        value,
        type(value),
    )


@pytest.mark.parametrize(
    ("written", "kind"),
    [
        ("2147483648", "int"),
        ("-2147483649", "int"),
        ("9223372036854775808", "long"),
        ("1.5", "int"),
        ("", "int"),
        ("nan", "float"),
        ("1e999", "float"),
        ("yes", "bool"),
        ("today", "date"),
    ],
)
def test_a_custom_claim_of_another_type_is_a_mistake(written: str, kind: str) -> None:
    assert isinstance(claim_value(written, kind), Fault)
