"""The house rules of CONTRIBUTING.md, measured over the syntax tree of `src/kapi`.

Each limit is a ratchet: the value of the day it was written. Lower it when the code gets better,
and do not raise it. Complexity is checked by ruff (C901, at most 12) in `make check`.
"""

from __future__ import annotations

import ast
from collections import Counter
from functools import cache
from pathlib import Path

CODE = Path(__file__).parents[2] / "src" / "kapi"
TESTS = Path(__file__).parents[1]

LONG_FUNCTIONS = 0
"""Functions of more than 40 lines."""
WIDE_LINES = 0
"""Lines of more than 100 characters."""
DECISIONS = 14.9
"""Branches, comprehensions and boolean operators per 100 lines of code."""
DECISIONS_OF_PACKAGE = 17.95
"""The same for each package, and for the modules beside them together."""
COMPLEXITY = 33.8
"""Cyclomatic complexity of all functions per 100 of their lines, as lizard counts it."""
TERNARIES = 5.3
"""Conditional expressions per 1000 lines of code."""
NESTED_TERNARIES = 0
FILTERS = 0
"""Comprehensions with more than one condition."""
COMPREHENSIONS = 17.7
"""Comprehensions and generator expressions per 1000 lines of code."""
LISTS = (
    "identity/grants",
    "identity/issuers/presets",
    "front/web/system",
)
"""Folders that may have more than 15 modules: each is a list of one kind."""
IN_CIRCLES = 0
"""Modules that import each other, directly or through others, inside functions too."""
WITH_PROVIDER = 55
"""Functions that take the whole `Provider` of `kapi.identity`, `needs` of endpoints included."""

BRANCHES = (ast.If, ast.For, ast.AsyncFor, ast.While, ast.ExceptHandler, ast.IfExp)
LOOPS_IN_EXPRESSIONS = (ast.ListComp, ast.SetComp, ast.DictComp, ast.GeneratorExp)
FUNCTIONS = (ast.FunctionDef, ast.AsyncFunctionDef)


@cache
def _texts() -> dict[str, str]:
    return {
        str(path.relative_to(CODE)): path.read_text("utf-8")
        for path in CODE.rglob("*.py")
    }


@cache
def _trees() -> dict[str, ast.Module]:
    return {name: ast.parse(text) for name, text in sorted(_texts().items())}


@cache
def _nodes() -> list[tuple[str, ast.AST]]:
    return [(name, node) for name, tree in _trees().items() for node in ast.walk(tree)]


@cache
def _all_code_lines() -> int:
    return sum(_code_lines(name) for name in _trees())


def _code_lines(name: str) -> int:
    return len(_lines_with_code(name))


@cache
def _lines_with_code(name: str) -> frozenset[int]:
    """Numbers of lines that are not blank, a comment or part of a docstring."""
    text = _texts()[name].splitlines()
    lines = {
        number
        for number, line in enumerate(text, 1)
        if line.strip() and not line.lstrip().startswith("#")
    }
    for node in ast.walk(_trees()[name]):
        if isinstance(node, ast.Expr) and isinstance(node.value, ast.Constant):
            lines.difference_update(
                range(node.lineno, (node.end_lineno or node.lineno) + 1)
            )
    return frozenset(lines)


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
    return sum(
        len(test.values) if isinstance(test, ast.BoolOp) else 1 for test in tests
    )


def test_functions_are_short() -> None:
    long = [
        f"{name}: {node.name}"
        for name, node in _nodes()
        if isinstance(node, FUNCTIONS) and (node.end_lineno or 0) - node.lineno >= 40
    ]
    assert len(long) <= LONG_FUNCTIONS, long


def test_lines_are_short() -> None:
    wide = Counter(
        name
        for name, text in _texts().items()
        for line in text.splitlines()
        if len(line) > 100
    )
    assert wide.total() <= WIDE_LINES, wide.most_common()


def test_decisions_have_room() -> None:
    assert (
        100 * sum(_decisions(node) for _, node in _nodes()) / _all_code_lines()
        <= DECISIONS
    )


def _package(name: str) -> str:
    package, slash, _ = name.partition("/")
    return package if slash else "modules"


def test_packages_have_room() -> None:
    decisions: Counter[str] = Counter()
    lines: Counter[str] = Counter()
    for name in _trees():
        lines[_package(name)] += _code_lines(name)
    for name, node in _nodes():
        decisions[_package(name)] += _decisions(node)
    dense = {
        package: round(100 * decisions[package] / count, 1)
        for package, count in lines.items()
        if 100 * decisions[package] > count * DECISIONS_OF_PACKAGE
    }
    assert dense == {}


def test_functions_have_room() -> None:
    """A function counts 1, and 1 for each decision, case of a match and `finally` in it."""
    complexity = lines = 0
    for name, tree in _trees().items():
        code = _lines_with_code(name)
        inside: set[int] = set()
        nodes: set[ast.AST] = set()
        for function in ast.walk(tree):
            if isinstance(function, FUNCTIONS):
                complexity += 1
                inside.update(range(function.lineno, (function.end_lineno or 0) + 1))
                nodes.update(ast.walk(function))
        complexity += sum(_decisions(node) for node in nodes)
        complexity += sum(isinstance(node, ast.match_case) for node in nodes)
        complexity += sum(
            isinstance(node, ast.Try) and bool(node.finalbody) for node in nodes
        )
        lines += len(code & inside)
    assert 100 * complexity / lines <= COMPLEXITY


def test_expressions_are_simple() -> None:
    ternaries = sum(isinstance(node, ast.IfExp) for _, node in _nodes())
    comprehensions = sum(isinstance(node, LOOPS_IN_EXPRESSIONS) for _, node in _nodes())
    nested = [
        f"{name}:{node.lineno}"
        for name, node in _nodes()
        if isinstance(node, ast.IfExp)
        and any(isinstance(inner, ast.IfExp) for inner in list(ast.walk(node))[1:])
    ]
    filters = [
        f"{name}:{node.lineno}"
        for name, node in _nodes()
        if isinstance(node, LOOPS_IN_EXPRESSIONS) and _conditions(node) > 1
    ]
    assert 1000 * ternaries / _all_code_lines() <= TERNARIES
    assert 1000 * comprehensions / _all_code_lines() <= COMPREHENSIONS
    assert len(nested) <= NESTED_TERNARIES, nested
    assert len(filters) <= FILTERS, filters


def test_folders_are_not_crowded() -> None:
    modules = Counter(
        str(Path(name).parent) for name in _texts() if Path(name).name != "__init__.py"
    )
    crowded = {
        folder: count
        for folder, count in modules.items()
        if count > 15 and folder not in LISTS
    }
    assert crowded == {}


def _module(name: str) -> str:
    return ".".join(("kapi", *Path(name).with_suffix("").parts)).removesuffix(
        ".__init__"
    )


@cache
def _imports() -> dict[str, set[str]]:
    """The modules of kapi that each module imports."""
    modules = {_module(name) for name in _trees()}
    found: dict[str, set[str]] = {module: set() for module in modules}
    for name, node in _nodes():
        found[_module(name)].update(_imported(node, modules))
    return {
        module: (imported & modules) - {module} for module, imported in found.items()
    }


def _imported(node: ast.AST, modules: set[str]) -> list[str]:
    if isinstance(node, ast.Import):
        return [alias.name for alias in node.names]
    if isinstance(node, ast.ImportFrom) and node.module:
        inner = [f"{node.module}.{alias.name}" for alias in node.names]
        return [module if module in modules else node.module for module in inner]
    return []


def _reachable(start: str) -> set[str]:
    found: set[str] = set()
    waiting = list(_imports()[start])
    while waiting:
        module = waiting.pop()
        if module not in found:
            found.add(module)
            waiting += _imports()[module]
    return found


def test_no_circle_of_imports() -> None:
    circle = [module for module in _imports() if module in _reachable(module)]
    assert len(circle) <= IN_CIRCLES, circle


def test_functions_are_given_what_they_need() -> None:
    found = []
    for name, tree in _trees().items():
        if not _knows_provider(tree):
            continue
        for function in ast.walk(tree):
            if isinstance(function, FUNCTIONS) and _takes_provider(function):
                found.append(f"{name}: {function.name}")
    assert len(found) <= WITH_PROVIDER, found


def _knows_provider(tree: ast.Module) -> bool:
    for node in ast.walk(tree):
        if isinstance(node, ast.ImportFrom) and node.module == "kapi.identity.provider":
            return True
    return False


def _takes_provider(function: ast.FunctionDef | ast.AsyncFunctionDef) -> bool:
    given = (*function.args.posonlyargs, *function.args.args, *function.args.kwonlyargs)
    for argument in given:
        annotation = argument.annotation
        names = [] if annotation is None else list(ast.walk(annotation))
        if any(isinstance(node, ast.Name) and node.id == "Provider" for node in names):
            return True
    return False


def test_files_of_tests_have_different_names() -> None:
    """Pytest imports each by its name alone; two of one name end a whole run."""
    names = Counter(path.name for path in TESTS.rglob("test_*.py"))
    assert [name for name, count in names.items() if count > 1] == []


def test_dataclasses_are_those_that_make_their_methods_late() -> None:
    """The standard library's cost two fifths of the start of each process."""
    found = []
    for name, node in _nodes():
        if not isinstance(node, ast.ImportFrom) or node.module != "dataclasses":
            continue
        if name != "dataclass.py" and any(
            alias.name == "dataclass" for alias in node.names
        ):
            found.append(name)
    assert found == []
