"""Declared clients, users and issuers: what is compared and made, and who may declare them."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from declared_world import NOW, PEM, SETTINGS, World, declared_world

from kapi.errors import Problem
from kapi.identity.accounts.passwords import password_matches
from kapi.settings import IdentitySettings, IssuerSettings, Settings

FIXED = "is in kapi.toml, and cannot be changed while kapi runs"


@pytest.fixture
def world(tmp_path: Path) -> Iterator[World]:
    with declared_world(tmp_path, SETTINGS) as made:
        yield made


def client(name: str = "shop", **members: Any) -> dict[str, Any]:
    grants = ["client_credentials"]
    return {"kind": "Client", "id": name, "grants": grants, **members}


def test_a_client(world: World) -> None:
    one, two = "1" * 32, "2" * 32
    assert world.apply(client(secret=one)) == ["Client shop: created"]
    first = world.clients.get("shop")
    assert first is not None
    assert first.created_at == NOW
    for same in (client(secret=one), client()):
        assert world.apply(same) == ["Client shop: unchanged"]
    (planned,) = world.plan(client(secret=two, scopes=["r"])).objects
    assert planned["before"]["secret"] == "(set)"
    assert planned["after"]["secret"] == "(another)"
    assert world.apply(client(scopes=["r"])) == ["Client shop: configured"]
    kept = world.clients.get("shop")
    assert kept is not None
    assert kept.secret_digest == first.secret_digest
    assert world.apply(client(secret=two, scopes=["r"])) == ["Client shop: configured"]
    (stored,) = world.stored("Client")
    assert (stored.id, stored.secret) == ("shop", "secret")
    assert stored.document["scopes"] == ["r"]
    assert "secret" not in stored.document
    assert world.apply(prune=True) == ["Client shop: pruned"]
    assert world.clients.get("shop") is None
    with pytest.raises(Problem, match="there is no client 'shop'"):
        world.applying.kinds["Client"].remove("shop", "acme")


def test_a_client_without_a_secret(world: World) -> None:
    public = client(grants=["authorization_code"], redirect_uris=["https://a.example"])
    public["token_endpoint_auth_method"] = "none"
    assert world.apply(public) == ["Client shop: created"]
    (stored,) = world.stored("Client")
    assert stored.secret == ""
    (planned,) = world.plan({**public, "scopes": ["r"]}).objects
    assert "secret" not in {**planned["before"], **planned["after"]}


def test_mistakes_of_clients(world: World) -> None:
    found = world.mistakes(
        client("fixed", secret="s" * 32),
        client(grants=["nothing"], secret="s" * 32),
        client("other", more=1),
        client("public"),
    )
    assert found[0] == ("0/id", f"id: fixed {FIXED}")
    assert {place.split("/")[0] for place, _ in found} == {"0", "1", "2", "3"}
    assert "1/grants" in found[1][0]


def user(name: str = "ada", **members: Any) -> dict[str, Any]:
    return {"kind": "User", "username": name, **members}


def test_a_user(world: World) -> None:
    new = user(password="correct horse", groups=["staff"])
    assert world.apply(new) == ["User ada: created"]
    first = world.users.get("ada")
    assert first is not None
    assert (first.created_at, first.disabled) == (NOW, False)
    assert first.subject.startswith("subject-")
    for same in (new, user(groups=["staff"])):
        assert world.apply(same) == ["User ada: unchanged"]
    other = user(password="battery staple", groups=["staff"])
    (planned,) = world.plan(other).objects
    assert planned["before"] == {
        "username": "ada",
        "groups": ["staff"],
        "password": "(set)",
    }
    assert planned["after"] == {**planned["before"], "password": "(another)"}
    assert world.apply(other) == ["User ada: configured"]
    changed = world.users.get("ada")
    assert changed is not None
    assert password_matches(changed.digest, "battery staple")
    assert changed.subject == first.subject
    assert world.apply(user(groups=["day"])) == ["User ada: configured"]
    (stored,) = world.stored("User")
    assert (stored.id, stored.secret) == ("ada", "password")
    assert stored.document == {"username": "ada", "groups": ["day"]}
    kept = world.users.get("ada")
    assert kept is not None
    assert kept.digest == changed.digest


def test_a_user_is_disabled_and_enabled(world: World) -> None:
    new = user(password="correct horse")
    world.apply({**new, "disabled": True})
    ada = world.users.get("ada")
    assert ada is not None
    assert ada.disabled
    assert world.documents("User")["ada"]["disabled"] is True
    assert world.apply({**new, "disabled": True}) == ["User ada: unchanged"]
    assert world.apply(new) == ["User ada: configured"]
    assert "disabled" not in world.documents("User")["ada"]
    assert world.apply({**new, "disabled": True}) == ["User ada: configured"]
    assert world.documents("User")["ada"]["disabled"] is True


def ended(world: World) -> bool:
    """Whether some account was ended: its sessions and tokens are over."""
    return bool(world.store.database.rows("SELECT 1 FROM ended_accounts"))


@pytest.mark.parametrize(
    ("members", "is_ended"),
    [
        ({"groups": ["day"]}, False),
        ({"password": "correct horse"}, False),
        ({"password": "battery staple"}, True),
        ({"disabled": True}, True),
    ],
)
def test_what_ends_the_sessions_of_a_user(
    world: World, members: dict[str, Any], *, is_ended: bool
) -> None:
    world.apply(user(password="correct horse"))
    world.apply(user(**members))
    assert ended(world) is is_ended


def test_a_user_that_is_declared_no_more(world: World) -> None:
    world.apply(user(password="correct horse"), organization="default")
    assert world.apply(prune=True, organization="default") == ["User ada: pruned"]
    assert world.users.get("ada") is None
    assert ended(world)
    with pytest.raises(Problem, match="there is no user 'ada'"):
        world.applying.kinds["User"].remove("ada", "default")


def test_a_user_that_was_given_to_others_stays(world: World) -> None:
    """Callers of an organization prune people of it only, those of the platform all."""
    acme = user(password="correct horse", organizations=["acme"])
    world.apply(acme)
    users = world.applying.kinds["User"]
    users.remove("ada", "other")
    assert world.users.get("ada") is not None
    users.remove("ada", "acme")
    assert world.users.get("ada") is None
    world.apply(acme)
    users.remove("ada", "default")
    assert world.users.get("ada") is None


def test_mistakes_of_users(world: World) -> None:
    found = world.mistakes(
        user("root", password="correct horse"),
        user(password="short"),
        user("bob"),
        user("eve", password="correct horse", disabled="yes", more=1),
    )
    places = [place for place, _ in found]
    assert found[0] == ("0/username", f"username: root {FIXED}")
    assert places[1] == "1/password"
    assert places[2].startswith("2")
    assert {"3/disabled", "3/more"} <= set(places)


def test_callers_of_an_organization_declare_people_of_it(world: World) -> None:
    acme = user(password="correct horse", organizations=["acme"])
    for wanted, caller, is_right in (
        (acme, "acme", True),
        (acme, "other", False),
        (acme, "default", True),
        (user(password="correct horse"), "acme", False),
        (user(password="correct horse"), "", True),
        ({**acme, "super_admin": True}, "acme", False),
    ):
        found = world.mistakes(wanted, caller=caller)
        assert (found == []) is is_right, (wanted, caller)
        if found:
            assert found[0][0] == "0/organizations"
            assert f"may declare users of {caller} only" in found[0][1]
    world.apply(user(password="correct horse", organizations=["other"]))
    assert world.mistakes(acme, caller="acme"), "she is of others"
    assert not world.mistakes(acme, caller="")


def issuer(name: str = "one", **members: Any) -> dict[str, Any]:
    known = {"issuer": f"https://{name}.example", "public_key": PEM}
    return {"kind": "Issuer", "name": name, **known, **members}


def test_an_issuer(world: World) -> None:
    assert world.apply(issuer(), organization="default") == ["Issuer one: created"]
    assert world.apply(issuer()) == ["Issuer one: unchanged"]
    (planned,) = world.plan(issuer(audiences=["orders"])).objects
    assert "audiences" not in planned["before"]
    assert planned["after"]["audiences"] == ["orders"]
    assert world.apply(issuer(audiences=["orders"])) == ["Issuer one: configured"]
    assert world.trust.find("one").issuer.audiences == ("orders",)
    assert list(world.documents("Issuer")) == ["one"]
    assert world.apply(prune=True, organization="default") == ["Issuer one: pruned"]
    assert world.trust.declaration("one") is None


def test_an_issuer_that_was_given_to_others_stays(world: World) -> None:
    world.apply(issuer(organization="acme"))
    issuers = world.applying.kinds["Issuer"]
    issuers.remove("one", "other")
    assert world.trust.declaration("one") is not None
    issuers.remove("one", "acme")
    assert world.trust.declaration("one") is None
    world.apply(issuer(organization="acme"))
    issuers.remove("one", "default")
    assert world.trust.declaration("one") is None


def test_mistakes_of_issuers(world: World) -> None:
    found = world.mistakes(
        issuer(algorithms=["HS256"]),
        issuer("two", more=1),
        issuer("Not A Name"),
    )
    assert {place for place, _ in found} >= {"0/algorithms", "1/more", "2/name"}


def test_callers_of_an_organization_declare_issuers_of_it(world: World) -> None:
    acme, other = issuer(organization="acme"), issuer(organization="other")
    assert world.mistakes(acme, caller="acme") == []
    assert world.mistakes(issuer(), caller="") == []
    message = "organization: callers of acme may declare issuers for acme only"
    assert world.mistakes(other, caller="acme") == [("0/organization", message)]
    assert world.mistakes(issuer(), caller="acme") == [("0/organization", message)]
    world.apply(other)
    assert world.mistakes(acme, caller="acme") == [("0/organization", message)]


def test_an_issuer_of_the_settings(tmp_path: Path) -> None:
    identity = IdentitySettings(
        issuers=(IssuerSettings("one", issuer="https://x.example", public_key=PEM),)
    )
    with declared_world(tmp_path, Settings(Path("/nowhere"), identity)) as world:
        ((place, message),) = world.mistakes(issuer(audiences=["a"]))
        assert place == "0"
        assert "one" in message
