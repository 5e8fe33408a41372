"""The house rules of CONTRIBUTING.md, measured over the syntax tree of `src/kapi`.

Each limit is a ratchet: the value of the day it was written. Lower it when the code gets better,
and do not raise it. Complexity is checked by ruff (C901, at most 12) in `make check`.
"""

from __future__ import annotations

import ast
from collections import Counter
from pathlib import Path

CODE = Path(__file__).parents[2] / "src" / "kapi"
TEXTS = {str(path.relative_to(CODE)): path.read_text("utf-8") for path in CODE.rglob("*.py")}
TREES = {name: ast.parse(text) for name, text in sorted(TEXTS.items())}

LONG_FUNCTIONS = 37
"""Functions of more than 40 lines."""
WIDE_LINES = 1617
"""Lines of more than 100 characters."""
DECISIONS = 19.3
"""Branches, comprehensions and boolean operators per 100 lines of code."""
TERNARIES = 25.2
"""Conditional expressions per 1000 lines of code."""
NESTED_TERNARIES = 16
FILTERS = 39
"""Comprehensions with more than one condition."""
COMPREHENSIONS = 30.0
"""Comprehensions and generator expressions per 1000 lines of code."""
CROWDED = {
    "apis": 28,
    "identity/issuers/presets": 17,
    "policies": 27,
    "store": 21,
}
"""Folders of more than 15 modules. Grants, policies and presets are lists by design."""
IN_CIRCLES = 0
"""Modules that import each other, directly or through others, inside functions too."""

BRANCHES = (ast.If, ast.For, ast.AsyncFor, ast.While, ast.ExceptHandler, ast.IfExp)
LOOPS_IN_EXPRESSIONS = (ast.ListComp, ast.SetComp, ast.DictComp, ast.GeneratorExp)
FUNCTIONS = (ast.FunctionDef, ast.AsyncFunctionDef)


def _code_lines(name: str) -> int:
    """Lines that are not blank, a comment or part of a docstring."""
    text = TEXTS[name].splitlines()
    lines = {
        number
        for number, line in enumerate(text, 1)
        if line.strip() and not line.lstrip().startswith("#")
    }
    for node in ast.walk(TREES[name]):
        if isinstance(node, ast.Expr) and isinstance(node.value, ast.Constant):
            lines.difference_update(range(node.lineno, (node.end_lineno or node.lineno) + 1))
    return len(lines)


NODES = [(name, node) for name, tree in TREES.items() for node in ast.walk(tree)]
CODE_LINES = sum(_code_lines(name) for name in TREES)


def _decisions(node: ast.AST) -> int:
    if isinstance(node, BRANCHES):
        return 1
    if isinstance(node, LOOPS_IN_EXPRESSIONS):
        return sum(1 + len(loop.ifs) for loop in node.generators)
    if isinstance(node, ast.BoolOp):
        return len(node.values) - 1
    return 0


def _conditions(
    node: ast.ListComp | ast.SetComp | ast.DictComp | ast.GeneratorExp,
) -> int:
    """Conditions of its `if` clauses; each part of an `and` or `or` is one."""
    tests = [test for loop in node.generators for test in loop.ifs]
    return sum(len(test.values) if isinstance(test, ast.BoolOp) else 1 for test in tests)


def test_functions_are_short() -> None:
    long = [
        f"{name}: {node.name}"
        for name, node in NODES
        if isinstance(node, FUNCTIONS) and (node.end_lineno or 0) - node.lineno >= 40
    ]
    assert len(long) <= LONG_FUNCTIONS, long


def test_lines_are_short() -> None:
    wide = Counter(
        name for name, text in TEXTS.items() for line in text.splitlines() if len(line) > 100
    )
    assert wide.total() <= WIDE_LINES, wide.most_common()


def test_decisions_have_room() -> None:
    assert 100 * sum(_decisions(node) for _, node in NODES) / CODE_LINES <= DECISIONS


def test_expressions_are_simple() -> None:
    ternaries = sum(isinstance(node, ast.IfExp) for _, node in NODES)
    comprehensions = sum(isinstance(node, LOOPS_IN_EXPRESSIONS) for _, node in NODES)
    nested = [
        f"{name}:{node.lineno}"
        for name, node in NODES
        if isinstance(node, ast.IfExp)
        and any(isinstance(inner, ast.IfExp) for inner in list(ast.walk(node))[1:])
    ]
    filters = [
        f"{name}:{node.lineno}"
        for name, node in NODES
        if isinstance(node, LOOPS_IN_EXPRESSIONS) and _conditions(node) > 1
    ]
    assert 1000 * ternaries / CODE_LINES <= TERNARIES
    assert 1000 * comprehensions / CODE_LINES <= COMPREHENSIONS
    assert len(nested) <= NESTED_TERNARIES, nested
    assert len(filters) <= FILTERS, filters


def test_folders_are_not_crowded() -> None:
    modules = Counter(str(Path(name).parent) for name in TEXTS if Path(name).name != "__init__.py")
    crowded = {
        folder: count for folder, count in modules.items() if count > CROWDED.get(folder, 15)
    }
    assert crowded == {}


def _module(name: str) -> str:
    return ".".join(("kapi", *Path(name).with_suffix("").parts)).removesuffix(".__init__")


IMPORTS: dict[str, set[str]] = {_module(name): set() for name in TREES}


def _imports(node: ast.AST) -> list[str]:
    if isinstance(node, ast.Import):
        return [alias.name for alias in node.names]
    if isinstance(node, ast.ImportFrom) and node.module:
        inner = [f"{node.module}.{alias.name}" for alias in node.names]
        return [module if module in IMPORTS else node.module for module in inner]
    return []


def _reachable(start: str) -> set[str]:
    found: set[str] = set()
    waiting = list(IMPORTS[start])
    while waiting:
        module = waiting.pop()
        if module not in found:
            found.add(module)
            waiting += IMPORTS[module]
    return found


def test_no_circle_of_imports() -> None:
    for name, tree in TREES.items():
        module = _module(name)
        for node in ast.walk(tree):
            IMPORTS[module].update(_imports(node))
        IMPORTS[module] &= IMPORTS.keys() - {module}
    circle = [module for module in IMPORTS if module in _reachable(module)]
    assert len(circle) <= IN_CIRCLES, circle
