"""`kapi issuer test` over the network: which step fails, why, and what the hint says.

The network is a table of documents.
"""

from __future__ import annotations

import json
import time
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from email.utils import formatdate
from typing import Any

import pytest

from kapi.errors import Unfetched
from kapi.fetch import Document, FetchOptions
from kapi.identity.issuers.declaration import Issuer
from kapi.identity.issuers.fetching import Fetched
from kapi.identity.issuers.following import Followed, Pace
from kapi.identity.issuers.trials.issuer import Step, trial
from standin import Key

NOW = 1_800_000_000
NAME = "https://idp.example"
DISCOVERY, JWKS = f"{NAME}/.well-known/openid-configuration", f"{NAME}/keys"
A, B = Key.make("a", "ES256"), Key.make("b", "EdDSA")
WEAK = Key.make("weak", bits=1024)
OPTIONS = FetchOptions(10_000, 5.0, allow_private=False)


def declared(**fields: Any) -> Issuer:
    """An issuer whose keys are discovered."""
    return replace(Issuer("idp", "oidc", NAME, DISCOVERY, ""), **fields)


def key_set(*keys: Key) -> bytes:
    return json.dumps({"keys": [key.jwk() for key in keys]}).encode()


@dataclass
class Network:
    """Documents and faults by address, and with which options each was fetched."""

    date: str = formatdate(NOW, usegmt=True)
    found: dict[str, bytes | Unfetched] = field(default_factory=dict)
    asked: list[tuple[str, FetchOptions, Mapping[str, str]]] = field(
        default_factory=list
    )

    def __call__(
        self, url: str, options: FetchOptions, headers: Mapping[str, str]
    ) -> Document:
        self.asked.append((url, options, headers))
        found = self.found.get(url, Unfetched("status", f"{url} answered 404"))
        if isinstance(found, Unfetched):
            raise found
        return Document(200, {"date": self.date} if self.date else {}, found)


@pytest.fixture
def network() -> Network:
    made = Network()
    made.found[DISCOVERY] = json.dumps({"issuer": NAME, "jwks_uri": JWKS}).encode()
    made.found[JWKS] = key_set(A)
    return made


def followed(issuer: Issuer, *keys: Key, ago: int = 0) -> Followed:
    """The issuer with these keys in force, confirmed some seconds ago."""
    made = Followed(
        issuer,
        fetch=lambda _etag, _uri: Fetched(key_set(*keys), JWKS, "", None),
        kept=None,
        changed=lambda _: None,
        pace=Pace(3600, 10),
        now=lambda: float(NOW - ago),
        clock=time.monotonic,
    )
    if keys:
        made.fetch_now()
    return made


def tried(
    network: Network,
    in_force: Followed | None = None,
    token: str = "",
    now: float = NOW,
) -> list[Step]:
    in_force = in_force or followed(declared(), A)
    return list(trial(in_force, token, network, OPTIONS, now))


def named(steps: list[Step], name: str) -> list[Step]:
    return [step for step in steps if step.step == name]


def one(steps: list[Step], name: str) -> Step:
    (step,) = named(steps, name)
    return step


def test_an_issuer_without_a_fault(network: Network) -> None:
    assert tried(network, followed(declared(), A, ago=40)) == [
        Step("discovery", "ok", f"{DISCOVERY} names {JWKS}"),
        Step("tls", "ok", "the server's certificate is valid"),
        Step("keys", "ok", f"1 usable at {JWKS}: a (ES256)"),
        Step("clock", "ok", "within 0 s of the issuer's"),
        Step("in force", "ok", "1 keys, confirmed 40 s ago"),
    ]


def test_documents_are_fetched_as_the_declaration_says(network: Network) -> None:
    tried(network, followed(declared(ca="PEM of the authority"), A))
    assert [url for url, _, _ in network.asked] == [DISCOVERY, JWKS]
    expected = replace(OPTIONS, ca="PEM of the authority", other_hosts=False)
    assert [options for _, options, _ in network.asked] == [expected, expected]
    assert network.asked[1][2] == {
        "Accept": "application/jwk-set+json, application/json"
    }


def test_declared_keys_are_taken_and_the_other_address_is_noted(
    network: Network,
) -> None:
    other = f"{NAME}/other"
    network.found[other] = key_set(B)
    steps = tried(network, followed(declared(jwks_uri=other), B))
    assert named(steps, "discovery") == [
        Step("discovery", "ok", f"{DISCOVERY} names {JWKS}"),
        Step(
            "discovery",
            "note",
            f"keys are taken from {other}, not from there",
            "Leave jwksUri out to follow the document.",
        ),
    ]
    assert one(steps, "keys").detail == f"1 usable at {other}: b (EdDSA)"
    assert one(steps, "in force").result == "ok"


def test_the_declared_address_that_the_document_names_is_no_note(
    network: Network,
) -> None:
    steps = tried(network, followed(declared(jwks_uri=JWKS), A))
    assert [step.result for step in steps] == ["ok"] * 5


@pytest.mark.parametrize(("jwks_uri", "result"), [("", "fail"), (JWKS, "note")])
def test_a_discovery_that_fails_is_a_fault_only_if_the_keys_depend_on_it(
    network: Network, jwks_uri: str, result: str
) -> None:
    network.found[DISCOVERY] = Unfetched("status", "idp.example answered 500")
    steps = tried(network, followed(declared(jwks_uri=jwks_uri), A))
    discovery = one(steps, "discovery")
    assert (discovery.result, discovery.detail) == (result, "idp.example answered 500")
    assert "tenant, realm and version" in discovery.hint
    assert bool(named(steps, "keys")) is bool(jwks_uri)


def test_a_document_of_another_issuer(network: Network) -> None:
    network.found[DISCOVERY] = json.dumps(
        {"issuer": f"{NAME}/", "jwks_uri": JWKS}
    ).encode()
    step = one(tried(network), "discovery")
    assert step.result == "fail"
    assert f"'{NAME}/'" in step.detail
    assert "exactly as the document says it" in step.hint


@pytest.mark.parametrize(
    ("code", "hint"),
    [
        ("name", "spelling of the domain"),
        ("connect", "firewall"),
        ("tls", "--ca FILE"),
        ("timeout", "slow or filtered"),
        ("address", "identity.keys_private_networks"),
        ("status", "tenant, realm and version"),
        ("redirect", "Give the address it redirects to"),
        ("size", "does not look like a JWK Set"),
        ("url", "Check the URL, and that this machine reaches it."),
    ],
)
def test_keys_that_cannot_be_fetched(network: Network, code: str, hint: str) -> None:
    network.found[JWKS] = Unfetched(code, "why it failed")
    steps = tried(network)
    step = one(steps, "keys")
    assert (step.result, step.detail) == ("fail", "why it failed")
    assert hint in step.hint
    assert named(steps, "tls") == []
    assert one(steps, "in force").result == "ok", "the keys of before stay"


def test_a_document_that_is_not_a_key_set(network: Network) -> None:
    network.found[JWKS] = b"<html>"
    steps = tried(network)
    step = one(steps, "keys")
    assert step.result == "fail"
    assert step.detail.startswith(f"{JWKS}: the document is not a JWK Set")
    assert step.hint == "Check the address of the JWKS."
    assert named(steps, "tls") == []


def test_keys_that_are_not_used_are_noted(network: Network) -> None:
    unnamed = Key("", B.alg, B.private)
    network.found[JWKS] = json.dumps(
        {"keys": [A.jwk(), WEAK.jwk(), unnamed.jwk(kid=...)]}
    ).encode()
    note, keys = named(tried(network), "keys")
    assert note.result == "note"
    assert "'weak'" in note.detail
    assert note.detail.endswith("; it is not used")
    assert keys.detail == f"2 usable at {JWKS}: a (ES256), without kid (EdDSA)"


def test_a_set_without_a_usable_key(network: Network) -> None:
    network.found[JWKS] = key_set(WEAK)
    steps = tried(network)
    note, keys = named(steps, "keys")
    assert (note.result, keys.result) == ("note", "fail")
    assert keys.detail == f"no usable key at {JWKS}"
    assert "--algorithm" in keys.hint
    assert one(steps, "in force").result == "ok", "an empty set replaces nothing"


def test_plain_http_is_said_to_be_of_this_machine() -> None:
    url = "http://127.0.0.1:8080"
    network = Network(found={f"{url}/keys": key_set(A)})
    issuer = replace(declared(jwks_uri=f"{url}/keys"), issuer=url)
    step = one(tried(network, followed(issuer, A)), "tls")
    assert (step.result, step.detail) == ("ok", "plain http, on this machine only")


@pytest.mark.parametrize(
    ("apart", "result", "detail"),
    [
        (0, "ok", "within 0 s of the issuer's"),
        (7, "ok", "within 7 s of the issuer's"),
        (-7, "ok", "within 7 s of the issuer's"),
        (8, "fail", "the issuer's clock is +8 s from ours"),
        (-90, "fail", "the issuer's clock is -90 s from ours"),
    ],
)
def test_the_clock_may_differ_by_the_declared_skew(
    network: Network, apart: int, result: str, detail: str
) -> None:
    """The header has whole seconds: two more are allowed."""
    network.date = formatdate(NOW + apart, usegmt=True)
    step = one(tried(network), "clock")
    assert (step.result, step.detail) == (result, detail)
    assert ("clockSkew" in step.hint) is (result == "fail")


@pytest.mark.parametrize("date", ["", "yesterday", "Sat, 99 Nov 2026 08:00:00 GMT"])
def test_without_a_readable_date_the_clock_is_not_judged(
    network: Network, date: str
) -> None:
    network.date = date
    assert named(tried(network), "clock") == []


def test_the_clock_is_judged_by_the_discovery_if_the_keys_fail(
    network: Network,
) -> None:
    network.found[JWKS] = Unfetched("timeout", "it took too long")
    network.date = formatdate(NOW + 60, usegmt=True)
    assert (
        one(tried(network), "clock").detail == "the issuer's clock is +60 s from ours"
    )


def test_keys_that_have_changed_since_are_noted(network: Network) -> None:
    network.found[JWKS] = key_set(B)
    step = one(tried(network, followed(declared(), A, ago=5)), "in force")
    assert (step.result, step.hint) == ("note", "They are taken up at the next fetch.")
    assert step.detail == "1 keys, confirmed 5 s ago; the issuer has others now"


def test_the_same_keys_in_another_order_are_the_same(network: Network) -> None:
    network.found[JWKS] = key_set(B, A)
    step = one(tried(network, followed(declared(), A, B)), "in force")
    assert step.result == "ok"


def test_a_confirmation_later_than_this_clock_is_now(network: Network) -> None:
    steps = tried(network, followed(declared(), A, ago=-30))
    assert one(steps, "in force").detail == "1 keys, confirmed 0 s ago"


def test_before_the_first_keys(network: Network) -> None:
    step = one(tried(network, followed(declared())), "in force")
    assert (step.result, step.hint) == ("fail", "Mend the steps above.")
    assert step.detail == "no key is in force yet: none was fetched"


def test_the_last_error_is_why_no_key_is_in_force(network: Network) -> None:
    without = followed(declared(), WEAK)
    step = one(tried(network, without), "in force")
    assert step.detail.startswith(
        "no key is in force yet: there is no usable key in the set"
    )


def test_a_key_given_by_hand_needs_no_network() -> None:
    network = Network()
    issuer = declared(key_pem=A.pem(), discovery="")
    unfetched = Step(
        "keys", "ok", "the public key was given by hand; nothing is fetched"
    )
    assert tried(network, followed(issuer)) == [unfetched]
    token = A.token({"iss": NAME, "exp": NOW + 60})
    steps = tried(network, followed(issuer), token)
    assert one(steps, "signature").result == "ok"
    assert network.asked == []


def test_a_token_is_judged_by_the_keys_just_fetched_at_this_time(
    network: Network,
) -> None:
    network.found[JWKS] = key_set(B)
    token = B.token({"iss": NAME, "exp": NOW - 4})
    steps = tried(network, followed(declared(), A), token, NOW + 0.9)
    assert one(steps, "signature").result == "ok"
    assert one(steps, "time").result == "ok"
    assert named(tried(network), "signature") == []
    late = tried(network, followed(declared(), A), token, NOW + 1.0)
    assert one(late, "time").result == "fail"
