"""`kapi up` reads its usual options without typer, and means the same by them."""

from __future__ import annotations

import dataclasses
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pytest

from kapi.front.cli.main import command_line
from kapi.front.cli.running.starting import without_database
from kapi.front.cli.running.up import UpOptions, options_in

WORDS = (
    (),
    ("--detach",),
    ("--port", "9443", "--data-dir", "./data", "--detach"),
    ("--port=0", "--ephemeral", "--testing"),
    ("--listen", "0.0.0.0", "--non-production-on-network", "--workers", "2"),
    ("--issuer", "https://idp.example/token", "--envoy", "/opt/envoy"),
    ("--database", "postgresql://u@h/d?a=b", "--config=kapi.toml"),
)


def _by_typer(words: Sequence[str]) -> UpOptions:
    context = command_line().commands["up"].make_context("up", list(words))
    return UpOptions(**context.params)


@pytest.mark.parametrize("words", WORDS, ids=" ".join)
def test_the_usual_options_mean_what_typer_reads(words: Sequence[str]) -> None:
    read = options_in(["up", *words])

    assert read is not None
    assert read == _by_typer(words)


def test_every_option_is_read_without_typer() -> None:
    command: Any = command_line().commands["up"]
    own = [option for option in command.params if option.expose_value]
    assert len(own) == len(dataclasses.fields(UpOptions))
    for option in own:
        words = [option.opts[0]]
        if not option.is_flag:
            words.append("7")
        read = options_in(["up", *words])
        assert read is not None, option.opts
        assert read == _by_typer(words)


def test_options_may_stand_before_the_command() -> None:
    read = options_in(["--data-dir", "d", "up", "--detach"])

    assert read == UpOptions(data_dir=Path("d"), detach=True)


@pytest.mark.parametrize(
    "words",
    [
        ("up", "--help"),
        ("up", "-o", "json"),
        ("up", "--port"),
        ("up", "--port", "many"),
        ("up", "--port", "-1"),
        ("up", "--listen="),
        ("up", "--listen", "--detach"),
        ("up", "--detach=yes"),
        ("up", "--port", "1", "--port", "2"),
        ("up", "more"),
        ("up", "--", "--detach"),
        ("down",),
        ("user", "up"),
        ("--help", "up"),
    ],
    ids=" ".join,
)
def test_what_is_unusual_is_left_to_typer(words: Sequence[str]) -> None:
    assert options_in(words) is None


def test_typer_is_not_imported_for_it() -> None:
    code = """
import sys
import kapi.front.cli.main
import kapi.front.cli.running.starting
import kapi.app.supervisor
print([name for name in ("typer", "pydantic") if name in sys.modules])
"""
    done = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, check=True
    )

    assert done.stdout.strip() == "[]"


@pytest.mark.parametrize(
    "given",
    [
        ("--database", "postgresql://a:b@c/d"),
        ("--database=postgresql://a:b@c/d",),
        ("--database", "sqlite", "--database=postgresql://a:b@c/d"),
    ],
)
def test_the_address_of_a_database_leaves_the_command_line(
    given: tuple[str, ...],
) -> None:
    words = ["python", "kapi", "up", "--port", "9095", *given, "--ephemeral"]
    left = ["python", "kapi", "up", "--port", "9095", "--ephemeral"]
    assert without_database(words) == left
    assert without_database(left) == left
