"""The table of error numbers is the only place that has them."""

from __future__ import annotations

import ast
from pathlib import Path

from kapi import error_codes
from kapi.error_codes import ErrorCode
from kapi.errors import Diagnostic, Invalid, Problem

ROOT = Path(__file__).parents[1]
TABLE = {
    name: value
    for name, value in vars(error_codes).items()
    if isinstance(value, ErrorCode)
}
NUMBERS = {code.number for code in TABLE.values()}


def test_no_other_module_has_a_number() -> None:
    found = []
    for path in sorted((ROOT / "src" / "kapi").rglob("*.py")):
        if path.name == "error_codes.py":
            continue
        for node in ast.walk(ast.parse(path.read_text("utf-8"))):
            if isinstance(node, ast.Constant) and str(node.value) in NUMBERS:
                found.append(f"{path.name}:{node.lineno}: {node.value}")
    assert found == []


def test_a_problem_takes_number_and_status_from_the_table() -> None:
    problem = Problem.of(error_codes.NOT_FOUND, "petstore not found", hint="kapi apis")
    assert (problem.status, problem.code, problem.title) == (
        404,
        "909001",
        "petstore not found",
    )
    usual = Problem.of(error_codes.TOO_BUSY, detail="18 requests", status=429)
    assert (usual.status, usual.title, usual.detail) == (429, "Too busy", "18 requests")


def test_an_input_with_mistakes_has_the_number_of_its_kind() -> None:
    mistakes = (
        Diagnostic("user", "name: missing"),
        Diagnostic("user", "password: missing"),
    )
    invalid = Invalid(mistakes, error_codes.INVALID_USER)
    assert (invalid.code, invalid.title) == ("900956", "Invalid user")
    assert invalid.detail == "name: missing (and 1 more)"
    assert Invalid(mistakes).code == "909029"
