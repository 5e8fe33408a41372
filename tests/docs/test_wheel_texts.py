"""Texts that people see name no file that a wheel lacks: `docs/` and `examples/` are not in it."""

from __future__ import annotations

import ast
import re
from collections.abc import Iterator
from pathlib import Path

SOURCE = Path(__file__).parents[2] / "src" / "kapi"
COMMANDS = SOURCE / "front" / "cli" / "commands"
LACKED = re.compile(r"\b(?:docs|examples)/[\w.-]")


def _shown(path: Path) -> Iterator[str]:
    """Texts of the code; docstrings only of commands, because those are their help."""
    code = path.read_text("utf-8")
    if not LACKED.search(code):
        return
    tree = ast.parse(code)
    expressions = {
        id(item.value) for item in ast.walk(tree) if isinstance(item, ast.Expr)
    }
    for item in ast.walk(tree):
        is_text = isinstance(item, ast.Constant) and isinstance(item.value, str)
        if is_text and id(item) not in expressions:
            yield item.value
        if COMMANDS in path.parents and isinstance(item, ast.FunctionDef):
            yield ast.get_docstring(item) or ""


def test_no_text_names_a_file_that_is_only_in_the_checkout() -> None:
    named = []
    for path in sorted(SOURCE.rglob("*.py")):
        named += [
            f"{path.name}: {text[:80]}" for text in _shown(path) if LACKED.search(text)
        ]
    assert named == []
