"""Each path in backticks in the architecture and in CONTRIBUTING exists."""

from __future__ import annotations

import re
from fnmatch import fnmatchcase
from functools import cache
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
ROOMS = ("src/kapi", "docs", "tests", "wasm", "benchmarks", "examples")
CODE = re.compile(r"`([^`\s]+)`")
FILE = re.compile(r"\.(py|rs|md|sql|yaml|lua|txt)$")
NAME = re.compile(r"<\w+>|NNNN")
"""Placeholders of any name."""


@cache
def files_and_folders() -> tuple[str, ...]:
    found = [*ROOT.iterdir(), *(ROOT / room for room in ROOMS)]
    for room in ROOMS:
        found += (ROOT / room).rglob("*")
    return tuple(f"/{path.relative_to(ROOT).as_posix()}" for path in found)


def is_path(text: str) -> bool:
    return not text.startswith("/") and ("/" in text or bool(FILE.search(text)))


def exists(path: str) -> bool:
    """Paths are relative to the project, to `src/kapi` or to a folder that the text names."""
    pattern = NAME.sub("*", path).rstrip("/")
    return any(fnmatchcase(name, f"*/{pattern}") for name in files_and_folders())


@pytest.mark.parametrize("document", ["docs/architecture.md", "CONTRIBUTING.md"])
def test_paths_in_documents_exist(document: str) -> None:
    text = (ROOT / document).read_text("utf-8")
    drawn = re.findall(r"(?s)```text\n(.*?)```", text)
    words = re.findall(r"[\w/]+\.py\b", " ".join(drawn))
    named = CODE.findall(re.sub(r"(?s)```.*?```", "", text))
    paths = [*words, *(name for name in named if is_path(name))]
    assert len(paths) > 15
    assert [path for path in paths if not exists(path)] == []
