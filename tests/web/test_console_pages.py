"""The pages of APIs and of deploying: what they show, and what they ask the system APIs for."""

from __future__ import annotations

import html
import json
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from console_parts import World, console_world

from console_browser import Browser, token_of
from person import Page

LIST = "/api/deployer/apis"
UNDEPLOY = "/api/deployer/apis/undeploy"
PETS = {
    "id": "p1",
    "name": "Pets",
    "version": "1.0",
    "organization": "acme",
    "environment": "",
    "revision": 3,
    "urls": ["https://default.gw.wso2.com/pets/1.0"],
}
CONF = """
operations:
- {target: "/pets", verb: GET, secured: false}
- target: "/pets"
  verb: POST
  scopes: ["pets:write"]
  operationPolicies: {request: [{policyName: AddHeader}]}
rateLimit: {requestsPerUnit: 5, unit: Minute}
"""


@pytest.fixture
def world(tmp_path: Path) -> Iterator[World]:
    with console_world(tmp_path) as made:
        made.apis.answer("GET", LIST, {"apis": [PETS]})
        made.sources["p1"] = (CONF, b"openapi: 3.0.3")
        yield made


@pytest.fixture
def operator(world: World) -> Browser:
    return world.signed_in("olivia")


@pytest.fixture
def reader(world: World) -> Browser:
    return world.signed_in("rita")


def form_token(browser: Browser) -> str:
    return token_of(browser.open("/console/"))


def sent(browser: Browser, path: str, **fields: str) -> Page:
    """The answer to a form of this session."""
    return browser.send(path, {"token": form_token(browser), **fields})


def cells(page: Page) -> list[list[str]]:
    """The texts of the rows of all tables."""
    rows = []
    for row in re.findall(r"<tr>(<th scope=\"row\".*?)</tr>", page.text, re.S):
        texts = [
            re.sub(r"<[^>]*>", "", cell)
            for cell in re.findall(r"<t[hd].*?</t[hd]>", row)
        ]
        rows.append([html.unescape(text) for text in texts])
    return rows


def test_all_apis_with_their_figures(world: World, reader: Browser) -> None:
    call = {"time": "2027-01-15T07:59:30Z", "status": 200, "microseconds": 1000}
    call |= {
        "organization": "acme",
        "api": "Pets",
        "version": "1.0",
        "operation": "GET /pets",
    }
    world.history.count(call)
    world.history.count({**call, "organization": "other"})
    world.history.count(
        {**call, "status": 401, "decision": "refused", "reason": "no token"}
    )
    page = reader.open("/console/")
    ((name, version, url, calls, refused, *_),) = cells(page)
    assert (name, version, url) == ("Pets", "1.0", PETS["urls"][0])
    assert (calls, refused) == ("2", "1")
    assert 'href="/console/apis/p1"' in page.text
    operations = cells(reader.open("/console/apis/p1"))
    assert operations[0][4:6] == ["2", "1"]
    assert operations[1][4:6] == ["0", "0"]


@pytest.mark.parametrize(
    ("span", "seconds"), [("1+hour", 10), ("6+hours", 60), ("1+day", 60)]
)
def test_figures_are_renewed(reader: Browser, span: str, seconds: int) -> None:
    page = reader.open(f"/console/?span={span}")
    assert f'hx-trigger="every {seconds}s"' in page.text


@pytest.mark.parametrize(
    ("name", "titles"),
    [
        ("rita", "APIs Calls Audit Token Platform"),
        ("olivia", "APIs Deploy Calls Audit Token Platform"),
        ("paula", "APIs Deploy Calls Audit Token Sessions Platform Settings"),
    ],
)
def test_the_pages_that_a_person_may_open(world: World, name: str, titles: str) -> None:
    page = world.signed_in(name).open("/console/calls/none")
    navigation = page.text.partition("<nav")[2].partition("</nav>")[0]
    shown = re.findall(r'<a href="/console/[a-z]*"[^>]*>(\w+)</a>', navigation)
    assert shown == titles.split()


def test_files_that_pages_load_stay_for_a_year(world: World) -> None:
    """Their addresses change with their content."""
    browser = world.browser()
    page = browser.open("/console/static/console.js?any")
    assert page.status == 200
    assert page.header("content-type") == "text/javascript; charset=utf-8"
    assert page.header("cache-control") == "public, max-age=31536000, immutable"
    assert browser.open("/console/static/pages.py").status == 404


def test_a_span_that_is_not_offered_is_the_first(reader: Browser) -> None:
    chosen = re.compile(r"<option selected>(.*?)<")
    first = chosen.findall(reader.open("/console/").text)
    assert chosen.findall(reader.open("/console/?span=a+year").text) == first
    other = re.findall(r"<option>(.*?)<", reader.open("/console/").text)[0]
    assert chosen.findall(
        reader.open(f"/console/?span={other.replace(' ', '+')}").text
    ) == [other]


def test_an_api_with_its_operations_and_policies(operator: Browser) -> None:
    page = operator.open("/console/apis/p1")
    assert [row[:4] for row in cells(page)] == [
        ["GET /pets", "none", "", ""],
        ["POST /pets", "needed", "pets:write", "AddHeader"],
    ]
    assert "<dt>Policies of the API</dt><dd>rate limit</dd>" in page.text
    assert "requestsPerUnit: 5" in page.text
    assert 'action="/console/apis/p1/undeploy"' in page.text
    assert operator.open("/console/apis/p2").status == 404


def test_a_reader_is_offered_no_change(reader: Browser) -> None:
    page = reader.open("/console/apis/p1")
    assert page.status == 200
    assert "undeploy" not in page.text
    assert "/try" not in page.text


def test_an_api_is_removed_after_its_name_is_typed(
    world: World, operator: Browser
) -> None:
    page = sent(operator, "/console/apis/p1/undeploy", name=" Pets ")
    assert (page.status, page.location) == (303, "/console/")
    assert world.apis.changes == [("POST", f"{UNDEPLOY}?apiId=p1")]


@pytest.mark.parametrize(
    "fields",
    [{}, {"name": ""}, {"name": "pets"}, {"name": "Pets 1.0"}, {"name": "x" * 256}],
)
def test_an_api_stays_if_another_name_is_typed(
    world: World, operator: Browser, fields: dict[str, str]
) -> None:
    page = sent(operator, "/console/apis/p1/undeploy", **fields)
    assert page.status == 400
    assert "The API was not removed" in page.text
    assert "type Pets" in page.text
    assert world.apis.changes == []


def test_who_may_not_remove_an_api(
    world: World, operator: Browser, reader: Browser
) -> None:
    assert sent(reader, "/console/apis/p1/undeploy", name="Pets").status == 403
    foreign = {"token": form_token(reader), "name": "Pets"}
    assert operator.send("/console/apis/p1/undeploy", foreign).status == 403
    assert sent(operator, "/console/apis/p2/undeploy", name="Pets").status == 404
    assert sent(operator, "/console/apis/p1/undeploy", name="x" * 257).status == 413
    assert world.apis.changes == []
    world.apis.answer("POST", UNDEPLOY, {"code": 7, "message": "It is used"}, 409)
    page = sent(operator, "/console/apis/p1/undeploy", name="Pets")
    assert page.status == 409
    assert "It is used" in page.text


def test_a_reader_deploys_nothing(world: World, reader: Browser) -> None:
    page = reader.open("/console/deploy")
    assert page.status == 403
    assert "Your role is read-only" in page.text
    files = {"apkConfiguration": "name: Pets", "definitionFile": "openapi: 3.0.3"}
    assert sent(reader, "/console/deploy", **files).status == 403
    assert sent(reader, "/console/deploy/now", **files).status == 403
    assert world.apis.changes == []


def test_an_operator_has_the_form_to_deploy(operator: Browser) -> None:
    page = operator.open("/console/deploy")
    assert page.status == 200
    assert page.text.count('action="/console/deploy"') == 1
    assert 'role="alert"' not in page.text


def planned(before: Any, after: Any) -> dict[str, Any]:
    return {
        "objects": [
            {"name": "Pets", "status": "changed", "before": before, "after": after}
        ]
    }


def differences(page: Page) -> list[tuple[str, str]]:
    return re.findall(r'<span class="(\w+)">(.*?)</span>', page.text)


def test_what_changes_is_shown_before_it_is_deployed(
    world: World, operator: Browser
) -> None:
    before = {"conf": "name: Pets\nbasePath: /a", "definition": "openapi: 3.0.3"}
    after = {"conf": "name: Pets\nbasePath: /b", "definition": "openapi: 3.0.3"}
    world.apis.answer("POST", "/api/apply", planned(before, after))
    files = {
        "apkConfiguration": "name: Pets\r\nbasePath: /b",
        "definitionFile": "openapi: 3.0.3",
    }
    page = sent(operator, "/console/deploy", **files)
    assert page.status == 200
    assert "Pets: changed" in page.text
    assert differences(page) == [
        ("head", "--- conf, deployed"),
        ("head", "+++ conf, new"),
        ("head", "@@ -1,2 +1,2 @@"),
        ("same", " name: Pets"),
        ("remove", "-basePath: /a"),
        ("add", "+basePath: /b"),
    ]
    assert "more lines differ" not in page.text
    ((_, path, body),) = [call for call in world.apis.calls if call[0] == "POST"]
    assert path == "/api/apply"
    item = {
        "kind": "API",
        "conf": "name: Pets\nbasePath: /b",
        "definition": "openapi: 3.0.3",
    }
    assert json.loads(body) == {"objects": [item], "dryRun": True}
    assert world.apis.headers[-1]["content-type"] == "application/json"
    assert 'action="/console/deploy/now"' in page.text
    assert ">name: Pets\nbasePath: /b</textarea>" in page.text


def test_a_new_api_and_one_that_stays(world: World, operator: Browser) -> None:
    files = {"apkConfiguration": "name: Pets", "definitionFile": "a"}
    after = {
        "conf": "\n".join(f"line{number}" for number in range(500)),
        "definition": "a",
    }
    world.apis.answer("POST", "/api/apply", planned(None, after))
    page = sent(operator, "/console/deploy", **files)
    assert len(differences(page)) == 400
    # Two lines with the names, one with the place, and 500 of conf; four of definition.
    assert "107 more lines differ." in page.text
    fits = {"conf": "\n".join(f"line{number}" for number in range(397))}
    world.apis.answer("POST", "/api/apply", planned(None, fits))
    page = sent(operator, "/console/deploy", **files)
    assert len(differences(page)) == 400
    assert "more lines differ" not in page.text
    world.apis.answer("POST", "/api/apply", planned(after, after))
    page = sent(operator, "/console/deploy", **files)
    assert "Both files are the same as those that are deployed." in page.text


def test_a_conf_is_made_for_a_definition_alone(world: World, operator: Browser) -> None:
    made = "/api/configurator/apis/generate-configuration"
    world.apis.answer("POST", made, b"name: Made")
    world.apis.answer("POST", "/api/apply", planned(None, {"conf": "name: Made"}))
    page = sent(operator, "/console/deploy", definitionFile="openapi: 3.0.3")
    assert ">name: Made</textarea>" in page.text
    assert world.apis.changes == [("POST", made), ("POST", "/api/apply")]
    assert b"openapi: 3.0.3" in world.apis.calls[-2][2]
    assert json.loads(world.apis.calls[-1][2])["objects"][0]["conf"] == "name: Made"


def test_nothing_is_asked_for_without_a_definition(
    world: World, operator: Browser
) -> None:
    page = sent(operator, "/console/deploy", apkConfiguration="name: Pets")
    assert page.status == 400
    assert "The definition is missing" in page.text
    assert ">name: Pets</textarea>" in page.text
    assert world.apis.changes == []


def test_a_file_that_is_no_text(world: World, operator: Browser) -> None:
    token = form_token(operator)
    head = "--b\r\nContent-Disposition: form-data; name="
    body = f'{head}"token"\r\n\r\n{token}\r\n'
    body += f'{head}"definitionFile"; filename="pets.yaml"\r\n\r\n\xff\r\n--b--\r\n'
    form = {"content-type": "multipart/form-data; boundary=b"}
    page = operator.console.ask(
        "POST", "/console/deploy", body.encode("latin-1"), **form
    )
    assert page.status == 400
    assert "definitionFile is not UTF-8 text" in page.text
    assert world.apis.changes == []


def test_the_mark_of_a_byte_order_is_left_out(world: World, operator: Browser) -> None:
    world.apis.answer("POST", "/api/apply", planned(None, {}))
    files = {
        "apkConfiguration": "\ufeffname: Pets",
        "definitionFile": "\ufeffopenapi: 2",
    }
    assert sent(operator, "/console/deploy", **files).status == 200
    (item,) = json.loads(world.apis.calls[-1][2])["objects"]
    assert (item["conf"], item["definition"]) == ("name: Pets", "openapi: 2")


def mistake(source: str, line: int, column: int) -> dict[str, Any]:
    found = {"severity": "error", "message": f"wrong {line}:{column}", "hint": ""}
    return {**found, "source": source, "line": line, "column": column}


def test_each_mistake_has_its_line(world: World, operator: Browser) -> None:
    mistakes = [
        mistake("apkConfiguration", 2, 3),
        mistake("objects[0].definition", 1, 1),
        mistake("apkConfiguration", 1, 0),
        mistake("apkConfiguration", 0, 1),
        mistake("apkConfiguration", 4, 1),
        mistake("apkConfiguration", 3, 200),
        mistake("apkConfiguration", 3, 201),
    ]
    refusal = {"code": 1, "message": "Two mistakes", "diagnostics": mistakes}
    world.apis.answer("POST", "/api/apply", refusal, 422)
    long = "x" * 300
    files = {
        "apkConfiguration": f"name: Pets\na: b\n{long}",
        "definitionFile": "openapi: 2",
    }
    page = sent(operator, "/console/deploy", **files)
    assert page.status == 422
    assert "Two mistakes" in page.text
    assert re.findall(r"<pre [^>]*>(.*?)</pre>", page.text, re.S) == [
        "2 | a: b\n      ^",
        "1 | openapi: 2\n    ^",
        "1 | name: Pets",
        f"3 | {long[:200]}\n{' ' * 203}^",
        f"3 | {long[:200]}",
    ]
    assert "definition 1: wrong 1:1" in page.text
    assert "conf 2: wrong 2:3" in page.text
    assert ">openapi: 2</textarea>" in page.text


def test_both_documents_are_deployed(world: World, operator: Browser) -> None:
    files = {"apkConfiguration": "name: Pets", "definitionFile": "openapi: 3.0.3"}
    page = sent(operator, "/console/deploy/now", **files)
    assert (page.status, page.location) == (303, "/console/")
    method, path, body = world.apis.calls[-1]
    assert (method, path) == ("POST", "/api/deployer/apis/deploy")
    media_type, _, boundary = world.apis.headers[-1]["content-type"].partition(
        "; boundary="
    )
    assert media_type == "multipart/form-data"
    assert body.startswith(f"--{boundary}\r\n".encode())
    assert body.endswith(f"\r\n--{boundary}--\r\n".encode())
    for name, text in files.items():
        assert (
            f'name="{name}"; filename="{name}.yaml"\r\n\r\n{text}\r\n--'.encode()
            in body
        )
    refusal = {"code": 1, "message": "The base path is taken", "diagnostics": []}
    world.apis.answer("POST", path, refusal, 409)
    page = sent(operator, "/console/deploy/now", **files)
    assert page.status == 409
    assert "The base path is taken" in page.text
    assert ">name: Pets</textarea>" in page.text
