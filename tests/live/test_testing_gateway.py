"""The gateway of the pytest plugin: the real one, with a deployed API, over the fixtures alone."""

from __future__ import annotations

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
        assert kapi_api.get("/items", kapi_gateway.token(recipe=recipe)).status == 401, recipe


def test_an_explanation_judges_each_deployed_api(kapi_api: EchoApi, kapi_gateway: Gateway) -> None:
    def judged(token: str) -> dict[str, tuple[str, str]]:
        (api,) = kapi_gateway.explain(token)["apis"]
        assert api["base_path"] == kapi_api.base_path
        return {item["target"]: (item["result"], item["why"]) for item in api["operations"]}

    told = judged(kapi_gateway.token())
    assert told["/items"] == ("allowed", "")
    assert told["/open"] == ("allowed", "needs no token")
    assert told["/items/{id}"] == ("refused", "the scope items:read is missing (900910)")
    assert "expired" in judged(kapi_gateway.token(recipe="expired"))["/items"][1]
    assert "trusted here" in judged(kapi_gateway.token(recipe="foreign-issuer"))["/items"][1]
    assert "not a JWT" in judged("opaque")["/items"][1]


def test_tokens_of_an_emulated_provider(
    kapi_api: EchoApi, kapi_gateway: Gateway, kapi_http_server: Server
) -> None:
    """Each judgement of `explain` is what the gateway does."""
    auth0 = kapi_http_server.emulate("auth0", domain="acme.eu.auth0.com")
    kapi_gateway.trust(auth0, audiences=["https://orders.example"])
    wish = {"audience": "https://orders.example", "scope": "items:read"}
    recipes = ("valid", "expired", "wrong-audience", "issuer-slash", "wrong-key", "no-scope")
    for recipe in recipes:
        token = auth0.mint(recipe, **wish)
        (api,) = kapi_gateway.explain(token)["apis"]
        for item in api["operations"]:
            status = kapi_api.get(item["target"].replace("{id}", "1"), token).status
            if item["why"] != "needs no token":
                assert (status == 200) == (item["result"] == "allowed"), (recipe, item)
    assert kapi_api.get("/items/1", auth0.token(**wish)).status == 200
