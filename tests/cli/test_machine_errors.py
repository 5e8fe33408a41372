"""Errors for programs: with `-o json`, standard error has one JSON object."""

from __future__ import annotations

import json
import os
import subprocess
from pathlib import Path
from typing import Any

import pytest

from commands import run
from kapi.front.cli.terminal.machine_errors import wants_json

MEMBERS = {"code", "message", "detail", "hints", "exitCode", "diagnostics", "notes"}
OF_A_DIAGNOSTIC = {
    *("code", "severity", "message", "file", "line", "column", "pointer", "hint"),
}
TWO_MISTAKES = '[gateway]\nport = "x"\n[identity]\ncolor = 1\n'


@pytest.fixture
def kapi(tmp_path: Path) -> Any:
    environment = {
        "PATH": os.environ["PATH"],
        "HOME": str(tmp_path),
        "KAPI_DATA_DIR": str(tmp_path / "none"),
    }

    def called(*arguments: str) -> subprocess.CompletedProcess[str]:
        return run(arguments, environment, cwd=tmp_path, stdin="")

    return called


def error_of(done: subprocess.CompletedProcess[str]) -> dict[str, Any]:
    """The only line of standard error."""
    [line] = done.stderr.splitlines()
    value: dict[str, Any] = json.loads(line)
    assert set(value) == MEMBERS
    assert value["exitCode"] == done.returncode != 0
    assert all(set(item) == OF_A_DIAGNOSTIC for item in value["diagnostics"])
    return value


@pytest.mark.parametrize("line", ["apis", "consent list", "doctor", "config"])
def test_mistakes_have_their_places(kapi: Any, tmp_path: Path, line: str) -> None:
    (tmp_path / "kapi.toml").write_text(TWO_MISTAKES)
    error = error_of(kapi(*line.split(), "-o", "json"))
    mistakes = error["diagnostics"]
    assert [(item["line"], item["column"] > 0) for item in mistakes] == [
        (2, True),
        (4, True),
    ]
    assert {item["file"].rpartition("/")[2] for item in mistakes} == {"kapi.toml"}


CASES = {
    "an unknown kind": ("get", "dogs"),
    "no platform": ("apis",),
    "a missing argument": ("client", "show"),
    "an unknown option": ("apis", "--color"),
    "an unknown command": ("dogs",),
    "an unknown server": ("apis", "--server", "nowhere"),
    "a command that prints no data": ("delete", "client", "nobody"),
    "a command of a group that prints none": ("user", "disable", "nobody"),
    "a command whose --output is a file": ("generate", "nofile.yaml"),
}


@pytest.mark.parametrize("case", CASES)
def test_the_exit_code_is_the_same_as_for_people(kapi: Any, case: str) -> None:
    words = CASES[case]
    error, text = error_of(kapi("-o", "json", *words)), kapi(*words)
    assert text.returncode == error["exitCode"]
    assert error["message"] in text.stderr
    assert all(hint in text.stderr for hint in error["hints"] if "--help" not in hint)


def test_wrong_usage_names_the_help_of_the_command(kapi: Any) -> None:
    assert error_of(kapi("describe", "-o", "json"))["hints"] == [
        "See `kapi describe --help`."
    ]


def test_messages_of_a_command_that_succeeds_are_text(kapi: Any) -> None:
    done = kapi("context", "list", "-o", "json")
    assert done.returncode == 0
    json.loads(done.stdout)
    assert not done.stderr.startswith("{")


@pytest.mark.parametrize(
    ("line", "wanted"),
    [
        ("apis -o json", True),
        ("-o json apis", True),
        ("apis -ojson", True),
        ("apis --output json", True),
        ("apis --output=json", True),
        ("apis -o json -o yaml", False),
        ("apis", False),
        ("call GET /x -- -o json", False),
        ("apis -o", False),
    ],
)
def test_the_arguments_say_whether_errors_are_json(line: str, wanted: bool) -> None:
    assert wants_json(line.split()) is wanted
