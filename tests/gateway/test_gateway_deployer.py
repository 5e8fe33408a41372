"""Deploying files to the real Envoy: all or nothing, and the same again after a restart."""

from __future__ import annotations

import dataclasses
import os
import re
import shutil
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from types import MappingProxyType
from typing import Any

import pytest
from live_gateway import Gateway, backend, free_port, gateway
from live_gateway import deployer as make_deployer

import kapi
from kapi import run_files
from kapi.apis import report as codes
from kapi.apis.compile import Compiled, compile_api
from kapi.apis.secrets import Secrets
from kapi.errors import (
    Diagnostic,
    GatewayLost,
    GatewayRejected,
    GatewayUnavailable,
    Invalid,
    Problem,
)
from kapi.fetch import fetch
from kapi.gateway.deployment.checks import raise_mistakes
from kapi.gateway.deployment.deployer import Deployer
from kapi.gateway.deployment.fingerprint import SOURCES, fingerprint
from kapi.gateway.deployment.modules import Modules
from kapi.gateway.envoy.resources.context import render_context
from kapi.gateway.envoy.resources.names import SCOPE, names_in
from kapi.gateway.envoy.resources.resource import Resource
from kapi.policies.headers import HeaderChange, Headers
from kapi.settings import GatewaySettings, Settings
from kapi.store import Store
from kapi.store.gateway.modules import PinnedModules

DEFINITION = b"""
openapi: 3.0.1
info: {title: pets, version: 1.0.0}
paths:
  /x: {get: {responses: {"200": {description: ok}}}}
  /y: {get: {responses: {"200": {description: ok}}}}
"""


def conf(
    port: int,
    *,
    name: str = "pets",
    base: str = "/pets",
    version: str = "1.0.0",
    target: str = "/x",
    extra: str = "",
) -> bytes:
    return f"""
name: "{name}"
basePath: "{base}"
version: "{version}"
type: "REST"
{extra}
endpointConfigurations:
  production:
    endpoint: "http://127.0.0.1:{port}/v2"
operations:
  - target: "{target}"
    verb: "GET"
    secured: false
    scopes: []
""".encode()


@pytest.fixture(scope="module")
def port() -> Iterator[int]:
    with backend() as number:
        yield number


@pytest.fixture(scope="module")
def running() -> Iterator[Gateway]:
    with gateway(timeout=30) as it:
        yield it


def make(live: Gateway, store: Store, **arguments: Any) -> Deployer:
    return make_deployer(live, store, now=lambda: 1_700_000_000.0, **arguments)


@pytest.fixture
def store(tmp_path: Path) -> Iterator[Store]:
    opened = Store.open(tmp_path / "kapi.db")
    yield opened
    opened.close()


@pytest.fixture
def deployer(running: Gateway, store: Store) -> Deployer:
    made = make(running, store)
    made.restore()
    return made


def test_deploy_answers_when_the_api_does(
    running: Gateway, deployer: Deployer, port: int
) -> None:
    done = deployer.deploy(conf(port), DEFINITION, "default")
    assert running.call("/pets/1.0.0/x").json["path"] == "/v2/x"
    assert done.id in done.conf_text
    (listed,) = deployer.list("default")
    assert (listed.id, listed.base_path, listed.revision, listed.deployed_at) == (
        done.id,
        "/pets/1.0.0",
        1,
        1_700_000_000,
    )
    assert deployer.list("other") == ()


def test_only_limits_count(deployer: Deployer, port: int) -> None:
    """Envoy has the listener for counters then only; without it, nothing is to be sent there."""
    cache = "apiPolicies: {response: [{policyName: ResponseCache}]}"
    deployer.deploy(conf(port, extra=cache), DEFINITION, "default")
    assert not deployer.counts
    limit = "rateLimit: {requestsPerUnit: 9, unit: Minute}"
    deployer.deploy(conf(port, extra=limit), DEFINITION, "default")
    assert deployer.counts


def test_redeploy_replaces(running: Gateway, deployer: Deployer, port: int) -> None:
    first = deployer.deploy(conf(port), DEFINITION, "default")
    again = deployer.deploy(conf(port, target="/y"), DEFINITION, "default")
    assert first.id == again.id
    assert running.call("/pets/1.0.0/y").status == 200
    assert running.call("/pets/1.0.0/x").status == 404
    assert deployer.list("default")[0].revision == 2


def test_an_api_that_moves_leaves_its_old_place(
    running: Gateway, deployer: Deployer, port: int, store: Store
) -> None:
    deployer.deploy(conf(port), DEFINITION, "default")
    deployer.deploy(conf(port, base="/animals"), DEFINITION, "default")
    assert running.call("/animals/1.0.0/x").status == 200
    assert running.call("/pets/1.0.0/x").status == 404
    assert {item.name for item in store.rendered() if item.kind == "scope"} == {
        "animals"
    }


def test_neighbours_in_a_segment_stay(
    running: Gateway, deployer: Deployer, port: int
) -> None:
    deployer.deploy(conf(port, extra="defaultVersion: true"), DEFINITION, "default")
    second = deployer.deploy(
        conf(port, version="2.0.0", target="/y"), DEFINITION, "default"
    )
    deployer.deploy(conf(port), DEFINITION, "acme")
    for path, host in [
        ("/pets/1.0.0/x", "default"),
        ("/pets/x", "default"),
        ("/pets/2.0.0/y", "default"),
        ("/pets/1.0.0/x", "acme"),
    ]:
        assert running.call(path, host=f"{host}.gw.wso2.com").status == 200
    deployer.undeploy(second.id, "default")
    assert running.call("/pets/2.0.0/y").status == 404
    assert running.call("/pets/1.0.0/x").status == 200


def test_undeploy_takes_all_of_it_away(
    running: Gateway, deployer: Deployer, port: int, store: Store
) -> None:
    deployer.undeploy(deployer.deploy(conf(port), DEFINITION, "default").id, "default")
    before = running.publisher.status().confirmed
    done = deployer.deploy(conf(port, base="/zoo"), DEFINITION, "default")
    assert running.publisher.status().confirmed == before + 2
    deployer.undeploy(done.id, "default")
    assert running.call("/pets/1.0.0/x").status == 404
    assert (store.apis(), store.rendered()) == ((), ())
    assert running.publisher.status().confirmed == before


def test_undeploy_of_an_unknown_or_foreign_id(deployer: Deployer, port: int) -> None:
    done = deployer.deploy(conf(port), DEFINITION, "default")
    for api_id, organization in [("nothing", "default"), (done.id, "other")]:
        with pytest.raises(Problem) as caught:
            deployer.undeploy(api_id, organization)
        assert (caught.value.status, caught.value.code, caught.value.title) == (
            404,
            "909001",
            f"{api_id} not found",
        )
        assert "kapi delete api NAME" in caught.value.hint


def test_a_taken_base_path_is_refused(deployer: Deployer, port: int) -> None:
    deployer.deploy(conf(port), DEFINITION, "default")
    with pytest.raises(Invalid, match="taken"):
        deployer.deploy(conf(port, name="other"), DEFINITION, "default")


def test_of_two_deployments_at_once_only_one_gets_the_base_path(
    running: Gateway, store: Store, port: int
) -> None:
    """The other one is deployed while the first is compiled."""
    others = [conf(port, name="other")]

    def compiling(*files: bytes, **choices: Any) -> Compiled:
        compiled = compile_api(*files, **choices)
        if others:
            made.deploy(others.pop(), DEFINITION, "default")
        return compiled

    made = make(running, store, compile_new=compiling)
    made.restore()
    with pytest.raises(Invalid, match="taken"):
        made.deploy(conf(port), DEFINITION, "default")
    assert [api.name for api in made.list("default")] == ["other"]
    assert [api.name for api in store.apis()] == ["other"]


@pytest.mark.parametrize(
    ("first", "second"),
    [
        (("a", "environment: b", "/pay"), ("a-b", "", "/pay/1.0.0/login")),
        (("a-b", "", "/pay/1.0.0/login"), ("a", "environment: b", "/pay")),
        (("a-b", "", "/other"), ("a", "environment: b", "/pay")),
    ],
)
def test_another_organization_gets_no_place_on_a_host(
    deployer: Deployer,
    port: int,
    first: tuple[str, str, str],
    second: tuple[str, str, str],
) -> None:
    for (organization, environment, base), refused in ((first, False), (second, True)):
        text = conf(
            port, name=base.strip("/").replace("/", "-"), base=base, extra=environment
        )
        if not refused:
            deployer.deploy(text, DEFINITION, organization)
            continue
        with pytest.raises(Invalid, match="another organization"):
            deployer.deploy(text, DEFINITION, organization)
        assert deployer.list(organization) == ()


UNFIT = """apiPolicies:
  request:
  - policyName: WASMInterceptor
    parameters: {name: one, rootId: one, url: "file:one.wasm"}
  - policyName: WASMInterceptor
    parameters: {name: two, rootId: two, url: "file:two.wasm", hostKeys: [SECRET]}
"""
SCRIPT = """apiPolicies:
  request:
  - policyName: LuaInterceptor
    parameters: {name: s, sourceCode: "function envoy_on_request(handle) end"}
"""
LOGIN = (
    '    endpointSecurity: {enabled: true, securityType: {secretName: "login", userNameKey: '
    '"user", passwordKey: "word"}}'
)


def test_modules_secrets_and_conflicts_are_all_told_at_once(
    running: Gateway, store: Store, port: int
) -> None:
    made = make(
        running,
        store,
        modules=Modules(PinnedModules(store.database), running.settings, fetch),
    )
    made.restore()
    made.deploy(conf(port), DEFINITION, "default")
    text = (
        conf(port, name="other", extra=UNFIT).decode().replace('/v2"', f'/v2"\n{LOGIN}')
    )
    with pytest.raises(Invalid) as caught:
        made.deploy(text.encode(), DEFINITION, "default")
    told = "\n".join(item.message for item in caught.value.diagnostics)
    for part in (
        "is taken by",
        "file:one.wasm",
        "file:two.wasm",
        "hostKeys SECRET",
        "login with the key user",
        "login with the key word",
    ):
        assert part in told


def test_a_host_of_the_gateway_itself_is_no_place_for_an_api(
    running: Gateway, store: Store, port: int
) -> None:
    gateway_settings = dataclasses.replace(
        running.settings.gateway, api_host="api.gw.wso2.com"
    )
    made = make(
        running,
        store,
        context=dataclasses.replace(running.context, gateway=gateway_settings),
    )
    made.restore()
    with pytest.raises(Invalid, match="belongs to the gateway itself"):
        made.deploy(conf(port), DEFINITION, "api")


def test_the_root_is_refused_with_a_hint(deployer: Deployer, port: int) -> None:
    with pytest.raises(Invalid) as caught:
        deployer.deploy(
            conf(port, base="/1.0.0", target="/*", extra="defaultVersion: true"),
            DEFINITION,
            "default",
        )
    assert "basePath" in caught.value.hint


def with_bad_header(*files: bytes, **choices: Any) -> Compiled:
    """Compiles an API named `bad` to one that Envoy refuses."""
    compiled = compile_api(*files, **choices)
    if compiled.api.name != "bad":
        return compiled
    header = Headers(request=(HeaderChange("set", "a\nb", "x"),))
    operations = tuple(
        dataclasses.replace(item, policies=(*item.policies, header))
        for item in compiled.api.operations
    )
    return dataclasses.replace(
        compiled, api=dataclasses.replace(compiled.api, operations=operations)
    )


def test_what_envoy_refuses_is_nowhere_and_hinders_no_other(
    running: Gateway, store: Store, port: int
) -> None:
    deployer = make(running, store, compile_new=with_bad_header)
    deployer.restore()
    deployer.deploy(conf(port), DEFINITION, "default")
    bad = conf(port, name="bad", version="2.0.0")
    for _ in range(2):
        with pytest.raises(
            GatewayRejected, match="HeaderValueValidationError"
        ) as caught:
            deployer.deploy(bad, DEFINITION, "default")
        assert "goo.gle" not in caught.value.detail
    assert [api.name for api in store.apis()] == ["pets"]
    assert running.call("/pets/1.0.0/x").status == 200
    assert running.call("/pets/2.0.0/x").status == 404
    deployer.deploy(conf(port, target="/y"), DEFINITION, "default")
    deployer.deploy(conf(port, version="2.0.0"), DEFINITION, "default")
    assert running.call("/pets/1.0.0/y").status == 200
    assert running.call("/pets/2.0.0/x").status == 200


class Mortal:
    """A publisher whose Envoy ends when it gets a scope, the first time or always."""

    def __init__(self, inner: Any, ends: int) -> None:
        self.inner, self.ends = inner, ends

    def publish(self, changed: Any, removed: Any = ()) -> None:
        if self.ends and any(item.type_url == SCOPE for item in changed):
            self.ends -= 1
            raise GatewayLost
        self.inner.publish(changed, removed)

    def __getattr__(self, name: str) -> Any:
        return getattr(self.inner, name)


def test_an_envoy_that_ends_meanwhile_gets_the_api_when_it_is_back(
    running: Gateway, store: Store, port: int
) -> None:
    deployer = make(running, store, publisher=Mortal(running.publisher, 1))
    deployer.restore()
    deployer.deploy(conf(port), DEFINITION, "default")
    assert running.call("/pets/1.0.0/x").status == 200


def test_an_api_that_ends_envoy_is_not_sent_to_the_next_one(
    running: Gateway, store: Store, port: int
) -> None:
    def ended(*_: object) -> None:
        raise GatewayRejected("Envoy ended")

    publisher = Mortal(running.publisher, 9)
    deployer = make(running, store, publisher=publisher, check=ended)
    deployer.restore()
    with pytest.raises(GatewayRejected, match="Envoy ended"):
        deployer.deploy(conf(port), DEFINITION, "default")
    assert (store.apis(), publisher.ends) == ((), 8)


def test_a_script_is_loaded_by_another_process_first(
    running: Gateway, store: Store, port: int
) -> None:
    checked = []
    deployer = make(running, store, check=lambda *given: checked.append(given))
    deployer.restore()
    deployer.deploy(conf(port), DEFINITION, "default")
    assert checked == []
    deployer.deploy(
        conf(port, name="scripted", base="/s", extra=SCRIPT), DEFINITION, "default"
    )
    assert len(checked) == 1


def test_what_the_store_does_not_keep_is_taken_back(
    running: Gateway,
    deployer: Deployer,
    store: Store,
    port: int,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    deployer.deploy(conf(port), DEFINITION, "default")

    def full(*_: object, **__: object) -> None:
        raise OSError("disk full")

    monkeypatch.setattr(store, "save_api", full)
    monkeypatch.setattr(store, "delete_api", full)
    with pytest.raises(OSError, match="disk full"):
        deployer.deploy(conf(port, target="/y"), DEFINITION, "default")
    with pytest.raises(OSError, match="disk full"):
        deployer.deploy(conf(port, name="fresh", base="/fresh"), DEFINITION, "default")
    with pytest.raises(OSError, match="disk full"):
        deployer.undeploy(deployer.list("default")[0].id, "default")
    assert running.call("/pets/1.0.0/x").status == 200
    assert running.call("/pets/1.0.0/y").status == 404
    assert running.call("/fresh/1.0.0/x").status == 404
    assert [item.name for item in deployer.list("default")] == ["pets"]


def test_without_envoy_nothing_is_kept(store: Store, port: int) -> None:
    with gateway(start=False, timeout=0.2) as live:
        deployer = make(live, store)
        deployer.restore()
        live.publisher.start()
        with pytest.raises(GatewayUnavailable):
            deployer.deploy(conf(port), DEFINITION, "default")
        assert (store.apis(), deployer.list("default")) == ((), ())


def never_compiled(*_: object, **__: object) -> None:
    raise AssertionError("compiled")


def test_a_restart_needs_no_compiler(
    running: Gateway, deployer: Deployer, store: Store, port: int
) -> None:
    deployer.deploy(conf(port), DEFINITION, "default")
    again = make(running, store, compile_stored=never_compiled)
    again.restore()
    assert running.call("/pets/1.0.0/x").status == 200
    assert len(again.list("default")) == 1


@pytest.mark.parametrize("kind", ["scope", "cluster"])
def test_a_restart_compiles_only_what_a_node_with_other_settings_has_changed(
    running: Gateway, deployer: Deployer, store: Store, port: int, kind: str
) -> None:
    other = free_port()
    deployer.deploy(conf(port), DEFINITION, "default")
    deployer.deploy(conf(other, name="changed", base="/changed"), DEFINITION, "default")
    names = {item.name for item in store.rendered() if item.kind == kind}
    kept = {"scope": "pets", "cluster": next(iter(_clusters(store, "pets")))}[kind]
    with store.database.transaction() as db:
        for name in names - {kept}:
            db.execute("DELETE FROM rendered WHERE kind = ? AND name = ?", (kind, name))

    def compiled(text: bytes, definition: bytes, **arguments: Any) -> Compiled:
        assert b"changed" in text
        return compile_api(text, definition, **arguments)

    make(running, store, compile_stored=compiled).restore()
    assert running.call("/pets/1.0.0/x").status == 200
    assert running.call("/changed/1.0.0/x").status == 503
    make(running, store, compile_stored=never_compiled).restore()
    assert {item.name for item in store.rendered() if item.kind == kind} == names


def _clusters(store: Store, segment: str) -> frozenset[str]:
    scope = next(
        item
        for item in store.rendered()
        if (item.kind, item.name) == ("scope", segment)
    )
    return names_in(scope.body).backends


def test_another_version_renders_again_and_leaves_out_what_no_longer_compiles(
    running: Gateway,
    deployer: Deployer,
    store: Store,
    port: int,
    caplog: pytest.LogCaptureFixture,
) -> None:
    deployer.deploy(conf(port), DEFINITION, "default")
    broken = deployer.deploy(
        conf(port, name="broken", base="/broken"), DEFINITION, "default"
    )
    other = dataclasses.replace(running.context, threads=running.context.threads + 1)

    def stricter(text: bytes, definition: bytes, **arguments: Any) -> Compiled:
        if b"broken" in text:
            raise Problem(400, "1", "not any more")
        return compile_api(text, definition, **arguments)

    again = make(running, store, context=other, compile_stored=stricter)
    again.restore()
    assert running.call("/pets/1.0.0/x").status == 200
    assert {item.fingerprint for item in store.rendered()} == {fingerprint(other)}
    assert "not any more" in caplog.text
    again.undeploy(broken.id, "default")
    assert [item.name for item in again.list("default")] == ["pets"]


def _other(value: object) -> object:
    """Another value of the same kind."""
    match value:
        case None:
            return "set"
        case bool():
            return not value
        case int():
            return value + 1
        case str():
            return f"{value}x"
        case dict():
            return {**value, "another": "one"}
        case tuple():
            return (*value, "another")
    assert dataclasses.is_dataclass(value)
    first = dataclasses.fields(value)[0].name
    return dataclasses.replace(value, **{first: _other(getattr(value, first))})


def test_every_input_of_rendering_is_part_of_the_fingerprint() -> None:
    """Also what is nested, and whatever is added later."""
    settings = Settings(
        Path("/data"),
        gateway=GatewaySettings(hosts={"a": "127.0.0.1", "b": "127.0.0.2"}),
    )
    context = render_context(
        settings, Secrets(MappingProxyType({("default", "name", "key"): "value"}))
    )
    marks = {fingerprint(context)}
    changed = 0
    for owner, replaced in (
        (context, lambda value: value),
        (context.gateway, lambda value: dataclasses.replace(context, gateway=value)),
        (
            context.gateway.enforcer,
            lambda value: dataclasses.replace(
                context, gateway=dataclasses.replace(context.gateway, enforcer=value)
            ),
        ),
        (
            context.subscriptions,
            lambda value: dataclasses.replace(context, subscriptions=value),
        ),
    ):
        for field in dataclasses.fields(owner):
            value = getattr(owner, field.name)
            if not isinstance(value, Secrets):
                changed += 1
                marks.add(
                    fingerprint(
                        replaced(
                            dataclasses.replace(owner, **{field.name: _other(value)})
                        )
                    )
                )
    secrets = Secrets(MappingProxyType({("default", "name", "key"): "another"}))
    marks.add(fingerprint(dataclasses.replace(context, secrets=secrets)))
    # What is in `gateway` and `subscriptions` is reached twice, with the same first field.
    assert changed > 40
    assert len(marks) >= changed - 2
    again = Settings(
        Path("/data"),
        gateway=GatewaySettings(hosts={"b": "127.0.0.2", "a": "127.0.0.1"}),
    )
    assert fingerprint(render_context(again, context.secrets)) == fingerprint(context)


def test_all_code_that_rendering_runs_through_is_part_of_the_fingerprint() -> None:
    root = Path(kapi.__file__).parent
    used: set[str] = set()
    for folder in ("apis", "policies", "gateway/envoy/resources"):
        for path in (root / folder).rglob("*.py"):
            found = re.findall(
                r"^\s*from kapi(?:\.(\w+))?\S* import (\w+)", path.read_text(), re.M
            )
            used |= {package or name for package, name in found}
    assert used >= {"apis", "policies", "settings"}
    # `run_files` and `store` name files and records; a render context contains the names.
    assert used - {"run_files", "store"} <= {
        name.removesuffix(".py") for name in SOURCES
    }


def test_a_change_in_a_folder_of_the_code_changes_the_fingerprint(
    tmp_path: Path,
) -> None:
    shutil.copytree(Path(kapi.__file__).parent, tmp_path / "kapi")
    before = _fingerprint_of_code_in(tmp_path)
    assert _fingerprint_of_code_in(tmp_path) == before
    changed = tmp_path / "kapi/policies/authentication/conf.py"
    changed.write_text(changed.read_text() + "# changed")

    assert _fingerprint_of_code_in(tmp_path) != before


def _fingerprint_of_code_in(folder: Path) -> str:
    """The fingerprint that a process with the code in this folder computes."""
    code = """
from pathlib import Path
from kapi.apis.secrets import Secrets
from kapi.gateway.deployment.fingerprint import fingerprint
from kapi.gateway.envoy.resources.context import render_context
from kapi.settings import Settings
print(fingerprint(render_context(Settings(Path("/data")), Secrets({}))))
"""
    done = subprocess.run(
        [sys.executable, "-c", code],
        cwd=folder,
        env={**os.environ, "PYTHONPATH": str(folder)},
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    return done.stdout


def own_mistake(code: str) -> Diagnostic:
    return Diagnostic(
        code, "a mistake", "a hint", "#/authentication", source="apkConfiguration"
    )


def test_mistakes_of_authentication_alone_have_a_code_of_their_own() -> None:
    authentication, other = (
        own_mistake(codes.AUTHENTICATION),
        own_mistake(codes.TAKEN_HOST),
    )
    for found, number in (
        ((authentication,), "909018"),
        ((authentication, other), "909029"),
    ):
        with pytest.raises(Invalid) as caught:
            raise_mistakes(found)
        assert caught.value.code == number


def test_settings_that_no_longer_hold_are_not_in_force_after_a_restart(
    running: Gateway, deployer: Deployer, store: Store, port: int
) -> None:
    """A front was trusted with the client's certificate in a header; after it is no longer named,
    the API must not believe the header.
    """
    header = "x-client-certificate"
    trusting = dataclasses.replace(
        running.settings.gateway,
        client_certificate_header=header,
        trusted_fronts=("127.0.0.0/8", "::1"),
    )
    secret = {("default", "clients", "ca.crt"): running.certificate.ca_file.read_text()}
    mtls = (
        "authentication:\n- {authType: mTLS, required: mandatory, certificates: [{name: clients, "
        "key: ca.crt}]}\n"
        "- {authType: OAuth2, enabled: false}\n"
    )
    known = dataclasses.replace(
        running.context, secrets=Secrets(MappingProxyType(secret))
    )
    before = make(running, store, context=dataclasses.replace(known, gateway=trusting))
    before.restore()
    before.deploy(
        conf(port, extra=mtls).replace(b"secured: false", b"secured: true"),
        DEFINITION,
        "default",
    )
    assert any(header.encode() in item.body for item in store.rendered())
    after = make(running, store, context=known)
    after.restore()
    assert not any(header.encode() in item.body for item in store.rendered())


def test_a_thousand_apis_are_back_without_compiling_one(
    running: Gateway, store: Store
) -> None:
    from live_gateway import api, operation

    from kapi.apis.ir import Endpoint
    from kapi.gateway.envoy.resources.names import CLUSTER, SCOPE
    from kapi.gateway.envoy.resources.render import render_backends, render_scope
    from kapi.gateway.envoy.stream.encode import encode
    from kapi.store import Rendered, StoredApi

    one = api(
        "/a", [operation("GET", f"/{n}", Endpoint("http", "h", 80)) for n in range(10)]
    )
    scope = render_scope("a", [one], running.context)
    assert scope is not None
    body = encode(SCOPE, scope).body
    mark = fingerprint(running.context)
    for cluster in render_backends([one], running.context):
        item = encode(CLUSTER, cluster)
        store.add_rendered([Rendered("cluster", item.name, mark, item.body)], mark)
    for number in range(1000):
        name = f"a{number}"
        stored = StoredApi(
            f"{number}", "default", name, "1", "", f"/{name}/1", None, 1, 1
        )
        rendered = Rendered("scope", name, mark, body)
        store.save_api(stored, "", b"", [rendered], [])

    class Recorder:
        names: frozenset[str] = frozenset()

        def set_initial(self, resources: list[Resource]) -> None:
            self.names = frozenset(item.name for item in resources)

    again = make(
        running,
        store,
        publisher=(recorder := Recorder()),
        compile_stored=never_compiled,
    )
    again.restore()
    assert recorder.names >= {f"a{number}" for number in range(1000)}
    assert len(again.list("default")) == 1000


def test_the_run_directory_is_short_enough(running: Gateway) -> None:
    assert len(str(run_files.xds_socket(running.settings))) < 104
