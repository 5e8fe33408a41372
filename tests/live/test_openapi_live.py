"""Every refusal that the document of the system APIs shows comes as it is shown, through the
gateway; people can read the page.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path

import jsonschema
import pytest

from harness import DEFINITION, Answer, Platform, conf, free_port
from kapi.front.web.openapi.catalogue import CATALOGUE
from kapi.front.web.system.protected_resources import SYSTEM_SCOPES

SCOPES = " ".join(SYSTEM_SCOPES)
DEPLOY, GENERATE = (
    "/api/deployer/apis/deploy",
    "/api/configurator/apis/generate-configuration",
)
KEYS, ISSUERS, USERS, CLIENTS = (
    "/api/keys",
    "/api/issuers",
    "/api/users",
    "/api/clients",
)
APPLICATIONS, SUBSCRIPTIONS, NOTIFY = (
    "/api/applications",
    "/api/subscriptions",
    "/api/notification/notify",
)
APPLY, DUMP, RESTORE = "/api/apply", "/api/dump", "/api/restore"
OWN_CLIENT = "45f1c5c8-a92e-11ed-afa1-0242ac120002"
FIRST_KEY = "gateway_certificate_alias"
PUT, POST, PATCH, DELETE = (
    ("-X", method) for method in ("PUT", "POST", "PATCH", "DELETE")
)


def body(text: str) -> tuple[str, ...]:
    return ("--data-binary", text)


def notified(*more: str) -> tuple[str, ...]:
    return (*POST, "-H", "stsAuthKey: k", *more)


REQUESTS: dict[str, tuple[str, ...]] = {
    # name: path, then what curl is told besides; {big} and such are files
    "no_path": (f"{USERS}/..", "--path-as-is"),
    "no_method": (f"{USERS}/password", *PUT),
    "no_http": (f"{USERS}/a%00b",),
    "no_form": (DEPLOY, *body("x")),
    "part_twice": (
        DEPLOY,
        "-F",
        "apkConfiguration=@{conf}",
        "-F",
        "apkConfiguration=@{conf}",
    ),
    "part_missing": (DEPLOY, "-F", "apkConfiguration=@{conf}"),
    "invalid_conf": (
        DEPLOY,
        "-F",
        "apkConfiguration=@{broken}",
        "-F",
        "definitionFile=@{definition}",
    ),
    "base_path_taken": (
        DEPLOY,
        "-F",
        "apkConfiguration=@{other}",
        "-F",
        "definitionFile=@{definition}",
    ),
    "form_too_large": (
        DEPLOY,
        "-F",
        "apkConfiguration=@{huge}",
        "-F",
        "definitionFile=@{definition}",
    ),
    "one_of_two": (GENERATE, "-F", "apiType=REST"),
    "invalid_definition": (
        GENERATE,
        "-F",
        "apiType=SOAP",
        "-F",
        "definition=@{definition}",
    ),
    "invalid_url": (GENERATE, "-F", "url=ftp://x"),
    "no_api_id": ("/api/deployer/apis/undeploy", *POST),
    "no_api": ("/api/deployer/apis/undeploy?apiId=nothing", *POST),
    "not_expressible": (
        "/api/configurator/apis/generate-k8s-resources",
        "-F",
        "apkConfiguration=@{inexpressible}",
        "-F",
        "definitionFile=@{definition}",
    ),
    "notification_key": (NOTIFY, *POST),
    "notification_type": (NOTIFY, *notified()),
    "notification_body": (f"{NOTIFY}?type=TOKEN_REVOCATION", *notified(*body("x"))),
    "notification_token": (f"{NOTIFY}?type=TOKEN_REVOCATION", *notified(*body("{}"))),
    "secret_name": ("/api/secrets/-a/b", *PUT, *body("x")),
    "secret_value": ("/api/secrets/a/b", *PUT),
    "no_secret": ("/api/secrets/nothing/x", *DELETE),
    "secret_fixed": ("/api/secrets/fixed/x", *DELETE),
    "issuer_body": (ISSUERS, *body("x")),
    "issuer_test_body": (f"{ISSUERS}/acme/test", *body('{"color": 1}')),
    "invalid_issuer": (ISSUERS, *body('{"name": "x", "color": "red"}')),
    "no_issuer": (f"{ISSUERS}/nothing",),
    "issuer_exists": (
        ISSUERS,
        *body('{"name": "x", "issuer": "https://idp.am.wso2.com/token"}'),
    ),
    "issuer_too_large": (ISSUERS, *body("@{mega}")),
    "user_body": (USERS, *body("x")),
    "invalid_user": (USERS, *body('{"username": "x", "password": "x"}')),
    "no_user": (f"{USERS}/nothing",),
    "no_session": ("/api/sessions/nothing",),
    "no_consent": ("/api/consents/nothing", *DELETE),
    "user_exists": (
        USERS,
        *body('{"username": "org1user", "password": "long enough 1"}'),
    ),
    "user_of_settings": (f"{USERS}/org1user", *DELETE),
    "key_body": (KEYS, *body("x")),
    "key_members": (KEYS, *body('{"color": 1}')),
    "no_algorithm": (KEYS, *body('{"algorithm": "none"}')),
    "no_key": (f"{KEYS}/nothing", *DELETE),
    "key_not_published": (f"{KEYS}/{FIRST_KEY}/activate", *POST),
    "key_active": (f"{KEYS}/{FIRST_KEY}", *DELETE),
    "client_body": (CLIENTS, *body("x")),
    "invalid_client": (CLIENTS, *body("{}")),
    "log_limit": ("/api/logs?limit=0",),
    "no_call": ("/api/logs/00000000-0000-4000-8000-000000000000",),
    "no_client": (f"{CLIENTS}/nothing",),
    "client_of_settings": (f"{CLIENTS}/{OWN_CLIENT}", *DELETE),
    "api_key_body": ("/api/api-keys", *body("x")),
    "invalid_api_key": ("/api/api-keys", *body("{}")),
    "no_api_key": ("/api/api-keys/nothing", *DELETE),
    "body_too_large": (APPLICATIONS, *body("@{big}")),
    "application_body": (APPLICATIONS, *body("x")),
    "application_name": (APPLICATIONS, *body("{}")),
    "application_exists": (APPLICATIONS, *body('{"name": "shop"}')),
    "application_of_settings": (f"{APPLICATIONS}/fixed", *DELETE),
    "consumer_key": (f"{APPLICATIONS}/shop/keys", *body("{}")),
    "consumer_key_taken": (f"{APPLICATIONS}/shop/keys", *body('{"consumerKey": "x"}')),
    "changed_meanwhile": (f"{APPLICATIONS}/shop", *DELETE, "-H", 'If-Match: "x"'),
    "exists_already": (
        f"{APPLICATIONS}/shop",
        *PATCH,
        "-H",
        "If-None-Match: *",
        *body('{"name": "shop"}'),
    ),
    "no_application": (f"{APPLICATIONS}/nothing", *DELETE),
    "no_consumer_key": (f"{APPLICATIONS}/shop/keys/nothing", *DELETE),
    "api_name": (SUBSCRIPTIONS, *body('{"application": "shop", "api": {}}')),
    "no_subscription": (
        f"{SUBSCRIPTIONS}/nothing",
        *PATCH,
        *body('{"status": "BLOCKED"}'),
    ),
    "apply_body": (APPLY, *body("x")),
    "apply_too_large": (APPLY, *body("@{giant}")),
    "unknown_kind": (APPLY, *body('{"objects": [{"kind": "Dog"}]}')),
    "invalid_object": (
        APPLY,
        *body('{"objects": [{"kind": "Client", "id": "x", "color": 1}]}'),
    ),
    "dump_body": (DUMP, *body("x")),
    "weak_passphrase": (DUMP, *body('{"passphrase": "short"}')),
    "restore_body": (RESTORE, *body("x")),
    "restore_too_large": (RESTORE, *body("@{giant}")),
    "restore_objects": (
        RESTORE,
        *body('{"objects": [{"kind": "Client", "id": "x", "color": 1}], "more": true}'),
    ),
    "not_empty": (RESTORE, *body('{"objects": []}')),
    "wrong_passphrase": (
        RESTORE,
        *body(
            '{"objects": [], "more": true, "sealed": "eA==", "passphrase": "twelve letters"}'
        ),
    ),
    "subscribed": (
        SUBSCRIPTIONS,
        *body('{"application": "shop", "api": {"name": "Echo"}}'),
    ),
}
ELSEWHERE = {
    "no_token",
    "invalid_token",
    "other_organization",
    "not_your_organization",
    "too_many_keys",
    "envoy_refused",
    "not_confirmed",
    "restarting",
    "client_without_secret",
    "invalid_change",
    "part_of_the_state",
    "of_all_organizations",
    "foreign_user",
}
ELSEWHERE |= {"too_many", "too_busy", "too_much_work"}
"""With other callers below, and where the state that they need is made (`test_issuers.py`,
`test_apply_live.py`, `test_keys_live.py`, `test_processes.py`, `test_exhaustion.py`).
"""


INEXPRESSIBLE = b"""name: Inexpressible
basePath: /inexpressible
version: 1.0.0
type: REST
endpointConfigurations: {production: {endpoint: "http://backend:8080"}}
apiPolicies: {request: [{policyName: BackendJwt, parameters: {enabled: true}}]}
operations:
- {target: "/x", verb: GET, secured: false}
"""


@pytest.fixture(scope="module")
def files(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Path]:
    folder = tmp_path_factory.mktemp("files")
    contents = {
        "big": b"x" * 65537,
        "mega": b"x" * 1_048_577,
        "huge": b"x" * 18_000_000,
        "giant": b"x" * 33_554_433,
        "inexpressible": INEXPRESSIBLE,
        "broken": b"name: [\n",
        "conf": conf(port=1, extra='id: "echo"\n').encode(),
        "other": conf("Other", port=1).encode(),
        "definition": DEFINITION.encode(),
    }
    for name, content in contents.items():
        (folder / name).write_bytes(content)
    return {name: folder / name for name in contents}


@pytest.fixture(scope="module")
def platform(
    tmp_path_factory: pytest.TempPathFactory, files: dict[str, Path]
) -> Iterator[Platform]:
    folder = tmp_path_factory.mktemp("kapi")
    (folder / "kapi.toml").write_text(
        '[apis]\nnotification_key = "k"\n[[subscriptions.applications]]\nname = "fixed"\n'
        '[[secrets.values]]\nname = "fixed"\nkey = "x"\nvalue = "y"\n'
        '[[identity.clients]]\nid = "own"\nsecret = "of org1"\norganization = "org1"\n'
        'grants = ["client_credentials"]\n'
    )
    running = Platform(
        free_port(), folder / "data", ("--config", str(folder / "kapi.toml"))
    )
    running.start()
    assert running.deploy(files["conf"].read_text(), DEFINITION).status == 200
    token = running.token(SCOPES)
    made = {
        ISSUERS: '{"name": "acme", "issuer": "https://127.0.0.1:1/"}',
        APPLICATIONS: '{"name": "shop"}',
        f"{APPLICATIONS}/shop/keys": '{"consumerKey": "x"}',
        SUBSCRIPTIONS: REQUESTS["subscribed"][-1],
    }
    for path, content in made.items():
        assert running.api(path, *body(content), token=token).status == 201
    yield running
    running.stop()
    assert "Traceback" not in "".join(
        path.read_text() for path in (running.data_dir / "logs").glob("*.log")
    )


@pytest.fixture(scope="module")
def token(platform: Platform) -> str:
    return platform.token(SCOPES)


def same(answer: Answer, name: str) -> None:
    shown = CATALOGUE.refusals[name]
    assert (answer.status, answer.json()) == (shown.status, shown.example)


@pytest.mark.parametrize("name", list(REQUESTS))
def test_the_example_is_what_comes(
    platform: Platform, token: str, files: dict[str, Path], name: str
) -> None:
    path, *more = REQUESTS[name]
    filled = [
        re.sub(r"@\{(\w+)}", lambda found: f"@{files[found[1]]}", item) for item in more
    ]
    same(platform.api(path, *filled, token=token), name)


def test_callers_without_what_they_need(platform: Platform) -> None:
    same(platform.api(USERS), "no_token")
    same(platform.api(USERS, token="x"), "invalid_token")
    nothing = platform.token("x")
    for path, scope in {
        USERS: "kapi:users", KEYS: "kapi:keys", CLIENTS: "kapi:clients", ISSUERS: "kapi:issuers",
        "/api/metrics": "kapi:metrics", "/api/logs": "kapi:logs", "/api/audit": "kapi:audit",
        APPLICATIONS: "apk:api_create",
    }.items():  # fmt: skip
        same(platform.api(path, token=nothing), f"scope {scope}")
    same(platform.api(DUMP, *POST, token=nothing), "scope kapi:backup")
    some = "scope apk:api_create kapi:clients kapi:issuers kapi:users"
    same(platform.api(APPLY, *body("{}"), token=nothing), some)


def test_callers_of_one_organization(platform: Platform) -> None:
    fields = ("-d", "grant_type=client_credentials", "-d", f"scope={SCOPES}")
    answer = platform.request(
        "idp.am.wso2.com", "/oauth2/token", "-u", "own:of org1", *fields
    )
    token = answer.json()["access_token"]
    for path, *more in (
        (KEYS,),
        (f"{KEYS}/rotate", *POST),
        (f"{KEYS}/{FIRST_KEY}", *DELETE),
        (CLIENTS,),
        (CLIENTS, *body('{"client_name": "x"}')),
        (f"{CLIENTS}/{OWN_CLIENT}",),
        ("/api/metrics",),
        (APPLY, *body('{"objects": [{"kind": "Client", "id": "x"}]}')),
        (
            APPLY,
            *body('{"objects": [{"kind": "Resource", "id": "https://x.example"}]}'),
        ),
    ):
        same(platform.api(path, *more, token=token), "of_all_organizations")
    foreign = (
        '{"username": "x", "password": "long enough 1", "organizations": ["org2"]}'
    )
    same(platform.api(USERS, *body(foreign), token=token), "foreign_user")
    own = '{"username": "x", "password": "long enough 1", "organizations": ["org1"]}'
    assert platform.api(USERS, *body(own), token=token).status == 201
    moved = '{"organizations": ["org2"]}'
    same(platform.api(f"{USERS}/x", *PATCH, *body(moved), token=token), "foreign_user")
    same(platform.api(f"{USERS}/nothing", token=token), "no_user")


def test_the_document_says_them(platform: Platform) -> None:
    document = platform.api("/openapi.json").json()
    scopes = {name for name in CATALOGUE.refusals if name.startswith("scope ")}
    assert set(REQUESTS) | ELSEWHERE | scopes == set(CATALOGUE.refusals)
    assert {
        name for row in CATALOGUE.operations.values() for name in row.refuses
    } <= set(CATALOGUE.refusals)
    schemas = document["components"]["schemas"]
    for path, item in document["paths"].items():
        for method, operation in item.items():
            assert all(status.isdigit() for status in operation["responses"]), (
                path,
                method,
            )
            for response in operation["responses"].values():
                for media in response.get("content", {}).values():
                    for example in media.get("examples", {}).values():
                        jsonschema.validate(
                            example["value"],
                            {**media["schema"], "components": {"schemas": schemas}},
                        )
    assert set(document["paths"]["/api/users/{username}"]["get"]["responses"]) == {
        "200",
        "304",
        "307",
        "400",
        "401",
        "403",
        "404",
        "503",
    }


@pytest.mark.parametrize("host", ["idp.am.wso2.com", "api.am.wso2.com"])
def test_people_read_it_through_the_gateway(platform: Platform, host: str) -> None:
    page, document = (
        platform.request(host, "/openapi.html"),
        platform.request(host, "/openapi.json").json(),
    )
    assert (page.status, page.headers["content-type"]) == (
        200,
        "text/html; charset=utf-8",
    )
    assert page.headers["content-security-policy"].startswith(
        "default-src 'none'; style-src 'sha256-"
    )
    text = page.body.decode()
    assert document["info"]["title"] in text
    assert all(f"<code>{path}</code>" in text for path in document["paths"])
    assert ("Non-production" in text) is (host == "idp.am.wso2.com")
