"""Faults on two nodes under load: a node that is killed, and a database server that is killed."""

from __future__ import annotations

import contextlib
import json
import os
import signal
import socket
import threading
from collections.abc import Iterator

import pytest

from flows import code_for, redeem, refresh
from harness import BASIC, DEFINITION, Platform, conf
from node_pair import Load, Pair, call, deployed, node_pair
from person import Person, over_https
from postgres import PostgresServer
from waiting import awaited, until

pytestmark = pytest.mark.long


@pytest.fixture(scope="module")
def nodes(
    postgres: PostgresServer, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Pair]:
    url = postgres.database()
    with node_pair(
        tmp_path_factory.mktemp("kapi"), (url, url), postgres.password
    ) as pair:
        yield pair


def ids(node: Platform) -> set[str]:
    return {
        api["id"] for api in json.loads(node.cli("apis", "-o", "json").stdout)["apis"]
    }


def person_at(node: Platform) -> Person:
    return Person(over_https(node.port, address=node.address))


class Deploying:
    """Deploys one API after the other at a node until it is gone; the names that were answered."""

    def __init__(self, node: Platform, prefix: str, port: int, token: str) -> None:
        self._node, self._prefix, self._port, self._token = node, prefix, port, token
        self.answered: list[str] = []
        self.thread = threading.Thread(target=self._run)
        self.thread.start()

    def _run(self) -> None:
        for number in range(100):
            name = f"{self._prefix}-{number}"
            text = conf(name, f"/{name}", port=self._port)
            try:
                answer = self._node.deploy(text, DEFINITION, self._token)
            except AssertionError:  # of curl: the node is gone
                return
            if answer.status != 200:
                return
            self.answered.append(name)


def is_reachable(node: Platform) -> bool:
    with contextlib.suppress(OSError):
        socket.create_connection((node.address, node.port), 5).close()
        return True
    return False


def test_a_node_that_is_killed_while_it_deploys_leaves_no_half_api(
    nodes: Pair, echo: int
) -> None:
    a, b = nodes
    deployed(b, "Steady", echo)
    token, create = b.token(), b.token("apk:api_create")
    until(lambda: call(b, "/steady", token).status == 200)
    with Load(b, "/steady/1.0.0/items", token) as load:
        for turn in range(3):
            deploying = Deploying(a, f"k{turn}", echo, create)
            until(lambda found=deploying.answered, least=2 + turn: len(found) >= least)
            assert a.process is not None
            os.kill(a.process.pid, signal.SIGKILL)
            a.process.wait(30)
            deploying.thread.join(60)
            for name in deploying.answered:
                until(lambda name=name: call(b, f"/{name}", token).status == 200)
            until(lambda: not is_reachable(a))
            a.start()
            assert ids(a) == ids(b)
            for name in deploying.answered:
                assert call(a, f"/{name}", token).status == 200
    assert set(load.statuses) == {200}
    assert len(load.statuses) > 100


def test_no_call_fails_and_nothing_answered_is_lost_while_the_database_is_killed(
    nodes: Pair, postgres: PostgresServer, echo: int
) -> None:
    a, b = nodes
    deployed(a, "Calm", echo)
    token, create = a.token(), a.token("apk:api_create")
    until(lambda: call(b, "/calm", token).status == 200)
    answered: list[str] = []
    refreshed = redeem(
        person_at(a), code_for(person_at(a), scope="openid default")
    ).json()
    newest, stopped = [refreshed["refresh_token"]], threading.Event()

    def deploy() -> None:
        for number in range(1000):
            if stopped.is_set():
                return
            name = f"d{number}"
            answer = nodes[number % 2].deploy(
                conf(name, f"/{name}", port=echo), DEFINITION, create
            )
            assert answer.status in {200, 503}, answer.body
            if answer.status == 200:
                answered.append(name)

    def renew() -> None:
        for number in range(1000):
            if stopped.is_set():
                return
            answer = refresh(person_at(nodes[number % 2]), newest[-1])
            assert answer.status in {200, 503, 400}, answer.text
            if answer.status == 400:
                # The commit came through, and the answer did not: the family has ended.
                newest.clear()
                return
            if answer.status == 200:
                newest.append(answer.json()["refresh_token"])

    works = [threading.Thread(target=work) for work in (deploy, renew)]
    with (
        Load(a, "/calm/1.0.0/items", token) as one,
        Load(b, "/calm/1.0.0/items", token) as other,
    ):
        for work in works:
            work.start()
        for how in (signal.SIGKILL, signal.SIGINT, signal.SIGKILL):
            before = len(answered)
            until(lambda before=before: len(answered) > before + 2)
            postgres.stop(how)
            assert [
                node.request(
                    "idp.am.wso2.com",
                    "/oauth2/token",
                    "-H",
                    f"Authorization: Basic {BASIC}",
                    "-d",
                    "grant_type=client_credentials",
                ).status
                for node in nodes
            ] == [200, 200]
            postgres.start()
        before = len(answered)
        until(lambda: len(answered) > before + 2)
        stopped.set()
        for work in works:
            work.join(60)
    assert set(one.statuses) == set(other.statuses) == {200}
    for node in nodes:
        for name in answered:
            until(
                lambda node=node, name=name: call(node, f"/{name}", token).status == 200
            )
    assert awaited(lambda: ids(a), lambda found: found == ids(b))
    if newest:
        # The newest token that was answered is good, once.
        assert refresh(person_at(b), newest[-1]).status == 200
        assert refresh(person_at(a), newest[-1]).status == 400


def test_a_database_that_hangs_with_open_connections_is_noticed(
    nodes: Pair, postgres: PostgresServer, echo: int
) -> None:
    """Readiness says so, what needs it is answered 503, and all goes on by itself afterwards."""
    a, b = nodes
    deployed(a, "Frozen", echo)
    token, doomed = a.token(), a.token()
    until(lambda: call(b, "/frozen", token).status == 200)
    form = ("-H", f"Authorization: Basic {BASIC}", "-d", f"token={doomed}")
    with (
        Load(a, "/frozen/1.0.0/items", token) as one,
        Load(b, "/frozen/1.0.0/items", token) as two,
    ):
        postgres.freeze()
        try:
            for node in nodes:
                state = awaited(
                    lambda node=node: node.api("/readyz?verbose"),
                    lambda answer: (
                        b"the database has not answered since" in answer.body
                    ),
                )
                assert state.status == 200
                assert (
                    node.request("idp.am.wso2.com", "/oauth2/revoke", *form).status
                    == 503
                )
                assert node.token()
        finally:
            postgres.thaw()
        awaited(
            lambda: b.request("idp.am.wso2.com", "/oauth2/revoke", *form),
            lambda answer: answer.status == 200,
        )
        until(lambda: call(a, "/frozen", doomed).status == 401)
        deployed(b, "Thawed", echo)
        until(lambda: call(a, "/thawed", token).status == 200)
    for load in (one, two):
        assert set(load.statuses) == {200}
