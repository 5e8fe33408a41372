"""Named secrets, from the moment they are set to the header that a backend sees; through the real
Envoy.
"""

from __future__ import annotations

import base64
import dataclasses
import time
from collections.abc import Iterator
from pathlib import Path

import pytest
from live_gateway import Gateway, backend, gateway
from live_gateway import deployer as make_deployer

from kapi.errors import GatewayRejected, Invalid, Problem
from kapi.gateway.deployment.deployer import Deployer
from kapi.gateway.envoy.resources.context import render_context
from kapi.gateway.secrets import NamedSecrets, known_secrets
from kapi.settings import SecretSettings, SecretsSettings, Settings
from kapi.store import Store
from kapi.store.gateway.secrets import SecretStore
from waiting import until

DEFINITION = (
    b'{"openapi": "3.0.3", "info": {"title": "t", "version": "1"}, "paths": {}}'
)
BASIC = (
    "endpointSecurity: {enabled: true, securityType: {secretName: login, userNameKey: user, "
    "passwordKey: password}}"
)
KEY = (
    "endpointSecurity: {enabled: true, securityType: {secretName: key, in: %s, apiKeyNameKey: %s, "
    "apiKeyValueKey: value}}"
)
HEADER_KEY = KEY % ("Header", "X-Key")
CA = "certificate: {secretName: ca, secretKey: ca.crt}"


def conf(name: str, endpoint: str, *more: str) -> bytes:
    fields = "".join(f"\n    {line}" for line in more)
    return (
        f"name: {name}\nbasePath: /{name}\nversion: '1'\ntype: REST\nendpointConfigurations:\n"
        f"  production:\n    endpoint: {endpoint}{fields}\n"
        "operations:\n- {target: /x, verb: GET, secured: false}\n"
    ).encode()


@dataclasses.dataclass
class World:
    live: Gateway
    deployer: Deployer
    secrets: NamedSecrets
    store: Store
    plain: int
    tls: int

    def deploy(self, name: str, *more: str, tls: bool = False) -> None:
        endpoint = (
            f"https://localhost:{self.tls}" if tls else f"http://127.0.0.1:{self.plain}"
        )
        self.deployer.deploy(conf(name, endpoint, *more), DEFINITION, "default")

    def seen(self, name: str, query: str = "", **headers: str) -> dict[str, str]:
        answer = self.live.call(f"/{name}/1/x{query}", headers=headers).json
        return {**answer["headers"], ":path": answer["path"]}


def made(
    live: Gateway, store: Store, settings: Settings
) -> tuple[Deployer, NamedSecrets]:
    secret_store = SecretStore(store.database)
    context = render_context(settings, known_secrets(settings, secret_store))
    deployer = make_deployer(live, store, context=context)
    deployer.restore()
    return deployer, NamedSecrets(settings, secret_store, deployer, time.time)


@pytest.fixture(scope="module")
def running() -> Iterator[Gateway]:
    with gateway(timeout=30) as it:
        yield it


@pytest.fixture
def world(running: Gateway, tmp_path: Path) -> Iterator[World]:
    fixed = SecretsSettings((SecretSettings("fixed", "value", "from the settings"),))
    settings = dataclasses.replace(running.settings, secrets=fixed)
    store = Store.open(tmp_path / "kapi.db")
    edge = running.certificate.ca_file.with_name("edge.pem")
    with backend() as plain, backend(certificate=edge) as tls:
        yield World(running, *made(running, store, settings), store, plain, tls)
    store.close()


def basic(text: str) -> str:
    return "Basic " + base64.b64encode(text.encode()).decode()


def test_a_backend_gets_its_credentials_and_new_ones_at_once(world: World) -> None:
    world.secrets.set("default", "login", "user", "me")
    world.secrets.set("default", "login", "password", "p:ä%s")
    world.deploy("basic", BASIC)
    assert world.seen("basic", authorization="Bearer mine")["authorization"] == basic(
        "me:p:ä%s"
    )
    world.secrets.set("default", "login", "password", "new")
    assert world.seen("basic")["authorization"] == basic("me:new")
    assert world.deployer.list("default")[0].revision == 1


def test_an_api_key_stands_in_the_header_or_in_the_query_and_replaces_what_the_caller_sends(
    world: World,
) -> None:
    world.secrets.set("default", "key", "value", "a b&c%20=1")
    world.deploy("header", HEADER_KEY)
    world.deploy("query", KEY % ("Query", "my key"))
    assert world.seen("header", **{"X-Key": "forged"})["x-key"] == "a b&c%20=1"
    assert world.seen("query")[":path"] == "/x?my%20key=a%20b%26c%2520%3D1"
    asked = world.seen(
        "query", "?a=1&my%20key=forged&b=%2F%26%20c&my+key&d%26e=1&f[]=2&my%20keys=3"
    )[":path"]
    assert (
        asked
        == "/x?a=1&b=%2F%26%20c&d%26e=1&f[]=2&my%20keys=3&my%20key=a%20b%26c%2520%3D1"
    )


def test_an_https_backend_is_checked_against_the_named_certificate(
    world: World,
) -> None:
    pem = world.live.certificate.ca_file.read_text()
    stranger = (Path(__file__).parents[1] / "golden" / "_ca.pem").read_text()
    world.secrets.set("default", "ca", "ca.crt", pem)
    world.deploy("tls", CA, tls=True)
    assert world.live.call("/tls/1/x").status == 200
    world.secrets.set("default", "ca", "ca.crt", stranger)
    assert world.live.call("/tls/1/x").status == 503
    world.secrets.set("default", "ca", "ca.crt", stranger + pem)
    assert world.live.call("/tls/1/x").status == 200


def test_an_unknown_name_is_a_mistake_in_the_conf_with_its_place(world: World) -> None:
    with pytest.raises(Invalid) as refused:
        world.deploy("unknown", BASIC)
    assert [
        (item.code, item.pointer, item.line) for item in refused.value.diagnostics
    ] == [
        ("KAPI1501", "#/endpointConfigurations/production", 7),
        ("KAPI1501", "#/endpointConfigurations/production", 7),
    ]
    assert world.live.call("/unknown/1/x").status == 404


def test_another_organization_has_other_secrets(world: World) -> None:
    world.secrets.set("acme", "login", "user", "me")
    world.secrets.set("acme", "login", "password", "p")
    assert world.secrets.list("default") == (world.secrets.list("default")[0],)
    with pytest.raises(Invalid):
        world.deploy("foreign", BASIC)


def test_a_value_that_cannot_be_used_is_refused_and_the_old_one_stays(
    world: World,
) -> None:
    world.secrets.set("default", "key", "value", "good")
    world.secrets.set(
        "default", "ca", "ca.crt", world.live.certificate.ca_file.read_text()
    )
    world.deploy("kept", HEADER_KEY)
    world.deploy("kept_tls", CA, tls=True)
    with pytest.raises(Invalid):
        world.secrets.set("default", "key", "value", "two\nlines")
    with pytest.raises(Invalid):
        world.secrets.set("default", "ca", "ca.crt", "no certificate")
    with pytest.raises(GatewayRejected):
        world.secrets.set(
            "default",
            "ca",
            "ca.crt",
            "-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n",
        )
    assert world.seen("kept")["x-key"] == "good"
    assert world.live.call("/kept_tls/1/x").status == 200


@pytest.mark.parametrize(
    ("security", "secret", "value", "says"),
    [
        (HEADER_KEY, ("key", "value"), "the-value\n", "line break"),
        (HEADER_KEY, ("key", "value"), "the-value\x7f", "control character"),
        (HEADER_KEY, ("key", "value"), " the-value", "white space"),
        (KEY % ("Query", "k"), ("key", "value"), "the-value\r\n", "line break"),
        (BASIC, ("login", "password"), "the-value\n", "line break"),
        (BASIC, ("login", "user"), "the-value\t", "control character"),
        (BASIC, ("login", "user"), "the:the-value", "colon"),
    ],
)
def test_a_credential_that_cannot_be_sent_is_a_mistake_with_its_place(
    world: World, security: str, secret: tuple[str, str], value: str, says: str
) -> None:
    for item in (("key", "value"), ("login", "user"), ("login", "password")):
        world.secrets.set("default", *item, "good")
    world.secrets.set("default", *secret, value)
    with pytest.raises(Invalid) as refused:
        world.deploy("unsendable", security)
    (found,) = refused.value.diagnostics
    assert (found.code, found.pointer, found.line, found.source) == (
        "KAPI1502", "#/endpointConfigurations/production", 7, "apkConfiguration"
    )  # fmt: skip
    assert found.message.startswith(f"the value of {' '.join(secret)} cannot be sent: ")
    assert says in found.message
    assert f"kapi secret set {' '.join(secret)}" in found.hint
    world.secrets.set("default", *secret, "good")
    world.deploy("unsendable", security)
    with pytest.raises(Invalid) as changed:
        world.secrets.set("default", *secret, value)
    assert (changed.value.code, changed.value.diagnostics[0].source) == (
        "909030",
        "unsendable 1",
    )
    assert world.live.call("/unsendable/1/x").status == 200
    for error in (refused.value, changed.value):
        assert (
            "the-value"
            not in f"{error.detail} {error.hint} {error.more_info} {error.diagnostics}"
        )


def test_every_api_that_cannot_use_a_value_is_named_at_once(world: World) -> None:
    world.secrets.set("default", "key", "value", "good")
    world.deploy("first", HEADER_KEY)
    world.deploy("second", HEADER_KEY)
    with pytest.raises(Invalid) as refused:
        world.secrets.set("default", "key", "value", "two\nlines")
    assert [item.source for item in refused.value.diagnostics] == [
        "first 1",
        "second 1",
    ]
    assert world.seen("first")["x-key"] == world.seen("second")["x-key"] == "good"


def test_any_other_character_reaches_the_backend(world: World) -> None:
    value = "a\tä\u0085\u2028\U0001f511 %REQ(x)%"
    world.secrets.set("default", "key", "value", value)
    world.deploy("characters", HEADER_KEY)
    assert world.seen("characters")["x-key"].encode("latin-1").decode() == value


def test_a_script_that_cannot_be_loaded_is_refused_and_the_old_one_stays(
    world: World,
) -> None:
    world.secrets.set(
        "default",
        "script",
        "lua",
        "function envoy_on_request(handle) handle:headers():add('x-lua', 'old') end",
    )
    policy = (
        "{policyName: LuaInterceptor, parameters: {name: s, sourceCodeRef: {name: script, key: "
        "lua}}}"
    )
    text = (
        conf("lua", f"http://127.0.0.1:{world.plain}").decode()
        + f"apiPolicies: {{request: [{policy}]}}\n"
    )
    world.deployer.deploy(text.encode(), DEFINITION, "default")
    assert world.seen("lua")["x-lua"] == "old"
    with pytest.raises(GatewayRejected):
        world.secrets.set("default", "script", "lua", "this is no script")
    assert world.seen("lua")["x-lua"] == "old"
    world.secrets.set(
        "default",
        "script",
        "lua",
        "function envoy_on_request(handle) handle:headers():add('x-lua', 'new') end",
    )
    assert world.seen("lua")["x-lua"] == "new"


def test_a_secret_in_use_is_not_removed_and_one_of_the_settings_not_changed(
    world: World,
) -> None:
    world.secrets.set("default", "key", "value", "v")
    world.deploy("uses", HEADER_KEY)
    statuses = []
    for act in (
        lambda: world.secrets.remove("default", "key", "value"),
        lambda: world.secrets.set("default", "fixed", "value", "x"),
        lambda: world.secrets.remove("default", "fixed", "value"),
        lambda: world.secrets.remove("default", "none", "value"),
    ):
        with pytest.raises(Problem) as refused:
            act()
        statuses.append(refused.value.status)
    assert statuses == [409, 409, 409, 404]
    world.deployer.undeploy(world.deployer.list("default")[0].id, "default")
    world.secrets.remove("default", "key", "value")
    assert [(item.name, item.source) for item in world.secrets.list("default")] == [
        ("fixed", "settings")
    ]


def test_a_secret_of_the_settings_that_changed_holds_after_a_restart(
    world: World, running: Gateway
) -> None:
    world.deploy("settings", HEADER_KEY.replace("secretName: key", "secretName: fixed"))
    assert world.seen("settings")["x-key"] == "from the settings"
    changed = dataclasses.replace(
        running.settings,
        secrets=SecretsSettings((SecretSettings("fixed", "value", "new"),)),
    )
    made(running, world.store, changed)
    until(lambda: world.seen("settings")["x-key"] == "new")


def test_no_value_shows_in_what_is_printed(world: World) -> None:
    world.secrets.set("default", "key", "value", "unprintable")
    assert "unprintable" not in repr(
        known_secrets(running_settings(world), SecretStore(world.store.database))
    )
    assert "unprintable" not in repr(SecretStore(world.store.database).all())
    assert "from the settings" not in repr(
        SecretSettings("fixed", "value", "from the settings")
    )


def running_settings(world: World) -> Settings:
    return world.live.settings
