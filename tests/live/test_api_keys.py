"""API keys, from the command line to the gateway: both kinds, where they are allowed, revoked, and
after a restart.
"""

from __future__ import annotations

import json

import pytest

from harness import DEFINITION, Answer, Platform, conf
from waiting import awaited

HOST, SANDBOX = "default.gw.wso2.com", "default.sandbox.gw.wso2.com"
KEYS_ONLY = (
    "authentication:\n- {authType: OAuth2, enabled: false}\n"
    "- {authType: APIKey, required: mandatory}\n"
)


@pytest.fixture(scope="module")
def platform(platform: Platform, echo: int) -> Platform:
    sandbox = f"  sandbox:\n    endpoint: http://127.0.0.1:{echo}/sandbox\n"
    for name, authentication in (
        ("Keyed", KEYS_ONLY),
        ("Either", "authentication:\n- {authType: APIKey}\n"),
        ("Other", KEYS_ONLY),
        (
            "Places",
            KEYS_ONLY.replace(
                "mandatory}",
                "mandatory, headerName: X-Key, queryParamEnable: false, sendTokenToUpstream: true}",
            ),
        ),
    ):
        text = conf(name, f"/{name.lower()}", port=echo, extra=authentication).replace(
            "operations:", f"{sandbox}operations:", 1
        )
        answer = platform.deploy(text, DEFINITION)
        assert answer.status == 200, answer.body
    return platform


def create(platform: Platform, *arguments: str) -> str:
    return platform.cli("api-key", "create", *arguments).stdout.strip()


def call(
    platform: Platform,
    path: str,
    key: str | None = None,
    *arguments: str,
    host: str = HOST,
    header: str = "apikey",
) -> Answer:
    return platform.request(
        host, path, *(["-H", f"{header}: {key}"] if key is not None else []), *arguments
    )


def eventually(
    platform: Platform, path: str, key: str, status: int, **more: str
) -> Answer:
    """What changes about keys is at the gateway within a second."""
    return awaited(
        lambda: call(platform, path, key, **more),
        lambda answer: answer.status == status,
    )


KINDS = pytest.mark.parametrize("kind", [(), ("--opaque",)], ids=["jwt", "opaque"])
ITEMS = "/keyed/1.0.0/items"


@KINDS
def test_a_key_opens_its_api_and_no_other(
    platform: Platform, kind: tuple[str, ...]
) -> None:
    key = create(platform, "Keyed:1.0.0", *kind)
    seen = eventually(platform, ITEMS, key, 200).json()
    ours = {name for name in seen["headers"] if name.startswith(("apikey", "x-kapi"))}
    assert ours == {"x-kapi-url"}
    assert (
        call(platform, f"{ITEMS}?apikey={key}&a=%26b").json()["path"]
        == "/backend/items?a=%26b"
    )
    # A key has no scopes and needs none.
    assert call(platform, f"{ITEMS}/1", key).status == 200
    refused = call(platform, "/other/1.0.0/items", key)
    assert (refused.status, refused.json()["code"]) == (403, "900908")
    assert (call(platform, ITEMS, key, host=SANDBOX)).json()["code"] == "900901"


@KINDS
def test_a_new_key_is_valid_when_it_is_answered(
    platform: Platform, kind: tuple[str, ...]
) -> None:
    token = platform.token("apk:api_create")
    wanted = {"apis": [{"name": "Keyed"}], "kind": "opaque" if kind else "jwt"}
    for _ in range(3):
        made = platform.api(
            "/api/api-keys", "-d", json.dumps(wanted), token=token
        ).json()
        assert call(platform, ITEMS, made["apiKey"]).status == 200


@KINDS
def test_what_is_no_key_is_refused(platform: Platform, kind: tuple[str, ...]) -> None:
    key = create(platform, "*", *kind)
    eventually(platform, ITEMS, key, 200)
    assert call(platform, ITEMS).json()["code"] == "900902"
    assert call(platform, ITEMS, "").json()["code"] == "900902"
    for bad in (
        key[:-2] + ("aa" if not key.endswith("aa") else "bb"),
        key + "x",
        "kapi_00_x",
        "kapi_0123456789abcdef_" + "A" * 43,
        "x",
        "a.b.c",
        platform.token(),
    ):
        answer = call(platform, ITEMS, bad)
        assert (answer.status, answer.json()["code"]) == (401, "900901"), bad


@KINDS
def test_a_key_is_no_access_token_and_the_other_way_round(
    platform: Platform, kind: tuple[str, ...]
) -> None:
    key = create(platform, "*", *kind)
    eventually(platform, "/either/1.0.0/items", key, 200)
    bearer = call(
        platform, "/either/1.0.0/items", None, "-H", f"Authorization: Bearer {key}"
    )
    assert (bearer.status, bearer.json()["code"]) == (401, "900901")
    assert platform.api("/api/deployer/1.2.0/apis", token=key).status == 401
    token = platform.token("items:read")
    assert (
        call(
            platform,
            "/either/1.0.0/items",
            None,
            "-H",
            f"Authorization: Bearer {token}",
        ).status
        == 200
    )
    assert (
        call(
            platform,
            "/either/1.0.0/items/1",
            None,
            "-H",
            f"Authorization: Bearer {platform.token('x')}",
        ).json()["code"]
        == "900910"
    )
    assert (
        call(
            platform,
            "/either/1.0.0/items/1",
            None,
            "-H",
            f"Authorization: Bearer {token}",
        ).status
        == 200
    )
    assert call(platform, "/either/1.0.0/items/1", key).status == 200
    assert call(platform, "/either/1.0.0/items").json()["code"] == "900902"


@KINDS
def test_the_place_is_the_confs(platform: Platform, kind: tuple[str, ...]) -> None:
    key = create(platform, "Places", *kind)
    assert (
        eventually(platform, "/places/1.0.0/items", key, 200, header="X-Key").json()[
            "headers"
        ]["x-key"]
        == key
    )
    assert call(platform, "/places/1.0.0/items", key).json()["code"] == "900902"
    assert (
        call(platform, f"/places/1.0.0/items?apikey={key}").json()["code"] == "900902"
    )
    assert (
        call(platform, "/places/1.0.0/items", key, header="x-kapi-key").json()["code"]
        == "900902"
    )


@KINDS
def test_a_sandbox_key_opens_the_sandbox(
    platform: Platform, kind: tuple[str, ...]
) -> None:
    key = create(platform, "Keyed", "--sandbox", *kind)
    assert (
        eventually(platform, ITEMS, key, 200, host=SANDBOX).json()["path"]
        == "/sandbox/items"
    )
    assert call(platform, ITEMS, key).json()["code"] == "900901"


@KINDS
def test_a_key_may_be_bound_to_networks(
    platform: Platform, kind: tuple[str, ...]
) -> None:
    for networks, status in (
        (("127.0.0.0/8",), 200),
        (("198.51.100.0/24", "127.0.0.1"), 200),
        (("198.51.100.0/24", "2001:db8::/32"), 403),
        (("127.0.0.2/31",), 403),
        (("0.0.0.0/0",), 200),
    ):
        key = create(
            platform,
            "Keyed",
            *kind,
            *(part for item in networks for part in ("--permitted-ip", item)),
        )
        # A forwarded address is the caller's own word.
        eventually(platform, ITEMS, key, status)
        assert (
            call(platform, ITEMS, key, "-H", "X-Forwarded-For: 198.51.100.7").status
            == status
        ), networks


@KINDS
def test_a_key_may_be_bound_to_referers(
    platform: Platform, kind: tuple[str, ...]
) -> None:
    key = create(
        platform,
        "Keyed",
        *kind,
        "--permitted-referer",
        "https://shop.example/*",
        "--permitted-referer",
        "https://*.app.example/a.b",
    )
    eventually(platform, ITEMS, key, 403)
    for referer, status in (
        ("https://shop.example/cart", 200),
        ("https://x.app.example/a.b", 200),
        ("https://x.app.example/aXb", 403),
        ("https://shop.example.evil/", 403),
        ("http://evil/?https://shop.example/", 403),
        ("", 403),
    ):
        assert (
            call(platform, ITEMS, key, "-H", f"Referer: {referer}").status == status
        ), referer


@KINDS
def test_a_referer_that_is_tried_again_and_again_stops_nobody(
    platform: Platform, kind: tuple[str, ...]
) -> None:
    patterns = (
        "*a*a*a*a*a*a*a*b",
        "https://*.x/*/*?q=*&r=*_*.",
        "https://ab*ba",
        "https://x**y",
        "*",
        "https://plain",
    )
    keys = {
        pattern: create(platform, "Keyed", *kind, "--permitted-referer", pattern)
        for pattern in patterns
    }
    for pattern, key in keys.items():
        eventually(platform, ITEMS, key, 200 if pattern == "*" else 403)
    table = [
        ("*a*a*a*a*a*a*a*b", "https://" + "a" * 80, 403),
        ("*a*a*a*a*a*a*a*b", "https://" + "a" * 4000, 403),
        ("*a*a*a*a*a*a*a*b", "https://" + "a" * 80 + "b", 200),
        ("*a*a*a*a*a*a*a*b", "https://aaaaaaab", 200),
        ("*a*a*a*a*a*a*a*b", "https://aaaaaab", 403),
        ("https://*.x/*/*?q=*&r=*_*.", "https://a.x/b/c?q=1&r=2_d.", 200),
        ("https://*.x/*/*?q=*&r=*_*.", "https://a.x/b/c?q=1&r=2_d", 403),
        ("https://ab*ba", "https://abba", 200),
        ("https://ab*ba", "https://aba", 403),
        ("https://ab*ba", "https://abcba", 200),
        ("https://x**y", "https://xy", 200),
        ("https://x**y", "https://xzzy", 200),
        ("https://x**y", "https://y", 403),
        ("*", "https://any.example/", 200),
        ("*", "https://" + "a" * 5000, 403),
        ("https://plain", "https://plain", 200),
        ("https://plain", "https://plainer", 403),
    ]
    for pattern, referer, status in table:
        assert (
            call(platform, ITEMS, keys[pattern], "-H", f"Referer: {referer}").status
            == status
        ), (
            pattern,
            referer[:60],
        )
    assert platform.request("api.am.wso2.com", "/health").status == 200


def test_a_referer_with_many_stars_or_a_space_is_refused(platform: Platform) -> None:
    for pattern in ("*a*a*a*a*a*a*a*a*b", "https://a b/"):
        refused = platform.cli(
            "api-key", "create", "Keyed", "--permitted-referer", pattern, check=False
        )
        assert refused.returncode == 3
        assert "at most 8 stars" in refused.stderr


@KINDS
def test_a_key_expires(platform: Platform, kind: tuple[str, ...]) -> None:
    key = create(platform, "Keyed", *kind, "--lifetime", "2")
    eventually(platform, ITEMS, key, 200)
    answer = eventually(platform, ITEMS, key, 401)
    assert answer.json()["code"] in {"900901", "900903"}


@KINDS
def test_a_revoked_key_stays_revoked(platform: Platform, kind: tuple[str, ...]) -> None:
    made = json.loads(
        platform.cli("api-key", "create", "Keyed", *kind, "-o", "json").stdout
    )
    kept = create(platform, "Keyed", *kind)
    eventually(platform, ITEMS, made["apiKey"], 200)
    platform.cli("api-key", "revoke", made["id"])
    assert eventually(platform, ITEMS, made["apiKey"], 401).json()["code"] == "900901"
    listed = json.loads(platform.cli("api-key", "list", "-o", "json").stdout)["apiKeys"]
    assert next(item for item in listed if item["id"] == made["id"])["revoked"]
    assert made["apiKey"] not in json.dumps(listed)
    platform.stop()
    platform.start()
    assert call(platform, ITEMS, made["apiKey"]).status == 401
    assert call(platform, ITEMS, kept).status == 200
    assert platform.cli("api-key", "revoke", "no-such-key", check=False).returncode == 5


def test_the_secret_of_an_opaque_key_is_stored_nowhere(platform: Platform) -> None:
    key = create(platform, "Keyed", "--opaque")
    eventually(platform, ITEMS, key, 200)
    secret = key[-20:].encode()  # A part of it, which may contain the sign before it.
    for path in platform.data_dir.rglob("*"):
        if path.is_file():
            assert secret not in path.read_bytes(), path


def test_a_request_for_a_key_is_told_every_mistake(platform: Platform) -> None:
    token = platform.token("apk:api_create")
    body = json.dumps(
        {"apis": [], "kind": "x", "lifetime": -1, "permittedIP": ["here"], "extra": 1}
    )
    answer = platform.api("/api/api-keys", "-d", body, token=token)
    assert answer.status == 400
    assert {item["pointer"] for item in answer.json()["diagnostics"]} == {
        "#/apis",
        "#/kind",
        "#/lifetime",
        "#/permittedIP",
        "#/extra",
    }
    for bad in ("", "[]", "{", "[" * 5000):
        assert platform.api("/api/api-keys", "-d", bad, token=token).status == 400
    assert platform.api("/api/api-keys", "-d", "x" * 70_000, token=token).status == 413
    assert platform.api("/api/api-keys").status == 401
    assert platform.api("/api/api-keys", token=platform.token("other")).status == 403
