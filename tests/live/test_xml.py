"""JSON and XML, made of each other by the gateway."""

from __future__ import annotations

import contextlib
import json
import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

import pytest

from harness import DEFINITION, Answer, Platform

HOST = "default.gw.wso2.com"
DECLARATION = '<?xml version="1.0" encoding="UTF-8"?>'


@contextlib.contextmanager
def mirror() -> Iterator[int]:
    """The port of a backend that answers with the body that it got."""

    class Mirror(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def do_POST(self) -> None:
            body = self.rfile.read(int(self.headers.get("Content-Length") or 0))
            kind = self.headers.get("X-Answer", self.headers["Content-Type"])
            self.send_response(200)
            self.send_header("Content-Type", kind)
            self.send_header("Content-Length", str(len(body)))
            self.send_header("ETag", '"1"')
            for name in ("Accept", "Accept-Encoding", "Content-Type"):
                self.send_header(f"X-Got-{name}", self.headers.get(name, "none"))
            self.end_headers()
            self.wfile.write(body)

        def log_message(self, *_: object) -> None:
            pass

    server = ThreadingHTTPServer(("127.0.0.1", 0), Mirror)
    threading.Thread(target=server.serve_forever, args=(0.05,), daemon=True).start()
    yield server.server_address[1]
    server.shutdown()


@pytest.fixture(scope="module")
def base(platform: Platform) -> Iterator[str]:
    def policy(name: str, **parameters: Any) -> list[dict[str, Any]]:
        return [{"policyName": name, "parameters": parameters}]

    operations = {
        "/to-xml": {"request": policy("JSONToXML", root="order")},
        "/to-json": {"request": policy("XMLToJSON")},
        "/answer-xml": {"response": policy("JSONToXML")},
        "/answer-json": {"response": policy("XMLToJSON")},
        "/there-and-back": {
            "request": policy("JSONToXML"),
            "response": policy("XMLToJSON"),
        },
    }
    with mirror() as port:
        conf = {
            "name": "xml",
            "basePath": "/xml",
            "version": "1.0.0",
            "type": "REST",
            "endpointConfigurations": {
                "production": {"endpoint": f"http://127.0.0.1:{port}"}
            },
            "operations": [
                {
                    "target": path,
                    "verb": "POST",
                    "secured": False,
                    "operationPolicies": policies,
                }
                for path, policies in operations.items()
            ],
        }
        answer = platform.deploy(json.dumps(conf), DEFINITION)
        assert answer.status == 200, answer.body
        yield "/xml/1.0.0"


def post(platform: Platform, path: str, body: str, kind: str, *more: str) -> Answer:
    content = ("-H", f"Content-Type: {kind}", "--data-binary", body)
    return platform.request(HOST, path, "--http1.1", *content, *more)


@pytest.mark.parametrize(
    ("given", "expected"),
    [
        (
            '{"b": 1.50, "a": true, "n": null}',
            "<order><b>1.50</b><a>true</a><n/></order>",
        ),
        (
            '{"i": [1, [2], {"x": "<&>"}], "@id": "7\\""}',
            '<order id="7&quot;"><i>1</i><i><item>2</item></i><i><x>&lt;&amp;&gt;</x></i></order>',
        ),
        ('[1, "ä"]', "<order><item>1</item><item>ä</item></order>"),
        ('{"a b": "", "1": {}, "#text": "t"}', "<order><a_b></a_b><_1></_1>t</order>"),
        ('"\\u0001x\\uffff"', "<order>\ufffdx\ufffd</order>"),
    ],
)
def test_json_becomes_xml(
    platform: Platform, base: str, given: str, expected: str
) -> None:
    answer = post(platform, f"{base}/to-xml", given, "application/json")
    assert (answer.status, answer.body.decode()) == (200, DECLARATION + expected)
    assert answer.headers["x-got-content-type"] == "application/xml; charset=utf-8"


@pytest.mark.parametrize(
    ("given", "expected"),
    [
        ("<a><b>1</b><c/><b> 2 </b></a>", {"a": {"b": ["1", " 2 "], "c": ""}}),
        (
            "<a x='1' y=\"&lt;&#65;\">t<!-- - --><b/> u</a>",
            {"a": {"@x": "1", "@y": "<A", "b": "", "#text": "t u"}},
        ),
        (
            "\ufeff<?xml version='1.0'?>\n<s:a xmlns:s='u'><![CDATA[<&]]>&#x1F600;</s:a>\n",
            {"s:a": {"@xmlns:s": "u", "#text": "<&\U0001f600"}},
        ),
        ('<a>"\\\n</a>', {"a": '"\\\n'}),
        (
            "<a><b/>\nt" + " " * 90_000 + "u\n</a>",
            {"a": {"b": "", "#text": "t" + " " * 90_000 + "u"}},
        ),
    ],
)
def test_xml_becomes_json(
    platform: Platform, base: str, given: str, expected: Any
) -> None:
    answer = post(
        platform, f"{base}/to-json", given, "application/soap+xml; charset=utf-8"
    )
    assert (answer.status, answer.json()) == (200, expected)


@pytest.mark.parametrize(
    ("path", "kind", "given"),
    [
        *(
            ("/to-json", "text/xml", given)
            for given in (
                '<!DOCTYPE a [<!ENTITY e "x">]><a>&e;</a>',
                "<a>&unknown;</a>",
                "<a><b></a></b>",
                "<a>",
                "<a/><b/>",
                "<a x=1/>",
                "<a x='1' x='2'/>",
                "<a>&#0;</a>",
                "text",
                "<a>" * 65 + "</a>" * 65,
            )
        ),
        *(
            ("/to-xml", "application/json", given)
            for given in (
                "{",
                '{"a": 1} 2',
                '{"@a": "1", "@a": "2"}',
                "[" * 65 + "]" * 65,
                json.dumps({"n" * 257: 1}),
                json.dumps({"n" * 256: [1] * 5000}),
            )
        ),
    ],
)
def test_other_bodies_are_refused(
    platform: Platform, base: str, path: str, kind: str, given: str
) -> None:
    answer = post(platform, base + path, given, kind)
    assert (answer.status, answer.json()["code"]) == (400, "400")
    assert "cannot be transformed" in answer.json()["description"]


def test_answers_are_transformed_and_asked_for_in_the_format_of_the_backend(
    platform: Platform, base: str
) -> None:
    asked = ("-H", "Accept: application/json", "-H", "Accept-Encoding: gzip")
    answer = post(
        platform, f"{base}/answer-json", "<a>1</a>", "application/xml", *asked
    )
    assert (answer.status, answer.json()) == (200, {"a": "1"})
    assert answer.headers["content-type"] == "application/json; charset=utf-8"
    assert answer.headers["x-got-accept"] == "application/xml"
    assert answer.headers["x-got-accept-encoding"] == "none"
    assert "etag" not in answer.headers
    other = post(platform, f"{base}/answer-xml", '{"a": 1}', "application/json")
    assert other.body.decode() == f"{DECLARATION}<root><a>1</a></root>"
    both = post(platform, f"{base}/there-and-back", '{"a": [1, 2]}', "application/json")
    assert both.json() == {"root": {"a": ["1", "2"]}}


def test_other_types_pass_as_they_are(platform: Platform, base: str) -> None:
    answer = post(platform, f"{base}/to-xml", "a=1", "text/plain")
    assert (answer.body, answer.headers["x-got-content-type"]) == (b"a=1", "text/plain")
    assert post(platform, f"{base}/answer-json", "{}", "application/json").body == b"{}"


def test_an_answer_that_cannot_be_read_is_not_passed_on(
    platform: Platform, base: str
) -> None:
    answer = post(platform, f"{base}/answer-json", "<a>", "application/xml")
    assert (answer.status, answer.json()["code"]) == (500, "102500")


def test_a_larger_body_is_refused(platform: Platform, base: str) -> None:
    given = json.dumps("x" * 110_000)
    assert post(platform, f"{base}/to-xml", given, "application/json").status == 413
