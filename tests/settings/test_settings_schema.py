"""The JSON Schema of kapi.toml agrees with the reader, on documented and on faulty examples."""

from __future__ import annotations

import copy
import dataclasses
import json
import re
import tomllib
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import jsonschema
import pytest

import commands
from kapi.errors import SettingsError
from kapi.settings import SECTIONS
from kapi.settings.reading import read_settings
from kapi.settings.values import checked, field_types
from kapi.settings.written.json_schema import settings_schema

ROOT = Path(__file__).parents[2]
PAGES = (ROOT / "README.md", *sorted((ROOT / "docs").rglob("*.md")))
TOML = re.compile(r"```toml\n(.*?)```", re.DOTALL)
BLOCKS = [
    pytest.param(block, id=f"{page.relative_to(ROOT)}-{number}")
    for page in PAGES
    for number, block in enumerate(TOML.findall(page.read_text("utf-8")))
]
VALIDATOR = jsonschema.Draft7Validator(settings_schema())


def of_types(content: dict[str, Any]) -> bool:
    """Whether the reader accepts names and types; its further checks are about meanings."""
    mistakes: list[str] = []

    def wrong(where: str, message: str, hint: str = "") -> None:
        if "cannot read" not in message:
            mistakes.append(f"{where}: {message}")

    for section, values in content.items():
        if section == "data_dir":
            checked(Path, values, section, wrong)
            continue
        if section not in SECTIONS or not isinstance(values, dict):
            return False
        types = field_types(SECTIONS[section])
        facts = {
            field.name: field.metadata
            for field in dataclasses.fields(SECTIONS[section])
        }
        for name, value in values.items():
            if name not in types:
                return False
            checked(types[name], value, name, wrong, facts[name])
    return not mistakes


@pytest.mark.parametrize("block", BLOCKS)
def test_a_documented_example_is_valid_for_both(tmp_path: Path, block: str) -> None:
    for name in re.findall(r'^\w+_file = "([^"/]+)"', block, re.MULTILINE):
        (tmp_path / name).write_text("a text")
    content = tomllib.loads(block)
    assert [error.message for error in VALIDATOR.iter_errors(content)] == []
    (tmp_path / "kapi.toml").write_text(block)
    try:
        read_settings({}, {}, tmp_path, outer_checks={})
    except SettingsError as error:
        # Files elsewhere, which the example only names, and keys that are none.
        unread = [
            item.message for item in error.diagnostics if "_file" not in item.message
        ]
        assert unread == []


def spoiled(
    content: Any, place: tuple[Any, ...] = ()
) -> Iterator[tuple[tuple[Any, ...], Any]]:
    """Each value with one of another type, and each table with a name that nothing has."""
    if isinstance(content, dict):
        if len(place) != 0:
            yield (*place, "no_setting_has_this_name"), 1
        for name, value in content.items():
            # The reader says of any file that is none that it cannot read it.
            if not name.endswith("_file"):
                yield from spoiled(value, (*place, name))
    elif isinstance(content, list):
        for number, value in enumerate(content):
            yield from spoiled(value, (*place, number))
    else:
        yield place, 1.5 if isinstance(content, str) else "a text"


@pytest.mark.parametrize("block", BLOCKS)
def test_both_refuse_the_same_faults(block: str) -> None:
    content = tomllib.loads(block)
    for place, value in spoiled(content):
        faulty = copy.deepcopy(content)
        target = faulty
        for step in place[:-1]:
            target = target[step]
        target[place[-1]] = value
        assert VALIDATOR.is_valid(faulty) == of_types(faulty), place


@pytest.mark.parametrize(
    ("text", "valid"),
    [
        ("gateway.port = 0", False),
        ("gateway.port = 65535", True),
        ("gateway.port = true", False),
        ('gateway.code_of_apis = "perhaps"', False),
        ("[[identity.clients]]\nname = 'x'", False),
        ("[[identity.clients]]\nid = 'x'\nsecret = 'a'\nsecret_file = 'b'", False),
        ("[[secrets.values]]\nname = 'a'\nkey = 'b'\nvalue_file = 'c'", True),
        ("[other]\nx = 1", False),
        ("gateway.code_of_apis_file = 'x'", False),
    ],
)
def test_ranges_choices_and_what_is_needed(text: str, valid: bool) -> None:
    content = tomllib.loads(text)
    assert (VALIDATOR.is_valid(content), of_types(content)) == (valid, valid)


def test_the_command_prints_it() -> None:
    done = commands.run(("schema", "settings"), {})
    assert json.loads(done.stdout) == settings_schema()
    jsonschema.Draft7Validator.check_schema(settings_schema())
