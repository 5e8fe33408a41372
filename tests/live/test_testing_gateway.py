"""The gateway of the pytest plugin: the real one, with a deployed API, over the fixtures alone."""

from __future__ import annotations

from pathlib import Path

import pytest

from kapi.testing import Server
from kapi.testing.platforms import EchoApi, Gateway

pytestmark = pytest.mark.long


def test_tokens_of_the_platform(kapi_api: EchoApi, kapi_gateway: Gateway) -> None:
    assert kapi_api.get("/open").status == 200
    assert kapi_api.get("/items").status == 401
    assert kapi_api.get("/items", kapi_gateway.token()).status == 200
    assert kapi_api.get("/items/1", kapi_gateway.token()).status == 403
    assert kapi_api.get("/items/1", kapi_gateway.token("items:read")).status == 200
    for recipe in ("expired", "alg-none", "wrong-key", "hs256-public-key"):
        assert (
            kapi_api.get("/items", kapi_gateway.token(recipe=recipe)).status == 401
        ), recipe


def test_an_explanation_judges_each_deployed_api(
    kapi_api: EchoApi, kapi_gateway: Gateway
) -> None:
    def judged(token: str) -> dict[str, tuple[str, str]]:
        (api,) = kapi_gateway.explain(token)["apis"]
        assert api["base_path"] == kapi_api.base_path
        return {
            item["target"]: (item["result"], item["why"]) for item in api["operations"]
        }

    told = judged(kapi_gateway.token())
    assert told["/items"] == ("allowed", "")
    assert told["/open"] == ("allowed", "needs no token")
    assert told["/items/{id}"] == (
        "refused",
        "the scope items:read is missing (900910)",
    )
    assert "expired" in judged(kapi_gateway.token(recipe="expired"))["/items"][1]
    assert (
        "trusted here"
        in judged(kapi_gateway.token(recipe="foreign-issuer"))["/items"][1]
    )
    assert "not a JWT" in judged("opaque")["/items"][1]


def test_tokens_of_an_emulated_provider(
    kapi_api: EchoApi, kapi_gateway: Gateway, kapi_http_server: Server
) -> None:
    """Each judgement of `explain` is what the gateway does."""
    auth0 = kapi_http_server.emulate("auth0", domain="acme.eu.auth0.com")
    kapi_gateway.trust(auth0, audiences=["https://orders.example"])
    wish = {"audience": "https://orders.example", "scope": "items:read"}
    recipes = (
        "valid",
        "expired",
        "wrong-audience",
        "issuer-slash",
        "wrong-key",
        "no-scope",
    )
    for recipe in recipes:
        token = auth0.mint(recipe, **wish)
        (api,) = kapi_gateway.explain(token)["apis"]
        for item in api["operations"]:
            status = kapi_api.get(item["target"].replace("{id}", "1"), token).status
            if item["why"] != "needs no token":
                assert (status == 200) == (item["result"] == "allowed"), (recipe, item)
    assert kapi_api.get("/items/1", auth0.token(**wish)).status == 200


SEED = """kind: Provider
token_lifetime: 3600
---
kind: Client
id: seeded-shop
secret: a secret of a test
grants: [client_credentials]
---
kind: User
username: seeded-carol
password: correct horse
"""


def test_one_file_is_a_seed_and_is_applied(
    kapi_gateway: Gateway, kapi_http_server: Server, tmp_path: Path
) -> None:
    file = tmp_path / "seed.yaml"
    file.write_text(SEED)
    issuer = kapi_http_server.issuer("seeded", seed=file)
    assert issuer.client == ("seeded-shop", "a secret of a test")
    created = dict.fromkeys(("seeded-shop", "seeded-carol"), "created")
    assert kapi_gateway.apply(file) == {"Provider": "unchanged", **created}
    more = tmp_path / "more.yaml"
    more.write_text("kind: Client\nid: seeded-more\nsecret: another one\n")
    assert kapi_gateway.apply(file, more)["seeded-more"] == "created"
    assert kapi_gateway.apply(file, prune=True) == {
        "Provider": "unchanged",
        **dict.fromkeys(created, "unchanged"),
        "seeded-more": "pruned",
    }
    file.write_text(SEED.replace("3600", "60"))
    with pytest.raises(
        RuntimeError, match="token_lifetime: is another on this platform"
    ):
        kapi_gateway.apply(file)
