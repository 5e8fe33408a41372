"""Texts in bodies that the built module reads eight bytes at once: what ends one, at each place."""

from __future__ import annotations

import json

import pytest
from envoy_host import Reply, Shared, Thread

from kapi.policies.admission import planned

THREAD = Thread(Shared())
HEADERS = {":method": "POST", ":path": "/api/1.0", "content-type": "application/json"}


def refused(body: bytes) -> bool:
    THREAD.properties = {"kind": b"graphql\tt\t", "query hero": b"o\t\t"}
    THREAD.headers[0] = dict(HEADERS)
    return isinstance(THREAD.request(body=body), Reply)


def is_json(body: bytes) -> bool:
    try:
        json.loads(body)
    except ValueError:
        return False
    return True


@pytest.mark.parametrize(
    "within",
    [
        "",
        '"',
        "\\",
        "\\n",
        "\\u00e9",
        "\\ud83d\\ude00",
        "\x00",
        "\x1f",
        " ",
        "é",
        "\x7f",
        "😀",
    ],
)
def test_a_text_ends_where_json_says_so(within: str) -> None:
    for before in range(18):
        for after in (0, 1, 9):
            text = "a" * before + within + "b" * after
            body = f'{{"query":"{{hero}}","variables":{{"x":"{text}"}}}}'.encode()
            assert refused(body) is not is_json(body), body


@pytest.mark.parametrize(
    "escaped", ["\\u0061", "a\\u0062", "\\u0061\\u0061", "_\\u0031_"]
)
def test_escapes_mean_what_they_say_at_each_place(escaped: str) -> None:
    for before in range(18):
        name = json.loads(f'"{"a" * before}{escaped}c"')
        body = f'{{"query":"query {name} {{hero}}","operationName":"{"a" * before}{escaped}c"}}'
        assert not refused(body.encode()), body
        assert refused(body.replace('c"}', 'd"}').encode()), body


def test_a_document_is_not_taken_for_one_of_the_same_length() -> None:
    for length in range(1, 18):
        known = f'{{"query":"{{hero}}{" " * length}#a"}}'.encode()
        other = known.replace(b"hero", b"hera")
        assert not refused(known)
        assert refused(other)
        assert not refused(known)


def test_what_a_route_says_is_one_text() -> None:
    made = planned(
        {"kapi.admission": {"usage": "u", "limits": "r\tk", "organization": "o"}}
    )
    assert made == {
        "kapi.admission": {"organization": "o", "plan": "limits\tr\tk\nusage\tu"}
    }
    assert planned({"kapi.scopes": {"scope": "a"}}) == {"kapi.scopes": {"scope": "a"}}
