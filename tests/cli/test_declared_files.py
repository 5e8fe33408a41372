"""Files that `kapi apply` reads: documents with places, watching, and their JSON Schema."""

from __future__ import annotations

import json
import re
from pathlib import Path

import jsonschema
import pytest
import yaml

from kapi.errors import KapiError
from kapi.front.cli.commands.apis.declared import apply
from kapi.front.cli.declaring.attempts import Attempts
from kapi.front.cli.declaring.documents import documents_of
from kapi.front.cli.declaring.files import Reading, read_all
from kapi.front.cli.declaring.schema import declared_schema
from kapi.front.cli.declaring.sending import refuse_mistakes
from kapi.front.cli.declaring.watching import stamp, watch
from kapi.front.cli.declaring.writing import yaml_text
from kapi.front.cli.output import InvalidInput, fail

PAGE = Path(__file__).parents[2] / "docs" / "operate" / "declare.md"


def page_documents() -> list[dict[str, object]]:
    blocks = re.findall(r"```yaml\n(.*?)```", PAGE.read_text(), re.DOTALL)
    return [document for block in blocks for document in yaml.safe_load_all(block)]


def test_the_schema_accepts_the_documents_of_the_page() -> None:
    schema = declared_schema()
    jsonschema.Draft7Validator.check_schema(schema)
    assert page_documents()
    for document in page_documents():
        jsonschema.validate(document, schema)


@pytest.mark.parametrize(
    "wrong",
    [
        {"kind": "Dog"},
        {"kind": "Client"},
        {"kind": "Client", "id": "x", "colour": "red"},
        {"kind": "User", "username": "x", "password": {"env": "A", "file": "b"}},
        {"kind": "API", "conf": "x"},
        {"kind": "Subscription", "api": "x"},
    ],
)
def test_the_schema_refuses(wrong: dict[str, object]) -> None:
    with pytest.raises(jsonschema.ValidationError):
        jsonschema.validate(wrong, declared_schema())


def test_documents_have_their_lines() -> None:
    text = (
        "# top\n---\nkind: A\n--- # comment\n\nkind: B\nlist:\n- x\n"
        "---\n# nothing\n---\nkind: [\n"
    )
    found, mistakes = documents_of(text.encode(), "file.yaml")
    assert [(item.members["kind"], item.line) for item in found] == [("A", 3), ("B", 6)]
    assert found[1].mistake("#/list/0", "wrong").line == 8
    assert [item.line for item in mistakes] == [13]


def test_a_marker_in_a_text_ends_the_document() -> None:
    found, mistakes = documents_of(b"text: |\n  a\n  --- b\nmore: x\n", "file.yaml")
    assert (found[0].members, mistakes) == ({"text": "a\n--- b\n", "more": "x"}, ())


def test_what_is_written_is_read_again() -> None:
    documents = [
        {"kind": "A", "text": "x\n---\n  y\n"},
        {"kind": "B", "text": "---\n", "n": "1"},
    ]
    found, mistakes = documents_of(yaml_text(documents).encode(), "file.yaml")
    assert ([item.members for item in found], mistakes) == (documents, ())


def test_a_conf_needs_one_definition(tmp_path: Path) -> None:
    (tmp_path / "a.apk-conf").write_text("name: A\nbasePath: /a\n")
    (tmp_path / "one.yaml").write_text("openapi: 3.0.3\n")
    (tmp_path / ".hidden.yaml").write_text("kind: Client\n")
    (tmp_path / "two.json").write_text(json.dumps({"openapi": "3.0.3"}))
    reading = read_all([str(tmp_path)], plain=False)
    assert ["one.yaml, two.json" in item.message for item in reading.mistakes] == [True]
    (tmp_path / "a.graphql").write_text("type Query {a: Int}")
    reading = read_all([str(tmp_path)], plain=False)
    assert (reading.mistakes, reading.entries[0].members["definition"]) == (
        [],
        "type Query {a: Int}",
    )


def test_a_definition_may_be_another_file_than_a_text(tmp_path: Path) -> None:
    (tmp_path / "a.yaml").write_text(
        "kind: API\nconf: 'name: A\n\n'\ndefinition: a.zip\n"
    )
    (tmp_path / "a.zip").write_bytes(b"PK\x03\x04\xff")
    reading = read_all([str(tmp_path)], plain=False)
    assert reading.mistakes == []
    assert reading.entries[0].members["definition"] == {"base64": "UEsDBP8="}
    jsonschema.validate(
        {"kind": "API", **reading.entries[0].members}, declared_schema()
    )


SHOWN_SECRETS = {
    "own line": "kind: Client\nid: shop\nsecret: hunter2\n",
    "a number": "kind: User\nusername: ada\npassword: 1234567\n",
    "one line": "{kind: Client, id: shop, secret: hunter2, colour: red}",
    "no reference": "kind: Secret\nname: a\nkey: b\nvalue: {text: hunter2}\n",
    "second": "kind: Client\nid: shop\nsecret: {env: A}\n---\nkind: User\npassword: hunter2\n",
}


@pytest.mark.parametrize("text", SHOWN_SECRETS.values(), ids=SHOWN_SECRETS)
def test_a_mistake_does_not_show_the_secret(
    text: str,
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setenv("A", "x")
    file = tmp_path / "a.yaml"
    file.write_text(text)
    reading = read_all([str(file)], plain=False)
    with pytest.raises(InvalidInput) as refused:
        refuse_mistakes(reading)
    fail(refused.value.problem, refused.value.sources)
    shown = capsys.readouterr().err
    assert f"{file}:" in shown
    assert "hunter2" not in shown
    assert "1234567" not in shown


def test_watching_works_again_after_a_complete_change(tmp_path: Path) -> None:
    file = tmp_path / "a.yaml"
    file.write_text("1")
    seen: list[str] = []
    pauses = iter(("", "22", "333", "", "", ""))

    def pause(_: float) -> None:
        text = next(pauses, None)
        if text is None:
            raise KeyboardInterrupt
        if text:
            file.write_text(text)

    with pytest.raises(KeyboardInterrupt):
        watch(
            lambda: stamp([str(tmp_path)]),
            lambda: bool(seen.append(file.read_text())),
            pause,
        )
    assert seen == ["1", "333"]


def test_watching_tries_again_while_the_platform_does_not_answer(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """A change that meets a stopped platform is applied once it is there, and told of once."""
    file = tmp_path / "a.yaml"
    file.write_text("kind: User\nusername: ada\n")
    away = KapiError("not-running", "nothing runs here")
    outcomes = iter((away, away, away, None))
    tries: list[Reading] = []
    pauses = iter(range(40))

    def applied(reading: Reading) -> None:
        outcome = next(outcomes)
        if outcome is not None:
            raise outcome
        tries.append(reading)

    def pause(_: float) -> None:
        if next(pauses, None) is None:
            raise KeyboardInterrupt

    attempts = Attempts(
        frozenset([str(file)]), lambda: read_all([str(file)], plain=True), applied
    )
    with pytest.raises(KeyboardInterrupt):
        watch(attempts.look, attempts.work, pause)
    assert [list(reading.texts) for reading in tries] == [[str(file)]]
    said = capsys.readouterr().err
    assert said.count("nothing runs here") == 1
    assert said.index("trying again") < said.index("waiting for changes")


def test_watching_goes_on_when_a_file_is_gone(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """Editors replace a file; for a moment there is none."""
    file = tmp_path / "a.yaml"
    file.write_text("kind: User\nusername: ada\n")
    pauses = iter((file.unlink, lambda: None, lambda: None))

    def pause(_: float) -> None:
        step = next(pauses, None)
        if step is None:
            raise KeyboardInterrupt
        step()

    monkeypatch.setattr("time.sleep", pause)
    monkeypatch.setenv("KAPI_DATA_DIR", str(tmp_path / "data"))
    with pytest.raises(KeyboardInterrupt):
        apply([str(file)], watch=True)
    assert f"cannot read {file}" in capsys.readouterr().err
