"""What the policies make of an apk-conf operation."""

from __future__ import annotations

from kapi.apis.conf.model import ApiConf, Fields, OperationConf
from kapi.apis.ir import Api, Endpoint, Operation
from kapi.policies import POLICIES, Place, authentication, scopes
from kapi.policies.authentication.conf import AuthenticationConf

ENDPOINT = Endpoint("http", "backend", 80)
OPERATION = Operation("GET", "/a", (ENDPOINT,))
API = Api("id", "default", "pets", "1.0.0", "", "/pets/1.0.0", None, (OPERATION,))
PLACE = Place(API, OPERATION, (ENDPOINT,), "default.gw.wso2.com", "/pets/1.0.0", sandbox=False)


def conf(*auth: AuthenticationConf) -> ApiConf:
    return ApiConf("pets", "/pets", "1.0.0", "REST", (), fields=Fields((("authentication", auth),)))


def test_policies_stand_in_the_order_of_their_phases() -> None:
    assert [policy.phase for policy in POLICIES] == sorted(policy.phase for policy in POLICIES)
    assert len({policy.name for policy in POLICIES}) == len(POLICIES)


def test_an_operation_needs_a_token_unless_it_says_otherwise() -> None:
    node = authentication.compile(conf(), OperationConf("/a", "GET"))
    assert node.required
    assert (
        authentication.envoy(node, PLACE).per_route[authentication.FILTER]["requirement_name"]
        == "kapi:b:default:;"
    )


def test_secured_false_opens_the_route() -> None:
    node = authentication.compile(conf(), OperationConf("/a", "GET", secured=False))
    assert (
        authentication.envoy(node, PLACE).per_route["envoy.filters.http.jwt_authn"]["disabled"]
        is True
    )


def test_the_token_is_hidden_from_the_backend_unless_asked_for() -> None:
    hidden = authentication.compile(conf(), OperationConf("/a", "GET"))
    shown = authentication.compile(
        conf(AuthenticationConf(send_token_to_upstream=True)), OperationConf("/a", "GET")
    )
    assert authentication.envoy(hidden, PLACE).remove_request_headers == ("authorization",)
    assert authentication.envoy(shown, PLACE).remove_request_headers == ()


def test_scopes_need_a_token_and_are_independent_of_their_order() -> None:
    assert scopes.compile(conf(), OperationConf("/a", "GET")) is None
    assert scopes.compile(conf(), OperationConf("/a", "GET", secured=False, scopes=("a",))) is None
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
