"""The configuration stream against the real Envoy: confirmation, refusal, rollback, restarts of
either side.
"""

from __future__ import annotations

import http.client
import signal
import stat
import threading
import time
from collections.abc import Iterator

import pytest
from live_gateway import Gateway, api, backend, gateway, operation

from kapi import run_files
from kapi.apis.ir import Api, Endpoint
from kapi.errors import GatewayLost, GatewayRejected, GatewayUnavailable
from kapi.gateway.envoy.resources.names import CLUSTER, EXTENSION, SCOPE
from kapi.gateway.envoy.resources.render import render_backends, render_scope
from kapi.gateway.envoy.resources.resource import Resource
from kapi.gateway.envoy.stream.encode import encode
from kapi.gateway.envoy.stream.schema import JWT_TYPE
from kapi.gateway.envoy.stream.server import Publisher
from kapi.policies.contract import PLACEHOLDER
from waiting import until

# A thread that ends with an exception prints a traceback into the log.
pytestmark = pytest.mark.filterwarnings(
    "error::pytest.PytestUnhandledThreadExceptionWarning"
)


@pytest.fixture(scope="module")
def port() -> Iterator[int]:
    with backend() as number:
        yield number


@pytest.fixture
def live() -> Iterator[Gateway]:
    with gateway() as it:
        yield it


def simple(port: int, name: str, target: str = "/x") -> Api:
    return api(
        f"/{name}",
        [operation("GET", target, Endpoint("http", "127.0.0.1", port), secured=False)],
    )


def bad_scope(live: Gateway, name: str) -> Resource:
    """Envoy finds the mistake: a regular expression that does not compile."""
    scope = render_scope(name, [simple(1, name)], live.context)
    assert scope is not None
    scope["route_configuration"]["virtual_hosts"][0]["routes"][0]["match"][
        "safe_regex"
    ]["regex"] = "a("
    return encode(SCOPE, scope)


def test_a_published_api_answers_at_once_and_a_removed_one_no_more(
    live: Gateway, port: int
) -> None:
    for number in range(10):
        live.put(simple(port, f"a{number}"))
        assert live.call(f"/a{number}/1.0.0/x").status == 200
    live.publisher.publish([], [(SCOPE, "a3")])
    assert live.call("/a3/1.0.0/x").status == 404
    assert live.call("/a4/1.0.0/x").status == 200
    status = live.publisher.status()
    assert (status.connected, status.last_error) == (1, "")


def test_a_refusal_carries_envoys_sentence_and_changes_nothing(
    live: Gateway, port: int
) -> None:
    live.put(simple(port, "good"))
    before = live.publisher.status().confirmed
    with pytest.raises(GatewayRejected, match=r"missing \)"):
        live.publisher.publish(
            [
                encode(CLUSTER, {**render_backends([simple(9, "z")], live.context)[0]}),
                bad_scope(live, "fresh"),
            ]
        )
    assert live.publisher.status().confirmed == before
    assert live.call("/fresh/1.0.0/x").status == 404
    with pytest.raises(GatewayRejected):
        live.publisher.publish([bad_scope(live, "good")])
    assert live.call("/good/1.0.0/x").status == 200
    live.put(simple(port, "fresh"))
    live.put(simple(port, "good", "/y"))
    assert live.call("/fresh/1.0.0/x").status == 200
    assert live.call("/good/1.0.0/y").status == 200
    assert live.call("/good/1.0.0/x").status == 404


def test_a_refused_cluster_is_taken_back(live: Gateway, port: int) -> None:
    cluster = render_backends([simple(port, "a")], live.context)[0]
    with pytest.raises(GatewayRejected):
        live.publisher.publish([encode(CLUSTER, {**cluster, "connect_timeout": "0s"})])
    live.put(simple(port, "a"))
    assert live.call("/a/1.0.0/x").status == 200


def test_after_kill_9_envoy_gets_everything_again(live: Gateway, port: int) -> None:
    live.put(simple(port, "a"))
    live.stop_envoy(signal.SIGKILL)
    live.start_envoy()
    live.wait_ready()
    assert live.call("/a/1.0.0/x").status == 200
    until(lambda: live.publisher.status().live)
    live.put(simple(port, "b"))
    assert live.call("/b/1.0.0/x").status == 200


def test_an_envoy_that_ends_while_it_is_told_changes_nothing(
    live: Gateway, port: int
) -> None:
    item = simple(port, "a")
    live.put(item)
    pause = live.envoy
    assert pause is not None
    pause.send_signal(signal.SIGSTOP)
    try:
        failed: list[Exception] = []

        def publish() -> None:
            try:
                live.publisher.publish([], [(SCOPE, "a")])
            except GatewayLost as error:
                failed.append(error)

        thread = threading.Thread(target=publish)
        thread.start()
        until(lambda: live.publisher.wanted([(SCOPE, "a")]) == {(SCOPE, "a"): None})
    finally:
        pause.send_signal(signal.SIGKILL)
    thread.join(30)
    assert len(failed) == 1
    live.stop_envoy()
    live.start_envoy()
    live.wait_ready()
    assert live.call("/a/1.0.0/x").status == 200


def test_a_deployment_while_envoy_restarts_waits_for_it(
    live: Gateway, port: int
) -> None:
    live.stop_envoy(signal.SIGKILL)
    until(lambda: live.publisher.status().connected == 0)
    assert not live.publisher.status().live
    live.start_envoy()
    live.put(simple(port, "a"))
    live.wait_ready()
    assert live.call("/a/1.0.0/x").status == 200


def test_without_envoy_nothing_is_changed() -> None:
    with gateway(start=False, timeout=0.2) as live:
        live.publisher.set_initial(live.base())
        live.publisher.start()
        with pytest.raises(GatewayUnavailable):
            live.put(simple(1, "a"))
        live.apis.clear()
        live.start_envoy()
        live.wait_ready()
        assert live.call("/a/1.0.0/x").status == 404


def test_an_envoy_that_hangs_is_reported_and_the_change_is_taken_back(
    port: int,
) -> None:
    with gateway(timeout=0.3) as live:
        assert live.envoy is not None
        live.envoy.send_signal(signal.SIGSTOP)
        with pytest.raises(GatewayUnavailable, match="did not confirm"):
            live.put(simple(port, "a"))
        live.envoy.send_signal(signal.SIGCONT)
        until(lambda: live.publisher.status().connected == 1)
        live.put(simple(port, "b"))
        assert live.call("/b/1.0.0/x").status == 200
        assert live.call("/a/1.0.0/x").status == 404


def test_traffic_survives_a_restart_of_the_control_process(
    live: Gateway, port: int
) -> None:
    live.put(simple(port, "a"), simple(port, "gone"))
    failures: list[object] = []
    stop = threading.Event()

    def call() -> None:
        connection = live.connect("default.gw.wso2.com")
        while not stop.is_set():
            connection.request(
                "GET", "/a/1.0.0/x", headers={"Host": "default.gw.wso2.com"}
            )
            answer: http.client.HTTPResponse = connection.getresponse()
            answer.read()
            if answer.status != 200:
                failures.append(answer.status)
            time.sleep(0.002)

    caller = threading.Thread(target=call)
    caller.start()
    live.publisher.stop()
    until(lambda: live.publisher.status().connected == 0)
    del live.apis["default-gone-1.0.0"]
    sent: list[str] = []
    again = Publisher(run_files.xds_socket(live.settings), timeout=10)
    again.set_initial(live.base())
    again.start()
    live.publisher = again
    until(lambda: again.status().connected == 1)
    live.put(simple(port, "b"))
    assert live.call("/b/1.0.0/x").status == 200
    assert live.call("/gone/1.0.0/x").status == 404
    stop.set()
    caller.join(5)
    assert not caller.is_alive()
    assert (failures, sent) == ([], [])


def test_many_scopes_arrive_together_and_a_bad_one_spoils_none(port: int) -> None:
    with gateway(start=False) as live:
        live.apis = {
            item.id: item
            for item in (simple(port, f"s{number}") for number in range(200))
        }
        live.publisher.set_initial([*live.base(), bad_scope(live, "bad")])
        live.publisher.start()
        live.start_envoy()
        live.wait_ready()
        until(lambda: live.call("/s199/1.0.0/x").status == 200)
        until(lambda: live.publisher.status().confirmed >= 200)
        assert {
            live.call(f"/s{number}/1.0.0/x").status for number in (0, 1, 77, 100, 198)
        } == {200}
        assert "missing )" in live.publisher.status().last_error
        live.put(simple(port, "s77", "/y"))
        assert live.call("/s77/1.0.0/y").status == 200


def test_the_sockets_are_for_their_owner_only(live: Gateway) -> None:
    for path in (run_files.xds_socket(live.settings), live.admin):
        assert stat.S_IMODE(path.stat().st_mode) == 0o600


def test_a_new_name_is_resolved_before_its_routes_are_there(
    live: Gateway, port: int
) -> None:
    live.put(
        api(
            "/dns",
            [
                operation(
                    "GET", "/x", Endpoint("http", "localhost", port), secured=False
                )
            ],
        )
    )
    reply = live.call("/dns/1.0.0/x")
    assert (reply.status, reply.json["headers"]["host"]) == (200, f"localhost:{port}")


def test_a_name_that_does_not_exist_does_not_hold_up_a_deployment(
    live: Gateway,
) -> None:
    """One that waits for the name would raise GatewayUnavailable."""
    live.put(
        api(
            "/dns",
            [
                operation(
                    "GET", "/x", Endpoint("http", "nowhere.invalid", 80), secured=False
                )
            ],
        )
    )
    assert live.call("/dns/1.0.0/x").status == 503


def test_a_claim_with_dots_in_its_name_is_encoded_as_one_name() -> None:
    """The published classes of Envoy's messages lack the field."""
    rule = {"header_name": "x-role", "claim_path": [{"key": "https://a.example/role"}]}
    issuer = {
        "issuer": "a",
        "local_jwks": {"inline_string": '{"keys":[]}'},
        "claim_to_headers": [rule],
    }
    config = {"@type": JWT_TYPE, "providers": {"a": issuer}}
    named = encode(EXTENSION, {"name": "tokens", "typed_config": config})
    assert b"https://a.example/role" in named.body


def test_encoding_leaves_what_it_is_given_as_it_was() -> None:
    """Renderers share dictionaries between threads; protobuf's reader takes the type out of them
    for a moment.
    """

    class Watched(dict[str, object]):
        def __delitem__(self, key: str) -> None:
            raise AssertionError(key)

        def __deepcopy__(self, memo: object) -> dict[str, object]:
            return dict(self)

    config = Watched(
        {"@type": "type.googleapis.com/envoy.extensions.filters.http.router.v3.Router"}
    )
    assert (
        encode(EXTENSION, {"name": "router", "typed_config": config}).name == "router"
    )


def test_a_message_without_fields_needs_no_published_class() -> None:
    """Envoy 1.40 has filters that the published classes lack."""
    made = encode(EXTENSION, {"name": "nothing", "typed_config": dict(PLACEHOLDER)})
    assert PLACEHOLDER["@type"].encode() in made.body
