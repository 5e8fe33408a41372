"""Who is trusted, and what the gateway is told: nothing changes when it refuses, and one faulty
issuer holds up nobody.
"""

from __future__ import annotations

import json
import threading
from collections.abc import Iterator, Sequence
from dataclasses import asdict, replace
from pathlib import Path
from typing import Any

import pytest

from kapi.errors import GatewayRejected, GatewayUnavailable, Problem, StorageBusy
from kapi.fetch import get
from kapi.front.web.declared.kinds.issuers import Issuers
from kapi.identity.issuers.trust import Trust
from kapi.identity.issuers.verify import IssuerKeys
from kapi.jose.signing_keys import SigningKey
from kapi.settings import IdentitySettings, IssuerSettings, Settings
from kapi.store import Store
from kapi.store.issuers import IssuerStore, StoredIssuer
from standin import Key, StandIn
from waiting import until

OWN = SigningKey("own", "RS256", Key.make("own").private)
A, B, C = Key.make("a"), Key.make("b"), Key.make("c")


class Gateway:
    """Takes what it is told, but not issuers with the names in `refuses`, and nothing while it
    has a fault.
    """

    def __init__(self) -> None:
        self.refuses: set[str] = set()
        self.fault: Exception | None = None
        self.trusts: dict[str, tuple[str, ...]] = {}

    def __call__(self, issuers: Sequence[IssuerKeys]) -> None:
        if self.fault is not None:
            raise self.fault
        wanted = {
            f"{item.issuer.name} {kid}" for item in issuers for kid in item.keys.kids
        }
        if refused := wanted & self.refuses:
            raise GatewayRejected(f"no {refused}")
        self.trusts = {item.issuer.name: item.keys.kids for item in issuers}


@pytest.fixture
def standins() -> Iterator[tuple[StandIn, StandIn]]:
    made = tuple(
        StandIn(tls=False, hosts=("127.0.0.1",), keys=[A.jwk()]).start()
        for _ in range(2)
    )
    for standin in made:
        standin.discover(standin.url)
    yield made  # type: ignore[misc]
    for standin in made:
        standin.stop()


def trust_of(folder: Path, gateway: Gateway, *declared: IssuerSettings) -> Trust:
    store = Store.open(folder / "kapi.db")
    settings = Settings(
        folder, IdentitySettings(issuers=declared, keys_refresh=1, keys_cooldown=1)
    )
    made = Trust(
        settings=settings,
        store=IssuerStore(store.database),
        get=get,
        inbuilt=IssuerKeys.inbuilt("https://idp", (OWN,)),
    )
    made.start(gateway)
    return made


def declared(name: str, standin: StandIn, **fields: Any) -> IssuerSettings:
    return IssuerSettings(name=name, issuer=standin.url, **fields)


def test_a_set_that_the_gateway_refuses_is_left_out_alone(
    tmp_path: Path, standins: tuple[StandIn, StandIn]
) -> None:
    gateway = Gateway()
    trust = trust_of(
        tmp_path, gateway, declared("one", standins[0]), declared("two", standins[1])
    )
    until(lambda: gateway.trusts == {"inbuilt": ("own",), "one": ("a",), "two": ("a",)})
    gateway.refuses = {"one b"}
    standins[0].keys, standins[1].keys = [B.jwk()], [C.jwk()]
    until(lambda: gateway.trusts.get("two") == ("c",))
    assert gateway.trusts["one"] == ("a",), "its last good keys stay"
    standins[0].keys = [C.jwk()]
    until(lambda: gateway.trusts.get("one") == ("c",))
    trust.stop()


def test_what_the_gateway_refuses_is_not_declared(
    tmp_path: Path, standins: tuple[StandIn, StandIn]
) -> None:
    gateway = Gateway()
    trust = trust_of(tmp_path, gateway)
    gateway.refuses = {"one a"}
    with pytest.raises(GatewayRejected):
        trust.add(declared("one", standins[0]))
    assert [item.issuer.name for item in trust.followed()] == []
    gateway.refuses = set()
    trust.add(declared("one", standins[0]))
    gateway.fault = GatewayUnavailable("Envoy is not connected.")
    with pytest.raises(GatewayUnavailable):
        trust.remove("one")
    with pytest.raises(GatewayUnavailable):
        trust.add(declared("one", standins[0], audiences=("x",)), replace=True)
    assert trust.find("one").issuer.audiences == ()
    gateway.fault = None
    trust.remove("one")
    assert gateway.trusts == {"inbuilt": ("own",)}
    trust.stop()


def test_a_change_keeps_what_others_change_at_the_same_time(
    tmp_path: Path, standins: tuple[StandIn, StandIn]
) -> None:
    """Another node stores its change between reading and writing."""
    trust = trust_of(tmp_path, Gateway())
    trust.add(declared("one", standins[0]))
    store = Store.open(tmp_path / "kapi.db")
    other = IssuerStore(store.database)
    reads = []

    def changed(before: IssuerSettings) -> IssuerSettings:
        reads.append(before.clock_skew)
        if len(reads) == 1:
            theirs = replace(before, clock_skew=9)
            text = json.dumps(asdict(theirs), sort_keys=True)
            assert other.save(StoredIssuer("one", text, 1), replace=True)
        return replace(before, audiences=("orders",))

    trust.change("one", changed)
    kept = trust.declaration("one")
    assert kept is not None
    assert (reads, kept.clock_skew, kept.audiences) == ([5, 9], 9, ("orders",))
    with pytest.raises(Problem):
        trust.change("two", changed)
    trust.stop()
    store.close()


@pytest.mark.parametrize(
    "fault",
    [GatewayUnavailable("Envoy is not connected."), StorageBusy()],
    ids=["away", "busy"],
)
def test_changes_reach_a_gateway_that_had_a_fault(
    tmp_path: Path, standins: tuple[StandIn, StandIn], fault: Exception
) -> None:
    gateway = Gateway()
    trust = trust_of(tmp_path, gateway, declared("one", standins[0]))
    until(lambda: gateway.trusts.get("one") == ("a",))
    gateway.fault = fault
    standins[0].keys = [B.jwk()]
    until(lambda: trust.find("one").state.keys.kids == ("b",))
    gateway.fault = None
    until(lambda: gateway.trusts.get("one") == ("b",))
    trust.stop()


def test_the_own_keys_stay_if_they_could_not_be_stored(tmp_path: Path) -> None:
    gateway = Gateway()
    trust = trust_of(tmp_path, gateway)
    gateway.fault = StorageBusy()
    new = SigningKey("new", "RS256", Key.make("new").private)
    with pytest.raises(StorageBusy):
        trust.publish_inbuilt(IssuerKeys.inbuilt("https://idp", (new,)))
    assert [item.keys.kids for item in trust.issuers()] == [("own",)]
    trust.stop()


def test_declarations_and_keys_come_back_without_the_issuer(
    tmp_path: Path, standins: tuple[StandIn, StandIn]
) -> None:
    gateway = Gateway()
    trust = trust_of(tmp_path, gateway)
    trust.add(
        declared(
            "one",
            standins[0],
            organization="acme",
            claim_mappings={"org": "organization"},
        )
    )
    trust.stop()
    standins[0].mode = "500"
    again = trust_of(tmp_path, Gateway())
    issuer, keys = again.issuers()[1].issuer, again.issuers()[1].keys
    assert (issuer.organization, issuer.claim_mappings, keys.kids) == (
        "acme",
        (("org", "organization"),),
        ("a",),
    )
    again.stop()


def test_the_same_issuer_twice_is_refused_even_when_both_come_at_once(
    tmp_path: Path, standins: tuple[StandIn, StandIn]
) -> None:
    trust = trust_of(tmp_path, Gateway())
    results: list[str] = []

    def add(name: str) -> None:
        try:
            trust.add(declared(name, standins[0]))
            results.append("added")
        except Problem as error:
            results.append(error.code)

    threads = [
        threading.Thread(target=add, args=(f"n{number}",)) for number in range(6)
    ]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert sorted(results) == ["900963"] * 5 + ["added"]
    assert len(trust.followed()) == 1
    trust.stop()


def test_of_two_nodes_that_add_a_name_at_once_the_second_is_told(
    tmp_path: Path, standins: tuple[StandIn, StandIn]
) -> None:
    gateways = Gateway(), Gateway()
    first, second = (trust_of(tmp_path, gateway) for gateway in gateways)
    first.add(declared("one", standins[0]))
    with pytest.raises(Problem, match="there is an issuer one already"):
        second.add(declared("one", standins[1]))
    second.take_up_stored()
    assert second.find("one").issuer.issuer == standins[0].url
    second.add(declared("one", standins[1]), replace=True)
    first.take_up_stored()
    assert first.find("one").issuer.issuer == standins[1].url
    for trust in (first, second):
        trust.stop()


def test_a_prune_of_one_organization_leaves_an_issuer_that_was_given_to_others(
    tmp_path: Path, standins: tuple[StandIn, StandIn]
) -> None:
    trust = trust_of(tmp_path, Gateway())
    kind = Issuers(trust, "platform")
    trust.add(declared("one", standins[0], organization="acme"))
    kind.remove("one", "other")
    assert trust.stored("one"), "it is of acme"
    trust.add(declared("one", standins[0]), replace=True)
    kind.remove("one", "acme")
    assert trust.stored("one"), "it is of all organizations now"
    kind.remove("one", "platform")
    assert not trust.stored("one")
    trust.stop()
