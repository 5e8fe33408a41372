"""Three nodes, of which one has a clock 45 seconds late and one 45 seconds early ."""

from __future__ import annotations

import json
import subprocess
from collections import Counter
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from flows import code_for, redeem, refresh
from harness import BASIC, Platform
from node_pair import call, deployed, several_nodes
from person import Person, over_https
from postgres import PostgresServer
from redis_server import redis_server
from waiting import until

pytestmark = pytest.mark.long
SECONDS = 45


def clock(library: Path, seconds: int) -> dict[str, str]:
    """The environment of a node whose clock is wrong by these seconds."""
    return {"LD_PRELOAD": str(library), "SKEW_SECONDS": str(seconds)}


@pytest.fixture(scope="module")
def nodes(
    postgres: PostgresServer, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[list[Platform]]:
    url = postgres.database()
    with redis_server() as redis:
        shared = {"KAPI_LIMITS__REDIS": redis.url}
        folder = tmp_path_factory.mktemp("three")
        library = folder / "skewed_clock.so"
        source = Path(__file__).with_name("skewed_clock.c")
        subprocess.run(
            ["cc", "-shared", "-fPIC", "-o", str(library), str(source), "-ldl"],
            check=True,
        )
        wrong = [clock(library, seconds) for seconds in (-SECONDS, SECONDS)]
        environments = [shared, *(shared | item for item in wrong)]
        with several_nodes(
            folder, [url] * 3, [postgres.password], environments
        ) as made:
            yield made


def person_at(node: Platform) -> Person:
    return Person(over_https(node.port, address=node.address))


def clock_of(node: Platform) -> str:
    """What readiness says about the clock; the status is 200 in any case."""
    answer = node.api("/readyz?verbose")
    assert answer.status == 200
    (line,) = [line for line in answer.body.decode().splitlines() if "]clock" in line]
    return line


def test_readiness_names_the_nodes_whose_clocks_are_wrong(
    nodes: list[Platform],
) -> None:
    right, late, early = map(clock_of, nodes)
    assert right == "[+]clock ok"
    assert "s late" in late
    assert "s early" in early


def test_deployments_and_limits_hold_on_all_whatever_their_clocks(
    nodes: list[Platform], echo: int
) -> None:
    limit = "{requestsPerUnit: 30, unit: Hour}"
    for number, node in enumerate(nodes):
        operations = (
            '- {target: "/free", verb: GET, secured: false}\n'
            f'- {{target: "/open", verb: GET, secured: false, rateLimit: {limit}}}\n'
        )
        deployed(node, f"By{number}", echo, operations=operations)
    for number in range(3):
        for node in nodes:
            until(
                lambda n=node, b=f"/by{number}": call(n, b, path="/free").status == 200
            )
    with ThreadPoolExecutor(6) as threads:
        answers = threads.map(
            lambda turn: call(nodes[turn % 3], "/by1", path="/open").status, range(60)
        )
        assert Counter(answers) == {200: 30, 429: 30}


def test_a_code_is_used_once_and_a_revoked_token_refused_by_all(
    nodes: list[Platform], echo: int
) -> None:
    right, late, early = nodes
    deployed(early, "Revoked", echo)
    for issuer, other in ((right, late), (right, early), (early, late)):
        code = code_for(person_at(issuer), scope="openid default")
        tokens = redeem(person_at(other), code)
        assert tokens.status == 200, tokens.text
        assert redeem(person_at(issuer), code).status == 400
        # The second use of the code has ended what the first one issued.
        assert refresh(person_at(other), tokens.json()["refresh_token"]).status == 400
    token = late.token()
    for node in nodes:
        until(lambda node=node: call(node, "/revoked", token).status == 200)
    form = ("-H", f"Authorization: Basic {BASIC}", "-d", f"token={token}")
    assert early.request("idp.am.wso2.com", "/oauth2/revoke", *form).status == 200
    for node in nodes:
        until(lambda node=node: call(node, "/revoked", token).status == 401)


def test_all_nodes_are_alive_and_a_killed_one_is_shown_as_away(
    nodes: list[Platform],
) -> None:
    def alive() -> list[bool]:
        shown = nodes[1].cli("nodes", "-o", "json").stdout
        return sorted(node["alive"] for node in json.loads(shown)["nodes"])

    assert alive() == [True] * 3
    process = nodes[2].process
    assert process is not None
    process.kill()
    process.wait(30)
    until(lambda: alive() == [False, True, True])
    nodes[2].start()
    until(lambda: alive() == [True] * 3)
