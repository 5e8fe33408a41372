"""Commands that need no running platform, as a person types them."""

from __future__ import annotations

import functools
import http.server
import json
import os
import pty
import shutil
import subprocess
import sys
import threading
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import yaml

import commands
from harness import DEFINITION, KAPI, conf, free_port
from kapi.banner import banner
from kapi.front.cli.main import command_line
from kapi.front.cli.output import use_place, with_place
from kapi.front.cli.server.local import LocalServer
from kapi.identity.issuers.presets import PRESETS
from kapi.settings import GatewaySettings, Settings

ROOT = Path(__file__).parents[2]
PETSTORE = ROOT / "examples/petstore"


@pytest.fixture
def run(tmp_path: Path):
    (tmp_path / "api.apk-conf").write_text(conf(port=8080))
    (tmp_path / "definition.yaml").write_text(DEFINITION)

    def kapi(
        *arguments: str, stdin: str = "", **environment: str
    ) -> subprocess.CompletedProcess[str]:
        variables = {
            **os.environ,
            "KAPI_DATA_DIR": str(tmp_path / "data"),
            "NO_COLOR": "1",
            "COLUMNS": "100",
            **environment,
        }
        done = commands.run(arguments, variables, cwd=tmp_path, stdin=stdin)
        assert "Traceback" not in done.stderr
        return done

    return kapi


def test_generate_from_files_and_standard_input(run) -> None:
    made = run("generate", str(PETSTORE / "swagger-petstore.json"))
    assert made.returncode == 0
    assert made.stdout.startswith('---\nname: "Swagger Petstore"\nbasePath: "/')
    assert len(yaml.safe_load(made.stdout)["operations"]) == 20
    assert run("generate", "-", stdin=DEFINITION).stdout.startswith('---\nname: "Echo"')
    assert run("generate", "definition.yaml", "--write", "x.conf").returncode == 0


def test_init_writes_a_conf_with_comments_and_its_schema(run, tmp_path: Path) -> None:
    made = run("init", str(PETSTORE / "openapi.yaml"))
    assert made.returncode == 0, made.stderr
    assert "correct http://127.0.0.1:8080/api/v3 in the conf" in made.stderr
    assert "next: kapi deploy" in made.stderr
    assert "/petstore/1.0.0/pet/findByStatus" in made.stderr
    text = (tmp_path / "petstore.apk-conf").read_text()
    assert text.startswith("# yaml-language-server: $schema=apk-conf.schema.json\n")
    value = yaml.safe_load(text)
    assert (value["name"], value["basePath"]) == ("Petstore", "/petstore")
    assert value["operations"][0]["scopes"] == ["write:pets", "read:pets"]
    assert json.loads((tmp_path / "apk-conf.schema.json").read_text())["properties"][
        "basePath"
    ]
    (tmp_path / "petstore.apk-conf").write_text(
        text.replace("\n# rateLimit", "\nrateLimit")
    )
    checked = run("validate", "petstore.apk-conf", str(PETSTORE / "openapi.yaml"))
    assert checked.returncode == 0, checked.stderr


def test_init_names_a_call_that_can_be_typed(run) -> None:
    made = run("init", "definition.yaml", stdin="")
    assert made.returncode == 0, made.stderr
    assert "{" not in made.stderr.rpartition("then: kapi call")[2]


def test_init_replaces_a_conf_only_if_it_is_told_to(run, tmp_path: Path) -> None:
    mine = tmp_path / "mine.apk-conf"
    mine.write_text("mine")
    again = (
        "init",
        "definition.yaml",
        "--write",
        "mine.apk-conf",
        "--base-path",
        "/other",
    )
    refused = run(*again)
    assert refused.returncode == 1
    assert "mine.apk-conf exists" in refused.stderr
    assert mine.read_text() == "mine"
    assert run(*again, "--force").returncode == 0
    assert yaml.safe_load(mine.read_text())["basePath"] == "/other"


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (("GET", "/a", "/b"), "call takes a method and a path"),
        (("get it", "/a"), "is not a method"),
        (("pets",), "Write it as /pets"),
        (("/a b",), "Percent-encode"),
        (("/a", "-H", "nothing"), "is not a header"),
        (("/a", "-d", "@nowhere"), "cannot read nowhere"),
    ],
)
def test_a_call_that_cannot_be_sent_is_explained(
    run, arguments: tuple[str, ...], said: str
) -> None:
    done = run("call", *arguments)
    assert (done.returncode, done.stdout) == (2, "")
    assert said in done.stderr


@pytest.mark.parametrize(
    "content",
    [
        "",
        "[]",
        "{",
        "openapi: 3.0.3",
        "\0",
        "a: *b",
        '{"openapi": 3, "info": 1, "paths": []}',
    ],
)
def test_a_bad_definition_is_explained(run, content: str) -> None:
    done = run("generate", "-", stdin=content)
    assert (done.returncode, done.stdout) == (3, "")
    assert "error:" in done.stderr


def test_validate_shows_every_mistake_with_its_place(run, tmp_path: Path) -> None:
    assert run("validate", "api.apk-conf", "definition.yaml").returncode == 0
    assert run("validate", "api.apk-conf").returncode == 0
    (tmp_path / "bad.apk-conf").write_text(
        conf(port=8080)
        .replace('type: "REST"', 'type: "SOAP"\nrateLimits: 1')
        .replace("verb: POST", "verb: post")
    )
    done = run("validate", "bad.apk-conf", "definition.yaml")
    assert done.returncode == 3
    assert done.stderr.count("error:") == 3
    assert done.stderr.count("^") == 3
    assert done.stderr.count("hint:") == 3
    assert "bad.apk-conf:5:7" in done.stderr


def test_hints_fit_the_length_that_is_wrong(run, tmp_path: Path) -> None:
    url = "https://a.example/a.wasm"
    module = f'{{name: a, rootId: a, url: "{url}", sha256: ABCD, hostKeys: ["1A"]}}'
    policy = (
        "apiPolicies:\n  request:\n  - policyName: WASMInterceptor\n"
        f"    parameters: {module}\n"
    )
    (tmp_path / "bad.apk-conf").write_text(conf(port=8080, extra=policy))
    done = run("validate", "bad.apk-conf", "definition.yaml")
    assert (done.returncode, done.stderr.count("error:")) == (3, 2)
    assert "64 digits of 0-9 and a-f" in done.stderr
    assert "no digit first" in done.stderr
    assert "at least one character" not in done.stderr


def test_export_shows_each_stage(run, tmp_path: Path) -> None:
    ir = yaml.safe_load(run("export", "api.apk-conf", "definition.yaml").stdout)
    assert ir["base_path"] == "/echo/1.0.0"
    rendered = json.loads(
        run(
            "export", "--to", "envoy", "-o", "json", "api.apk-conf", "definition.yaml"
        ).stdout
    )
    assert [scope["name"] for scope in rendered["scopes"]] == ["echo"]
    run(
        "export",
        "--to",
        "kubernetes",
        "api.apk-conf",
        "definition.yaml",
        "--write",
        "made",
    )
    written = [
        yaml.safe_load(path.read_text()) for path in (tmp_path / "made").iterdir()
    ]
    assert {"Gateway", "HTTPRoute", "Backend"} <= {item["kind"] for item in written}
    assert (
        run("export", "--to", "soap", "api.apk-conf", "definition.yaml").returncode == 2
    )


def test_export_makes_collections_for_api_clients(run, tmp_path: Path) -> None:
    export = ("export", "api.apk-conf", "definition.yaml", "--to")
    made = json.loads(run(*export, "postman").stdout)
    variables = {item["key"]: item["value"] for item in made["variable"]}
    assert variables["baseUrl"] == "https://default.gw.localhost:9095/echo/1.0.0"
    assert variables["tokenUrl"] == "https://idp.localhost:9095/oauth2/token"
    done = run(*export, "bruno", "--write", "collection")
    assert done.returncode == 0, done.stderr
    assert (tmp_path / "collection/opencollection.yml").is_file()
    for wrong in (
        (*export, "bruno"),
        (*export, "ir", "--system"),
        ("export", "--to", "postman"),
        (*export, "postman", "--api", "Echo"),
    ):
        assert run(*wrong).returncode == 2
    assert run("export", "--to", "postman", "--system").returncode == 7


@pytest.mark.parametrize("place", ["made", "all.yaml"])
def test_exported_secrets_are_for_their_owner_only(
    run, tmp_path: Path, place: str
) -> None:
    made = conf(port=8080).replace(
        "endpoint:",
        "endpointSecurity: {enabled: true, securityType: {secretName: k, in: Header,"
        " apiKeyNameKey: x-key, apiKeyValueKey: v}}\n    endpoint:",
    )
    (tmp_path / "api.apk-conf").write_text(made)
    (tmp_path / "kapi.toml").write_text(
        '[[secrets.values]]\nname = "k"\nkey = "v"\nvalue = "value-of-it"\n'
    )
    export = (
        "export",
        "--to",
        "kubernetes",
        "--with-secrets",
        "api.apk-conf",
        "definition.yaml",
    )
    done = run(*export, "--write", place)
    written = tmp_path / place
    files = [written] if written.is_file() else list(written.iterdir())
    secret = [path for path in files if "value-of-it" in path.read_text()]
    assert [path.stat().st_mode & 0o777 for path in secret] == [0o600], done.stderr


@pytest.mark.parametrize(
    "arguments",
    [
        ["status"],
        ["apis"],
        ["token"],
        ["undeploy", "x"],
        ["deploy", "api.apk-conf", "definition.yaml"],
        ["ca"],
    ],
)
def test_without_a_platform_a_hint_says_what_to_do(run, arguments: list[str]) -> None:
    done = run(*arguments)
    assert done.returncode == 7
    assert "kapi up" in done.stderr
    assert done.stdout == ""


@pytest.mark.parametrize("arguments", [["apis"], ["status"], ["ca"], ["token"]])
def test_hints_name_the_data_directory_when_it_is_not_the_default(
    run, tmp_path: Path, arguments: list[str]
) -> None:
    done = run(*arguments, "--data-dir", str(tmp_path / "my data"))
    assert f"kapi up --data-dir '{tmp_path}/my data'" in done.stderr
    home = {"KAPI_DATA_DIR": "", "HOME": str(tmp_path), "XDG_DATA_HOME": ""}
    variables = {name: value for name, value in {**os.environ, **home}.items() if value}
    bare = commands.run(arguments, variables, cwd=tmp_path)
    assert "kapi up" in bare.stderr
    assert "--data-dir /" not in bare.stderr


@pytest.mark.parametrize(
    "command", ["kapi apis", "kapi get", "kapi delete", "kapi client list"]
)
def test_each_command_in_a_hint_names_the_data_directory(command: str) -> None:
    use_place(" --data-dir /my/data")
    try:
        assert (
            with_place(f"See: {command} api.")
            == f"See: {command} --data-dir /my/data api."
        )
    finally:
        use_place("")


def test_a_data_directory_where_nothing_runs_is_said_so(run, tmp_path: Path) -> None:
    made = tmp_path / "data/tls"
    made.mkdir(parents=True)
    (made / "ca.pem").write_text((ROOT / "tests/golden/_ca.pem").read_text())
    for arguments in (["token"], ["apis"]):
        assert (
            f"nothing runs in {tmp_path}/data"
            in run(*arguments, KAPI_GATEWAY__PORT=str(free_port())).stderr
        )


def test_a_client_without_the_grant_or_the_scope_is_not_taken(
    run, tmp_path: Path
) -> None:
    browser = (
        '[[identity.clients]]\nid = "browser"\nsecret = "s"\ngrants = ["authorization_code"]\n'
        'redirect_uris = ["https://a.example/"]\n'
    )
    reader = (
        '[[identity.clients]]\nid = "reader"\nsecret = "s"\nscopes = ["items:read"]\n'
    )
    (tmp_path / "kapi.toml").write_text(
        "[identity]\nwell_known_client = false\n" + browser + reader
    )
    refused = run("key", "list")
    assert (refused.returncode, refused.stdout) == (4, "")
    for part in ("kapi:keys", "client_credentials", "browser, reader", "KAPI_TOKEN"):
        assert part in refused.stderr
    assert run("token", "--scope", "items:read").returncode == 7


def test_a_wheel_suggests_no_file_that_it_lacks(tmp_path: Path) -> None:
    shutil.copytree(
        ROOT / "src/kapi",
        tmp_path / "kapi",
        ignore=shutil.ignore_patterns("__pycache__"),
    )
    code = (
        "from kapi.banner import banner; from kapi.settings import Settings; from pathlib import "
        "Path; print(banner(Settings(Path('/d')), None))"
    )
    environment = {**os.environ, "PYTHONPATH": str(tmp_path)}
    shown = subprocess.run(
        [sys.executable, "-c", code],
        cwd=tmp_path,
        env=environment,
        capture_output=True,
        text=True,
        check=True,
    ).stdout
    assert "kapi deploy openapi.yaml --endpoint" in shown
    assert "examples/" not in shown


@pytest.mark.parametrize("below", [True, False])
def test_the_banner_names_examples_by_a_path_that_can_be_read(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, below: bool
) -> None:
    monkeypatch.chdir(ROOT if below else tmp_path)
    files = ROOT / "examples/petstore"
    wanted = f"kapi deploy {files}/petstore.apk-conf {files}/openapi.yaml"
    if below:
        wanted = wanted.replace(f"{ROOT}/", "")
    assert wanted in banner(Settings(tmp_path), None)


@pytest.mark.parametrize(
    ("settings", "host", "shown"),
    [
        ({}, "api.am.wso2.com", "api.localhost"),
        ({}, "default.sandbox.gw.wso2.com", "default.sandbox.gw.localhost"),
        ({}, "api.elsewhere.example", "api.elsewhere.example"),
        ({"localhost_names": False}, "default.gw.wso2.com", "default.gw.wso2.com"),
        ({"localhost_names": False}, "api.am.wso2.com", "api.am.wso2.com"),
        ({"domain": "g.localhost"}, "default.g.localhost", "default.g.localhost"),
    ],
)
def test_addresses_are_shown_by_names_that_need_no_dns(
    tmp_path: Path, settings: dict[str, object], host: str, shown: str
) -> None:
    server = LocalServer(Settings(tmp_path, gateway=GatewaySettings(**settings)))
    assert server.shown(f"https://{host}:9095/a") == f"https://{shown}:9095/a"


def test_usage_errors_are_2_and_missing_files_1(run) -> None:
    assert run("nonsense").returncode == 2
    assert run("deploy").returncode == 2
    assert run("validate", "nowhere.apk-conf", "definition.yaml").returncode == 1
    assert run("apis", "-o", "xml").returncode == 2


def test_wrong_settings_are_all_reported(run) -> None:
    done = run(
        "config",
        "show",
        KAPI_GATEWAY__PORT="0",
        KAPI_IDENTITY__WORKER="2",
        KAPI_IDENTITY__ISSUER="ftp://x",
    )
    assert done.returncode == 3
    assert done.stderr.count("error:") == 3
    assert "Did you mean identity.workers?" in done.stderr


def test_config_show_names_sources_and_hides_secrets(run) -> None:
    done = run("config", "show", "--sources", KAPI_GATEWAY__PORT="9443")
    assert "KAPI_GATEWAY__PORT" in done.stdout
    assert "4fbd62ec" not in done.stdout


@pytest.mark.parametrize("options", [(), ("--sources",)])
def test_config_show_has_sources_where_they_are_asked_for(
    run, options: tuple[str, ...]
) -> None:
    done = run("config", "show", "-o", "json", *options, KAPI_GATEWAY__PORT="9443")
    shown = json.loads(done.stdout)
    assert ("sources" in shown) == bool(options)
    if options:
        assert shown["sources"]["gateway.port"] == "KAPI_GATEWAY__PORT"


SECRET_SETTINGS = """
[identity.registration]
initial_access_token = "hidden-token"
[[identity.clients]]
id = "signer"
token_endpoint_auth_method = "private_key_jwt"
jwks = {keys = [{kty = "OKP", crv = "Ed25519", x = "shown-x", d = "hidden-d"}]}
[[identity.users]]
username = "ada"
password = "hidden-password"
[apis]
notification_key = "hidden-key"
[[secrets.values]]
name = "login"
key = "word"
value = "hidden-value"
"""


@pytest.mark.parametrize("form", ["table", "json", "yaml"])
def test_config_show_hides_every_secret(run, tmp_path: Path, form: str) -> None:
    (tmp_path / "kapi.toml").write_text(SECRET_SETTINGS)
    done = run("config", "show", "--sources", "-o", form)
    assert done.returncode == 0
    assert "hidden" not in done.stdout
    for part in ("ada", "signer", "org1user"):
        assert part in done.stdout


def test_config_show_fits_a_terminal(run) -> None:
    variable = {"KAPI_IDENTITY__NON_PRODUCTION_ON_NETWORK": "true"}
    lines = run(
        "config", "show", "--sources", **{"COLUMNS": "80", **variable}
    ).stdout.splitlines()
    assert max(map(len, lines)) <= 80
    assert any(line.startswith("subscriptions.mandatory") for line in lines)
    assert any(line.startswith("gateway.wasm.folder") for line in lines)


def test_the_settings_named_are_those_that_hold(run, tmp_path: Path) -> None:
    (tmp_path / "own.toml").write_text('[apis]\norganization = "acme"\n')
    shown = run("export", "api.apk-conf", "definition.yaml", "--config", "own.toml")
    assert yaml.safe_load(shown.stdout)["organization"] == "acme"
    (tmp_path / "wrong.toml").write_text("[apis]\norganization = 7\n")
    for command in (
        ["validate", "api.apk-conf", "definition.yaml"],
        ["generate", "http://127.0.0.1:9/x"],
    ):
        assert run(*command, "--config", "wrong.toml").returncode == 3


def test_generate_fetches_with_the_limits_of_the_settings(run, tmp_path: Path) -> None:
    (tmp_path / "small.toml").write_text("[apis]\nmax_definition_bytes = 1024\n")
    (tmp_path / "long.yaml").write_text(DEFINITION + "#" * 2000)
    handler = functools.partial(
        http.server.SimpleHTTPRequestHandler, directory=str(tmp_path)
    )
    server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), handler)
    threading.Thread(target=server.serve_forever, args=(0.05,), daemon=True).start()
    address = f"http://127.0.0.1:{server.server_address[1]}/long.yaml"
    assert run("generate", address).returncode == 0
    assert "1024" in run("generate", address, "--config", "small.toml").stderr
    server.shutdown()


def test_a_file_that_cannot_be_written_is_named(run) -> None:
    for arguments in (
        ["schema", "--write"],
        ["schema", "--output"],
        ["generate", "definition.yaml", "--write"],
    ):
        done = run(*arguments, "/nonexistent/x")
        assert done.returncode == 1
        assert "cannot write /nonexistent/x" in done.stderr
        assert "Make its folder first: mkdir -p /nonexistent" in done.stderr
        assert "fault in kapi" not in done.stderr


def test_a_terminal_without_a_character_still_shows_the_rest(
    run, tmp_path: Path
) -> None:
    (tmp_path / "kapi.toml").write_text('[identity.scope_descriptions]\n"a" = "→ 猫"\n')
    for form in ("table", "json", "yaml"):
        done = run("config", "show", "-o", form, PYTHONIOENCODING="latin-1", LC_ALL="C")
        assert done.returncode == 0, done.stderr
        assert "\\u2192" in done.stdout
    shown = run("config", "show", "-o", "json", PYTHONIOENCODING="latin-1")
    assert json.loads(shown.stdout)["identity"]["scope_descriptions"]["a"] == "→ 猫"


def test_version_and_doctor(run) -> None:
    assert json.loads(run("version", "-o", "json").stdout)["envoy"].startswith("1.40")
    checks = json.loads(
        run("doctor", "-o", "json", KAPI_GATEWAY__ENVOY="/nowhere/envoy").stdout
    )["checks"]
    assert [item["check"] for item in checks if item["result"] == "fail"] == [
        "Envoy runs"
    ]
    assert all(item["repair"] for item in checks if item["result"] == "fail")


def test_a_missing_envoy_is_a_clear_error(run) -> None:
    done = run("up", "--envoy", "/nowhere/envoy", "--port", "19999")
    assert done.returncode == 7
    assert "/nowhere/envoy" in done.stderr
    assert "hint:" in done.stderr


def test_every_command_helps_with_examples_in_plain_text(run) -> None:
    for words in _leaves(command_line(), ()):
        shown = run(*words, "--help").stdout
        assert "\n  Examples:\n" in shown, words
        assert "[bold]" not in shown, words


def _leaves(command: Any, words: tuple[str, ...]) -> Iterator[tuple[str, ...]]:
    """The words of every command that has no commands of its own."""
    inner = getattr(command, "commands", None)
    if inner is None:
        yield words
        return
    for name in list(inner):
        yield from _leaves(inner[name], (*words, name))


def test_each_preset_parameter_is_an_option_that_names_the_preset(run) -> None:
    shown = " ".join(run("issuer", "add", "--help").stdout.split())
    for preset in PRESETS:
        for parameter in preset.parameters:
            option = shown.partition(f" --{parameter.name} <")[2].partition(" --")[0]
            assert preset.name in option
            assert parameter.help in option


def test_help_tells_exit_codes_and_stays_light(run) -> None:
    heavy = (
        "yaml",
        "grpc",
        "cryptography",
        "starlette",
        "http.client",
        "rich",
        "kapi.settings",
    )
    code = (
        "import sys; from kapi.front.cli.main import command_line\n"
        "command_line()(['--help'], standalone_mode=False)\n"
        f"print('imported', [name for name in {heavy} if name in sys.modules])"
    )
    done = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, check=True
    )
    assert "Exit codes" in done.stdout
    assert all(f"  {name} " in done.stdout for name in command_line().commands)
    assert done.stdout.splitlines()[-1] == "imported []"


def test_examples_keep_their_lines(run) -> None:
    assert "    kapi api-key create Petstore --opaque --lifetime 86400" in run(
        "api-key", "create", "--help", COLUMNS="40"
    ).stdout.replace("KEY=$(", "")


def test_a_mistyped_command_gets_suggestions(run) -> None:
    done = run("isuer")
    assert done.returncode == 2
    assert "Did you mean 'issuer'" in done.stderr


def test_generate_asks_for_what_a_schema_does_not_contain(tmp_path: Path) -> None:
    schema = tmp_path / "heroes.graphql"
    schema.write_text("type Query { hero: String }")
    person, terminal = pty.openpty()
    command = [KAPI, "generate", str(schema), "--endpoint", "http://127.0.0.1:8080"]
    os.write(person, b"Heroes of old\n2.1\n\n")
    done = subprocess.run(
        command,
        stdin=terminal,
        stderr=terminal,
        stdout=subprocess.PIPE,
        timeout=60,
        check=True,
    )
    conf = yaml.safe_load(done.stdout)
    assert (conf["name"], conf["version"], conf["basePath"]) == (
        "Heroes of old",
        "2.1",
        "/heroes-of-old",
    )
    assert b"Base path [/heroes-of-old]" in os.read(person, 10_000)
    os.close(person)
    os.close(terminal)


@pytest.mark.parametrize(
    "contexts", ['["a"]', '{"a": "https://a.example"}', '{"a": {}}']
)
def test_contexts_of_another_form_are_a_mistake_in_their_file(
    run, tmp_path: Path, contexts: str
) -> None:
    folder = tmp_path / "config" / "kapi"
    folder.mkdir(parents=True)
    (folder / "contexts.json").write_text(f'{{"contexts": {contexts}}}')
    refused = run("context", "list", XDG_CONFIG_HOME=str(folder.parent))
    assert refused.returncode == 1
    assert f"{folder / 'contexts.json'} cannot be used" in refused.stderr


def test_a_passphrase_that_is_not_text_is_refused(run, tmp_path: Path) -> None:
    (tmp_path / "passphrase").write_bytes(b"\xff" * 20)
    refused = run("dump", "--passphrase-file", "passphrase")
    assert refused.returncode == 1
    assert "passphrase is not UTF-8" in refused.stderr
