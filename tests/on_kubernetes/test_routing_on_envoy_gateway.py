"""The live tests of endpoints, headers, mirrors, redirects and origins, through Envoy Gateway's
Envoy.

They are those of `tests/live/test_conf_routing.py`. `DIFFERENT` are the tests that the table of
docs/kubernetes.md contradicts; what holds instead is tested here.
"""

from __future__ import annotations

import time
from concurrent.futures import ThreadPoolExecutor

import pytest

from backends import Wilful
from live import test_conf_routing as own
from on_kubernetes.live_platform import OnEnvoyGateway
from waiting import until

pytestmark = pytest.mark.long
DIFFERENT = {
    "test_weighted_endpoints_keep_their_own_paths": "not possible",
    "test_a_backend_that_is_too_slow_is_not_waited_for": "no JSON bodies",
    "test_a_silent_exchange_is_ended": "504 in place of 500",
    "test_a_circuit_breaker_refuses_what_is_too_much": "no JSON bodies",
    "test_a_mirror_gets_a_copy_and_the_caller_the_endpoints_answer": "Host of the copy",
    "test_an_origin_that_is_not_allowed_gets_no_permission": "pre-flight headers without origin",
    "test_a_browser_may_read_answers_and_refusals": "no Vary",
    "test_refusals_of_the_router_have_apks_bodies": "no JSON bodies",
    "test_callers_get_the_definition_without_a_token": "404 for 405",
    "test_resources_for_kubernetes_come_as_a_zip": "of the system API",
}
globals().update(
    {
        name: value
        for name, value in vars(own).items()
        if name not in DIFFERENT and not name.startswith("_")
    }
)


def test_each_difference_is_of_a_test_that_exists() -> None:
    assert [name for name in DIFFERENT if not hasattr(own, name)] == []


def test_only_one_api_is_not_possible(platform: OnEnvoyGateway) -> None:
    assert set(platform.not_possible) == {"paths"}
    assert "differ in path" in platform.not_possible["paths"]


def test_a_slow_backend_and_a_silent_one_are_504(call: own.Call) -> None:
    assert call("/times/1.0.0/wait/0.1").status == 200
    slow = call("/times/1.0.0/wait/3")
    assert (slow.status, slow.body) == (504, b"upstream request timeout")
    assert call("/idle/1.0.0/wait/4").status == 504


def test_a_circuit_breaker_refuses_with_503(call: own.Call) -> None:
    with ThreadPoolExecutor(6) as pool:
        answers = list(
            pool.map(lambda _: call("/breaker/1.0.0/wait/1").status, range(6))
        )
    assert set(answers) == {200, 503}
    assert call("/breaker/1.0.0/x").status == 200


def test_a_mirror_has_the_host_of_the_request(
    call: own.Call, first: Wilful, second: Wilful
) -> None:
    name = str(time.time_ns())
    seen = call(f"/mirror/1.0.0/copied/{name}?q=1", "--data", "body").json()
    assert (seen["backend"], seen["path"]) == ("first", f"/base/copied/{name}?q=1")
    until(lambda: any(name in item["path"] for item in second.seen))
    (copy,) = [item for item in second.seen if name in item["path"]]
    assert (copy["body"], copy["headers"]["host"]) == (
        "body",
        f"127.0.0.1:{first.port}",
    )


@pytest.mark.parametrize("origin", ["https://evil.example", "http://app.example"])
def test_another_origin_gets_no_permission(call: own.Call, origin: str) -> None:
    plain = call("/cors/1.0.0/open", "-H", f"Origin: {origin}")
    assert [name for name in plain.headers if name.startswith("access-control-")] == []
    asked = call("/cors/1.0.0/open", *own.preflight(origin))
    assert (asked.status, "access-control-allow-origin" in asked.headers) == (
        200,
        False,
    )


def test_an_allowed_origin_may_read_answers_and_refusals(call: own.Call) -> None:
    origin = "https://app.example"
    for path, status in (("/cors/1.0.0/open", 200), ("/cors/1.0.0/closed", 401)):
        answer = call(path, "-H", f"Origin: {origin}")
        permitted = answer.headers["access-control-allow-origin"]
        assert (answer.status, permitted, "vary" in answer.headers) == (
            status,
            origin,
            False,
        )


def test_what_is_not_there_is_404_and_what_does_not_answer_503(
    platform: OnEnvoyGateway, admin: str, call: own.Call
) -> None:
    operations = "- {target: /x, verb: GET, secured: false}"
    endpoint = own.production('{endpoint: "http://127.0.0.1:1"}')
    own.deploy(platform, admin, "broken", endpoint, operations)
    assert call("/broken/1.0.0/x").status == 503
    assert call("/broken/1.0.0/none").status == 404
    assert call("/broken/1.0.0/x", "-X", "POST").status == 404


def test_callers_get_the_definition(call: own.Call) -> None:
    answer = call("/weighted/1.0.0/api-definition", "-H", "Authorization: nonsense")
    assert (answer.status, answer.body.decode()) == (200, own.DEFINITION)
    assert answer.headers["content-type"] == "application/yaml"
    assert call("/weighted/1.0.0/api-definition", "-X", "POST").status == 404
