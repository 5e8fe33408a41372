"""The keys of an issuer over time: the whole rotation matrix, against a real https server, without
waiting for clocks.
"""

from __future__ import annotations

import json
import threading
from collections.abc import Iterator
from functools import partial
from http.server import BaseHTTPRequestHandler, HTTPServer
from pathlib import Path
from typing import Any

import pytest

from kapi.fetch import FetchOptions, get
from kapi.identity.issuers.declaration import Issuer, declare
from kapi.identity.issuers.fetching import fetch_keys
from kapi.identity.issuers.following import Followed, Pace
from kapi.identity.issuers.trust import Trust
from kapi.settings import GatewaySettings, IssuerSettings, Settings
from kapi.store import Store
from kapi.store.issuers import IssuerStore, StoredKeys
from standin import Key, StandIn

A, B, C = Key.make("a"), Key.make("b"), Key.make("c", "ES256")
SAME_KID = Key("a", "RS256", B.private)
PACE = Pace(refresh=300, cooldown=10)


class Clock:
    def __init__(self) -> None:
        self.time = 1000.0

    def __call__(self) -> float:
        return self.time


@pytest.fixture(scope="module")
def server() -> Iterator[StandIn]:
    standin = StandIn().start()
    yield standin
    standin.stop()


@pytest.fixture
def standin(server: StandIn) -> StandIn:
    server.mode, server.keys, server.headers = "ok", [A.jwk()], {}
    server.requests.clear()
    server.discover(server.url)
    return server


def issuer_of(standin: StandIn, **fields: Any) -> Issuer:
    assert standin.ca is not None
    return declare(
        IssuerSettings(
            name="x", issuer=standin.url, ca=Path(standin.ca).read_text(), **fields
        )
    )


def follow(
    standin: StandIn,
    kept: StoredKeys | None = None,
    timeout: float = 1.0,
    **fields: Any,
) -> tuple[Followed, list[tuple[str, ...]]]:
    """An issuer whose keys are fetched when the test says so; and every set of kids that was told
    to the gateway.
    """
    told: list[tuple[str, ...]] = []
    issuer = issuer_of(standin, **fields)
    fetch = partial(
        fetch_keys, issuer, get, FetchOptions(512 * 1024, timeout, allow_private=True)
    )
    followed = Followed(
        issuer,
        fetch=fetch,
        kept=kept,
        changed=lambda item: told.append(item.state.keys.kids),
        pace=PACE,
        now=lambda: 5000,
        clock=Clock(),
    )
    return followed, told


def step(
    followed: Followed, standin: StandIn, *keys: dict[str, Any]
) -> tuple[str, ...]:
    standin.keys = list(keys)
    followed.fetch_now()
    return followed.state.keys.kids


def test_early_publish_overlap_and_removal(standin: StandIn) -> None:
    followed, told = follow(standin)
    assert step(followed, standin, A.jwk()) == ("a",)
    assert step(followed, standin, A.jwk(), B.jwk()) == ("a", "b"), (
        "the next key is published before it is used"
    )
    assert step(followed, standin, B.jwk(), A.jwk()) == ("b", "a"), (
        "both are accepted while tokens of the old one live"
    )
    assert step(followed, standin, B.jwk()) == ("b",), (
        "a key that is removed is not accepted any more"
    )
    assert told[-1] == ("b",)


def test_a_hard_cut_and_the_same_kid_with_a_new_key(standin: StandIn) -> None:
    followed, told = follow(standin)
    step(followed, standin, A.jwk())
    assert step(followed, standin, C.jwk()) == ("c",)
    step(followed, standin, A.jwk())
    before = followed.state.keys.jwks()
    assert step(followed, standin, SAME_KID.jwk()) == ("a",)
    assert followed.state.keys.jwks() != before
    assert told == [("a",), ("c",), ("a",), ("a",)]


def test_an_added_encryption_key_and_a_kid_that_stands_twice(standin: StandIn) -> None:
    followed, told = follow(standin)
    step(followed, standin, A.jwk())
    assert step(followed, standin, A.jwk(), B.jwk(use="enc", alg="RSA-OAEP")) == ("a",)
    assert told == [("a",)], "the gateway hears nothing of it"
    assert step(followed, standin, A.jwk(), A.jwk()) == ("a",)
    assert step(followed, standin, A.jwk(), SAME_KID.jwk()) == ("a", "a")


def test_entity_tags_and_304(standin: StandIn) -> None:
    followed, told = follow(standin)
    for _ in range(3):
        followed.fetch_now()
    assert [status for _, path, status in standin.requests if path == "/jwks"] == [
        200,
        304,
        304,
    ]
    assert (
        told,
        followed.state.keys.kids,
        followed.state.fetches,
        followed.state.failures,
    ) == (
        [("a",)],
        ("a",),
        3,
        0,
    )
    assert step(followed, standin, B.jwk()) == ("b",)


@pytest.mark.parametrize(
    ("mode", "reason"),
    [
        ("500", "answered 500"),
        ("404", "answered 404"),
        ("reset", "could not be fetched"),
        ("hang", "took too long"),
        ("drip", "took too long"),
        ("huge", "larger than"),
        ("redirect https://127.0.0.1:1/jwks", "another host"),
        ("redirect http://169.254.169.254/", "another host"),
        ("body", "not a JWK Set"),
        ("body <html>", "not a JWK Set"),
        ('body {"keys":[]}', "no usable key"),
        ('body {"keys":[{"kty":"oct","k":"AA"}]}', "it is symmetric"),
        ('body {"keys":{}}', "not a JWK Set"),
        ("body " + "[" * 20000, "not a JWK Set"),
    ],
)
def test_whatever_goes_wrong_the_last_good_keys_stay(
    standin: StandIn, mode: str, reason: str
) -> None:
    followed, told = follow(standin)
    followed.fetch_now()
    standin.mode = mode if mode != "body" else "body "
    followed.fetch_now()
    state = followed.state
    assert reason in state.error
    assert (state.keys.kids, state.failures, state.failing, told) == (
        ("a",),
        1,
        1,
        [("a",)],
    )
    standin.mode = "ok"
    assert step(followed, standin, B.jwk()) == ("b",)
    assert (followed.state.error, followed.state.failing, followed.state.failures) == (
        "",
        0,
        1,
    )


def test_keys_of_the_last_time_serve_until_the_issuer_answers(standin: StandIn) -> None:
    followed, _ = follow(standin)
    followed.fetch_now()
    kept = StoredKeys(
        "x",
        followed.issuer.source,
        followed.state.keys.jwks(),
        followed.state.jwks_uri,
        followed.state.etag,
        1,
        1,
    )
    standin.mode = "500"
    again, told = follow(standin, kept)
    assert again.state.keys.kids == ("a",)
    again.fetch_now()
    assert (again.state.keys.kids, told) == (("a",), [])
    # What was fetched for another declaration is not used: the issuer, its address or its
    # algorithms may be others.
    other, _ = follow(standin, kept, algorithms=("ES256",))
    assert other.state.keys.kids == ()


def test_a_document_of_another_issuer_is_not_believed(standin: StandIn) -> None:
    for said in (
        "https://evil.example",
        standin.url + "/",
        standin.url.upper(),
        None,
        7,
    ):
        standin.discover(said)  # type: ignore[arg-type]
        followed, _ = follow(standin)
        followed.fetch_now()
        assert "says the issuer is" in followed.state.error
        assert followed.state.keys.keys == ()


@pytest.mark.parametrize(
    "uri",
    [
        "http://example.com/jwks",
        "file:///etc/passwd",
        "",
        None,
        ["x"],
        "https://[",
        "//x",
    ],
)
def test_a_document_that_leads_elsewhere_is_not_followed(
    standin: StandIn, uri: Any
) -> None:
    standin.documents["/.well-known/openid-configuration"] = {
        "issuer": standin.url,
        "jwks_uri": uri,
    }
    followed, _ = follow(standin)
    followed.fetch_now()
    assert followed.state.failures == 1
    assert followed.state.keys.keys == ()


def test_keys_come_over_plain_http_from_a_name_that_the_settings_put_on_loopback(
    tmp_path: Path,
) -> None:
    key = Key.make("plain")
    documents: dict[str, dict[str, Any]] = {
        "/.well-known/openid-configuration": {
            "issuer": "http://idp.internal",
            "jwks_uri": "http://idp.internal/keys",
        },
        "/keys": {"keys": [key.jwk()]},
    }

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            body = json.dumps(documents[self.path]).encode()
            self.send_response(200)
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)

        def log_message(self, *_: Any) -> None: ...

    with HTTPServer(("127.0.0.1", 0), Handler) as server:
        thread = threading.Thread(target=server.serve_forever)
        thread.start()
        gateway = GatewaySettings(
            hosts={"idp.internal": f"127.0.0.1:{server.server_port}"}
        )
        kept = IssuerStore(Store.open(tmp_path / "kapi.db").database)
        trust = Trust(
            settings=Settings(tmp_path, gateway=gateway),
            store=kept,
            get=get,
            inbuilt=None,
        )
        try:
            followed = trust.add(
                IssuerSettings(name="plain", issuer="http://idp.internal")
            )
            assert [item.kid for item in followed.state.keys.keys] == ["plain"]
            # What this machine says does not lead off it without TLS.
            documents["/.well-known/openid-configuration"]["jwks_uri"] = (
                "http://127.0.0.2.example/keys"
            )
            followed.fetch_now()
            assert followed.state.error
        finally:
            server.shutdown()
            thread.join()


def test_an_untrusted_certificate_is_refused(standin: StandIn) -> None:
    issuer = declare(IssuerSettings(name="x", issuer=standin.url))
    fetch = partial(
        fetch_keys, issuer, get, FetchOptions(512 * 1024, 1, allow_private=True)
    )
    followed = Followed(
        issuer,
        fetch=fetch,
        kept=None,
        changed=lambda _: None,
        pace=PACE,
        now=lambda: 0,
        clock=Clock(),
    )
    followed.fetch_now()
    assert "TLS" in followed.state.error


def test_private_networks_are_fetched_from_only_when_allowed(standin: StandIn) -> None:
    issuer = issuer_of(standin)
    fetch = partial(
        fetch_keys, issuer, get, FetchOptions(512 * 1024, 1, allow_private=False)
    )
    followed = Followed(
        issuer,
        fetch=fetch,
        kept=None,
        changed=lambda _: None,
        pace=PACE,
        now=lambda: 0,
        clock=Clock(),
    )
    followed.fetch_now()
    assert "not to be fetched from" in followed.state.error
    assert standin.requests == []


@pytest.mark.parametrize(
    ("control", "seconds"),
    [
        ("", 300),
        ("max-age=60", 60),
        ("public, max-age=86400", 300),
        ("max-age=1", 10),
        ("no-store", 10),
        ("no-cache", 10),
        ("max-age=x", 300),
    ],
)
def test_the_issuers_cache_control_decides_within_bounds(
    standin: StandIn, control: str, seconds: int
) -> None:
    standin.headers = {"Cache-Control": control} if control else {}
    followed, _ = follow(standin)
    followed.fetch_now()
    assert followed.due() == seconds


def test_unknown_keys_make_one_fetch_per_cool_down(standin: StandIn) -> None:
    followed, _ = follow(standin)
    followed.fetch_now()
    assert followed.due() == 300
    followed.unknown_key()
    assert followed.due() == 0, "the first is looked for at once"
    followed.fetch_now()
    for _ in range(1000):
        followed.unknown_key()
    assert followed.due() == PACE.cooldown, "a thousand made-up key ids cost one fetch"


def test_an_issuer_that_fails_is_tried_again_soon_and_then_less_often(
    standin: StandIn,
) -> None:
    standin.mode = "500"
    followed, _ = follow(standin)
    waits = []
    for _ in range(10):
        followed.fetch_now()
        waits.append(followed.due())
    assert waits == [2, 4, 8, 16, 32, 64, 128, 256, 300, 300]


def test_the_set_that_the_gateway_gets_has_public_members_only(
    standin: StandIn,
) -> None:
    followed, _ = follow(standin)
    step(
        followed,
        standin,
        A.jwk(d="secret", p="secret"),
        B.jwk(x5c=["x"], oth="y"),
        C.jwk(),
    )
    entries = json.loads(followed.state.keys.jwks())["keys"]
    assert {name for entry in entries for name in entry} == {
        "kty",
        "n",
        "e",
        "crv",
        "x",
        "y",
        "kid",
        "use",
        "alg",
    }
    assert {entry["kid"] for entry in entries} == {"b", "c"}
