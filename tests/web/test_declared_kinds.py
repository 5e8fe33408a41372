"""Each kind of declared object: what is compared, what is made, and which mistakes are found."""

from __future__ import annotations

import base64
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from declared_world import RESOURCE, SETTINGS, World, declared_world

from kapi.errors import Diagnostic, Invalid
from kapi.store.gateway.applications import ConsumerKey

FIXED = "is in kapi.toml, and cannot be changed while kapi runs"


@pytest.fixture
def world(tmp_path: Path) -> Iterator[World]:
    with declared_world(tmp_path, SETTINGS) as made:
        yield made


def secret(name: str = "db", key: str = "password", **members: Any) -> dict[str, Any]:
    return {"kind": "Secret", "name": name, "key": key, "value": "one", **members}


def test_a_secret(world: World) -> None:
    assert world.apply(secret()) == ["Secret db password: created"]
    assert world.apply(secret()) == ["Secret db password: unchanged"]
    (planned,) = world.plan(secret(value="two")).objects
    shown = {"name": "db", "key": "password"}
    assert planned["before"] == {**shown, "value": "(set)"}
    assert planned["after"] == {**shown, "value": "(another)"}
    assert world.secrets.value("acme", "db", "password") == "one"
    assert world.apply(secret(value="two")) == ["Secret db password: configured"]
    assert world.secrets.value("acme", "db", "password") == "two"
    assert world.gateway.used[-1] == (("acme", "db", "password"), "two")
    (stored,) = world.stored("Secret")
    assert (stored.id, stored.document) == ("acme/db/password", shown)
    assert (stored.organization, stored.secret) == ("acme", "value")
    assert world.apply(prune=True) == ["Secret db password: pruned"]
    assert world.secrets.value("acme", "db", "password") is None


def test_mistakes_of_secrets(world: World) -> None:
    found = world.mistakes(
        secret(name="a b"),
        secret(key=7),
        secret(value=None, more=1),
        secret(value=""),
        secret(key="fixed"),
    )
    assert [place for place, _ in found] == [
        *("0/name", "1/key", "2/more", "2/value", "3/value", "4/name"),
    ]
    assert "is missing or not a name" in found[0][1]
    assert "is empty" in found[4][1]
    assert world.gateway.used == []


def test_a_secret_that_a_deployed_api_cannot_use(world: World) -> None:
    mistake = Diagnostic("X", "is no certificate", "", "", source="Pets 1")
    world.gateway.refuses_secrets = Invalid((mistake,))
    assert world.mistakes(secret()) == [("0/value", "value: Pets 1: is no certificate")]


def test_the_secrets_of_a_request_are_known_to_its_apis(world: World) -> None:
    world.apply(secret(), api("Pets"))
    assert world.gateway.secrets == {("acme", "db", "password"): "one"}


def api(conf: Any, definition: Any = "d", **more: Any) -> dict[str, Any]:
    return {"kind": "API", "conf": conf, "definition": definition, **more}


def test_an_api(world: World) -> None:
    assert world.apply(api("Pets"), api("Shelf", "s")) == [
        "API Pets 1: created",
        "API Shelf 1: created",
    ]
    compiled = len(world.gateway.compiled)
    both = (api("Shelf", "new"), api("\ufeffPets"))
    assert world.apply(*both) == ["API Shelf 1: configured", "API Pets 1: unchanged"]
    assert world.gateway.compiled[compiled:] == ["Shelf"], "the other is the same"
    assert world.documents("API") == {
        "acme-Pets": {"conf": "Pets", "definition": "d"},
        "acme-Shelf": {"conf": "Shelf", "definition": "new"},
    }
    (planned,) = world.plan(api("Pets", "other")).objects
    assert planned["before"] == {"conf": "Pets", "definition": "d"}
    assert planned["after"] == {"conf": "Pets", "definition": "other"}
    assert world.apply(api("Pets"), organization="other") == ["API Pets 1: created"]
    assert [item.organization for item in world.stored("API")] == [
        "acme",
        "acme",
        "other",
    ]


def test_an_api_that_is_declared_no_more(world: World) -> None:
    world.apply(api("Pets"))
    assert world.apply(prune=True) == ["API Pets 1: pruned"]
    assert world.gateway.deployed == ()


def test_a_definition_that_is_no_text(world: World) -> None:
    content = b"\xff\x00"
    value = {"base64": base64.b64encode(content).decode()}
    world.apply(api("Pets", value))
    assert world.gateway.sources["acme-Pets"] == ("Pets", content)
    assert world.documents("API")["acme-Pets"]["definition"] == value
    (planned,) = world.plan(api("Pets", "text")).objects
    assert planned["before"]["definition"].startswith("(2 bytes, SHA-256 ")
    assert world.apply(api("Pets", value)) == ["API Pets 1: unchanged"]


def test_mistakes_of_apis(world: World) -> None:
    text = "must be the text of the file, or {base64: …}"
    found = world.mistakes(
        api(None),
        api("a", {"base64": "="}),
        api("a", {"base64": 7}),
        api("a", {}),
        api("x" * 101, "y" * 201),
        api("a", more=1),
        api("x" * 100, "y" * 200),
    )
    assert found == [
        ("0/conf", f"conf: {text}"),
        ("1/definition", f"definition: {text}"),
        ("2/definition", f"definition: {text}"),
        ("3/definition", f"definition: {text}"),
        ("4/conf", "conf: has more than 100 bytes"),
        ("4/definition", "definition: has more than 200 bytes"),
        ("5/more", "more: unknown member"),
    ]


@pytest.mark.parametrize(
    ("source", "member"),
    [
        ("apkConfiguration", "conf"),
        ("definitionFile", "definition"),
        ("other", "conf"),
    ],
)
def test_a_mistake_in_a_file_names_the_object(
    world: World, source: str, member: str
) -> None:
    with pytest.raises(Invalid) as caught:
        world.plan(api("Pets"), api(f"wrong {source}"))
    (mistake,) = caught.value.diagnostics
    assert mistake.source == f"#/objects/1/{member}"


def application(name: str = "Shelf", **members: Any) -> dict[str, Any]:
    return {"kind": "Application", "name": name, **members}


def key(name: str, **members: Any) -> dict[str, Any]:
    return {"consumer_key": name, **members}


def test_an_application(world: World) -> None:
    first = application(keys=[key("b"), key("a", type="SANDBOX", environment="prod")])
    assert world.apply(first) == ["Application Shelf: created"]
    other_order = application(keys=first["keys"][::-1])
    assert world.apply(other_order) == ["Application Shelf: unchanged"]
    wanted = application(tier="gold", keys=[key("b"), key("c")])
    (planned,) = world.plan(wanted).objects
    assert planned["id"] == "new-0"
    assert "tier" not in planned["before"]
    assert world.apply(wanted) == ["Application Shelf: configured"]
    (made,) = [item for item in world.applications.list("acme") if item.id != "f1"]
    assert (made.id, made.tier) == ("new-0", "gold")
    assert set(made.keys) == {
        ConsumerKey("b", "PRODUCTION", ""),
        ConsumerKey("c", "PRODUCTION", ""),
    }
    (stored,) = world.stored("Application")
    assert (stored.id, stored.organization) == ("new-0", "acme")
    assert stored.document == {
        "name": "Shelf",
        "id": "new-0",
        "tier": "gold",
        "keys": [key("b"), key("c")],
    }
    assert world.apply(prune=True) == ["Application Shelf: pruned"]
    assert world.stored("Application") == []


def test_applications_of_one_name_have_ids(world: World) -> None:
    one, two = application(id="a1"), application(id="a2")
    assert world.apply(one, two) == [
        "Application Shelf: created",
        "Application Shelf: created",
    ]
    assert list(world.documents("Application")) == ["a1", "a2"]
    renewed = {**two, "tier": "gold"}
    assert world.apply(one, renewed) == [
        "Application Shelf: unchanged",
        "Application Shelf: configured",
    ]
    assert "tier" not in world.documents("Application")["a1"]


def test_mistakes_of_applications(world: World) -> None:
    world.apply(application("Other", keys=[key("taken")]))
    found = world.mistakes(
        application("Fixed"),
        application("x" * 121),
        application("a\tb"),
        application(keys=[key("taken"), key("fixed-key"), key("x" * 256)]),
        application("Two", keys=[key("z"), key("z"), key("\t")]),
        application("Tier", tier="none"),
        application("Fits" + "x" * 116, keys=[key("x" * 255)]),
    )
    assert [place for place, _ in found] == [
        "0/name",
        "1/name",
        "2/name",
        "3/keys/0/consumer_key",
        "3/keys/1/consumer_key",
        "3/keys/2/consumer_key",
        "4/keys/1/consumer_key",
        "4/keys/2/consumer_key",
        "5/tier",
    ]
    assert found[0][1] == f"name: Fixed {FIXED}"
    assert found[1][1] == "name: must have 1 to 120 printable characters"
    assert found[3][1].endswith("belongs to another application")
    assert found[5][1].endswith("must have 1 to 255 printable characters")


def subscription(of: Any = "Shelf", **members: Any) -> dict[str, Any]:
    return {"kind": "Subscription", "application": of, "api": "Pets", **members}


def test_a_subscription(world: World) -> None:
    assert world.apply(subscription(version="1"), application()) == [
        "Application Shelf: created",
        "Subscription Shelf to Pets 1: created",
    ]
    for name in ("Shelf", "new-0"):
        same = subscription(name, version="1")
        assert world.apply(same) == [f"Subscription {name} to Pets 1: unchanged"]
    other = subscription(version="1", tier="gold", status="BLOCKED")
    (planned,) = world.plan(other).objects
    usual = {"application": "Shelf", "api": "Pets", "version": "1"}
    assert planned["before"] == usual
    assert planned["after"] == {**usual, "tier": "gold", "status": "BLOCKED"}
    assert world.apply(other) == ["Subscription Shelf to Pets 1: configured"]
    more = subscription(version="2")
    assert world.apply(more) == ["Subscription Shelf to Pets 2: created"]
    first, second = world.stored("Subscription")
    assert first.organization == "acme"
    assert first.document == {
        "application": "new-0",
        "api": "Pets",
        "version": "1",
        "status": "BLOCKED",
        "tier": "gold",
    }
    assert second.document["version"] == "2"
    assert world.apply(application(), prune=True) == [
        "Application Shelf: unchanged",
        "Subscription Shelf to Pets 1: pruned",
        "Subscription Shelf to Pets 2: pruned",
    ]
    assert world.stored("Subscription") == []


def test_subscriptions_may_be_in_their_application(world: World) -> None:
    inner = [{"api": "Pets"}, {"api": "Shelf", "tier": "gold"}]
    assert world.apply(application(subscriptions=inner)) == [
        "Application Shelf: created",
        "Subscription Shelf to Pets .*: created",
        "Subscription Shelf to Shelf .*: created",
    ]
    named = application("Other", id="o1", subscriptions=[{"api": "Pets"}])
    assert world.apply(named)[1] == "Subscription o1 to Pets .*: created"
    wrong = [{"api": "Pets"}, "Pets", {}, {"api": "Pets", "version": "("}]
    found = world.mistakes(application(subscriptions=wrong))
    places = {place.removeprefix("0/subscriptions/")[0] for place, _ in found}
    assert places == {"1", "2", "3"}
    for value in ("Pets", {"api": "Pets"}, None):
        assert world.mistakes(application(subscriptions=value)) == [
            ("0/subscriptions", "subscriptions: must be a list")
        ]


def test_mistakes_of_subscriptions(world: World) -> None:
    found = world.mistakes(
        subscription(None),
        subscription(""),
        subscription("Other"),
        subscription("None"),
        subscription("Fixed", tier="none"),
        subscription("f1", api="a\tb"),
        subscription("Fixed", version="x" * 200),
        application("New"),
        subscription("New"),
    )
    assert [place for place, _ in found] == [
        "0/application",
        "1/application",
        "2/application",
        "3/application",
        "4/tier",
        "5/api",
        "6/version",
    ]
    assert found[0][1].endswith("is missing: the name or id of one")
    assert found[3][1].endswith("there is no application None")


def test_whose_an_object_is(world: World) -> None:
    """It may name the organization of its caller, as a dump does, and no other."""
    objects = (secret(), api("Pets"), application(), subscription())
    own = [{**item, "organization": "acme"} for item in objects]
    assert world.mistakes(*own) == []
    other = [{**item, "organization": "other"} for item in objects]
    refused = "organization: the caller is of acme"
    assert world.mistakes(*other) == [
        (f"{number}/organization", refused) for number in range(4)
    ]
    assert world.mistakes(
        {"kind": "Resource", "resource": RESOURCE.resource, "organization": "acme"}
    ) == [("0/organization", "organization: unknown setting")]


def test_settings_that_are_the_same_are_unchanged(world: World) -> None:
    resource = {"kind": "Resource", "resource": RESOURCE.resource, "token_lifetime": 60}
    provider = {"kind": "Provider", "issuer": SETTINGS.identity.issuer}
    assert world.apply(resource, provider) == [
        "Provider Provider: unchanged",
        f"Resource {RESOURCE.resource}: unchanged",
    ]
    assert world.stored("Resource") == []
    found = world.mistakes(
        {**resource, "token_lifetime": 61, "more": 1},
        {**resource, "resource": "https://b.example"},
        {**provider, "issuer": "https://other.example"},
    )
    assert found == [
        ("2/issuer", "issuer: is another on this platform"),
        ("0/token_lifetime", "token_lifetime: is another on this platform"),
        ("0/more", "more: unknown setting"),
        ("1/resource", "resource: https://b.example is not in kapi.toml"),
    ]
