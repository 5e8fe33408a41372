"""What a person sees who writes an apk-conf: every mistake, its place and what to do."""

from __future__ import annotations

import pytest

from kapi.apis.conf.reading import read
from kapi.apis.model.conf import ApiConf
from kapi.errors import Diagnostic
from kapi.policies import POLICIES


def read_conf(text: bytes) -> tuple[ApiConf | None, tuple[Diagnostic, ...]]:
    reading = read(text, POLICIES)
    return reading.conf, reading.diagnostics


CONF = b"""---
name: "Orders"
basePath: "/orders"
version: "1.0.0"
type: "REST"
endpointConfigurations:
  production:
    endpoint: "http://backend:8080"
operations:
- target: "/orders"
  verb: "GET"
"""


def mistakes(text: bytes) -> list[tuple[str, str, int, int]]:
    conf, diagnostics = read_conf(text)
    assert (conf is None) == bool(diagnostics)
    return [
        (item.pointer, item.message, item.line, item.column) for item in diagnostics
    ]


def test_a_conf_becomes_values_with_their_places() -> None:
    conf, diagnostics = read_conf(CONF)
    assert diagnostics == ()
    assert conf is not None
    assert (conf.name, conf.base_path, conf.version, conf.default_version) == (
        "Orders",
        "/orders",
        "1.0.0",
        False,
    )
    assert conf.operations[0].secured
    assert (conf.operations[0].mark.line, conf.operations[0].mark.column) == (10, 3)


@pytest.mark.parametrize(
    "word", ["on", "off", "yes", "no", "y", "n", "2024-01-01", "1:30", "0x"]
)
def test_words_that_yaml_1_1_would_change_stay_texts(word: str) -> None:
    conf, diagnostics = read_conf(CONF.replace(b'"Orders"', word.encode()))
    assert diagnostics == ()
    assert conf is not None
    assert conf.name == word


@pytest.mark.parametrize(
    "written", ["1.0", "1.10", "3", "0o17", "1e3", ".5", "-.inf", ".NaN", "true"]
)
def test_a_version_without_quotes_is_a_mistake_that_says_how_to_quote_it(
    written: str,
) -> None:
    _, diagnostics = read_conf(CONF.replace(b'"1.0.0"', written.encode()))
    assert [item.hint for item in diagnostics] == [f'Quote it: "{written}".']


@pytest.mark.parametrize(
    "text",
    [
        b"",
        b"# nothing",
        b"- a",
        b"just words",
        b"\xff\xfe\x00",
        b"a: \x00",
        b"a: 1\n---\nb: 2\n",
        b"a:\n\tb: 1\n",
        b"a: [1, 2\n",
        b'a: "open\n',
        b"a: *nowhere",
        b"a: &a [*a]",
        b"? [a, b]\n: c",
        b"a: !!python/name:os.system x",
        b"%YAML 3.0\n---\na: 1",
        b"{" * 5000,
        b"[" * 100_000,
        b"- " * 100_000,
        b"? " * 5000,
        b"a: &a [1,1,1,1,1,1,1,1,1,1]\n"
        + b"".join(
            b"%c: &%c [%s]\n" % (98 + i, 98 + i, b",".join([b"*%c" % (97 + i)] * 10))
            for i in range(9)
        ),
        b"n: " + b"9" * 100_000,
        b"x" * 3_000_000,
    ],
    ids=lambda text: repr(text[:20]),
)
def test_a_text_that_is_no_conf_gets_a_diagnostic_with_a_line(text: bytes) -> None:
    conf, diagnostics = read_conf(text)
    assert conf is None
    assert diagnostics
    assert all(
        item.line >= 1 and item.message and item.code.startswith("KAPI1")
        for item in diagnostics
    )


def test_all_mistakes_are_told_at_once_in_the_order_of_the_file() -> None:
    text = (
        CONF.replace(b'"/orders"\nversion', b'"orders"\nversion').replace(
            b'"GET"', b'"get"'
        )
        + b"nmae: x\n"
    )
    assert mistakes(text) == [
        ("#/basePath", "basePath [orders] does not start with /", 3, 11),
        ("#/operations/0/verb", "get is not a valid enum value", 11, 9),
        ("#/nmae", "extraneous key [nmae] is not permitted", 12, 1),
    ]


def test_a_wrong_type_is_told_in_the_words_of_apk() -> None:
    text = CONF + b'corsConfiguration:\n  corsConfigurationEnabled: "true"\n'
    assert mistakes(text) == [
        (
            "#/corsConfiguration/corsConfigurationEnabled",
            "expected type: Boolean, found: String",
            13,
            29,
        )
    ]


def test_what_nothing_enforces_yet_is_refused_by_name() -> None:
    field = b"keyManagers: [{name: a, issuer: b, JWKSEndpoint: c}]\n"
    _, diagnostics = read_conf(CONF + field)
    assert [item.code for item in diagnostics] == ["KAPI1108"]
    assert diagnostics[0].message.endswith("is not supported yet")


@pytest.mark.parametrize(
    "field",
    [
        "subscriptionValidation: false",
        "keyManagers: []",
        "apiPolicies: {}",
        "apiPolicies: {request: []}",
        "authentication: []",
        (
            "authentication: [{authType: OAuth2, required: mandatory, headerName: AUTHORIZATION, "
            "queryParamEnable: false}]"
        ),
        "authentication: [{authType: APIKey, enabled: false}]",
        "corsConfiguration: {corsConfigurationEnabled: false}",
    ],
)
def test_what_asks_for_nothing_is_accepted(field: str) -> None:
    assert mistakes(CONF + field.encode() + b"\n") == []


def test_more_operations_than_the_limit_are_refused_at_once() -> None:
    many = b"".join(b'- {target: "/o%d", verb: GET}\n' % index for index in range(2001))
    assert [item[1] for item in mistakes(CONF + many)] == [
        "2002 operations; at most 2000 can be deployed in one API"
    ]


def test_no_operation_is_a_mistake() -> None:
    text = CONF.split(b"operations:")[0] + b"operations: []\n"
    assert [item[1] for item in mistakes(text)] == [
        "Atleast one operation need to specified"
    ]


@pytest.mark.parametrize("environment", ["Dev", "a.b", "-a", "a_b", "x" * 64])
def test_an_environment_must_fit_into_a_host_name(environment: str) -> None:
    assert [
        item[0] for item in mistakes(CONF + f"environment: {environment}\n".encode())
    ] == ["#/environment"]


@pytest.mark.parametrize(
    "base_path",
    ["/", "/a/", "//a", "/a/../b", "/a%20b", "/a b", "/ä", "/a?b", "/{a}", "/a*"],
)
def test_a_base_path_that_cannot_be_served_is_refused_with_a_hint(
    base_path: str,
) -> None:
    _, diagnostics = read_conf(
        CONF.replace(b'basePath: "/orders"', f'basePath: "{base_path}"'.encode())
    )
    assert [(item.code, bool(item.hint)) for item in diagnostics] == [
        ("KAPI1205", True)
    ]
