"""Mutants: one fault each in the source of a module, made by the operators of cosmic-ray and one of
our own.

A mutant is in the sample when the hash of its module, operator and source line is below a limit. So
an edit elsewhere in the module, or in another one, does not change which mutants are in the sample.
"""

from __future__ import annotations

import hashlib
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any

import parso.python.tree
import parso.tree
from cosmic_ray.ast import ast_nodes, get_ast
from cosmic_ray.mutating import mutate_code
from cosmic_ray.operators.operator import Operator
from cosmic_ray.plugins import get_operator

REMOVE = "RemoveStatement"
COMPARISONS = (
    "Eq_NotEq",
    "NotEq_Eq",
    "Is_IsNot",
    "IsNot_Is",
    "Lt_LtE",
    "LtE_Lt",
    "Gt_GtE",
)
MORE_COMPARISONS = ("GtE_Gt", "Lt_GtE", "LtE_Gt", "Gt_LtE", "GtE_Lt")
OPERATORS = (
    "AddNot",
    "ExceptionReplacer",
    "NumberReplacer",
    "ReplaceAndWithOr",
    "ReplaceBreakWithContinue",
    "ReplaceContinueWithBreak",
    "ReplaceFalseWithTrue",
    "ReplaceOrWithAnd",
    "ReplaceTrueWithFalse",
    "ReplaceUnaryOperator_Delete_Not",
    "ZeroIterationForLoop",
    *(
        f"ReplaceComparisonOperator_{pair}"
        for pair in (*COMPARISONS, *MORE_COMPARISONS)
    ),
    REMOVE,
)
NOT_DECISIONS = ("@", "_LOG.", "__all__")
"""How lines begin that decide nothing: decorators such as `@dataclass(slots=True)`, and log
messages.
"""


class RemoveStatement(Operator):
    """Replaces a call whose value is not used, or a `raise`, by `pass`."""

    def mutation_positions(self, node: Any) -> Iterator[Any]:
        if node.type == "simple_stmt" and _is_removable(node.children[0]):
            yield node.children[0].start_pos, node.children[0].end_pos

    def mutate(self, node: Any, index: int) -> Any:
        removed = node.children[0]
        prefix = removed.get_first_leaf().prefix
        node.children[0] = parso.python.tree.Keyword("pass", removed.start_pos, prefix)
        return node

    @classmethod
    def examples(cls) -> tuple[()]:
        return ()


def _is_removable(statement: Any) -> bool:
    if statement.type == "raise_stmt":
        return True
    if statement.type not in {"atom_expr", "power"}:
        return False
    return bool(statement.children[-1].get_code(include_prefix=False).startswith("("))


@dataclass(frozen=True, slots=True)
class Mutant:
    """One fault: the `occurrence`-th place in `module` where `operator` can be applied."""

    module: str
    operator: str
    occurrence: int
    line: int
    text: str
    """The source line without indentation."""
    hash: float
    """Between 0 and 1."""

    def __str__(self) -> str:
        return f"{self.module}:{self.line} {self.operator}: {self.text}"

    def apply(self, source: str) -> str:
        """The source of the module with the fault."""
        return str(mutate_code(source, _operator(self.operator), self.occurrence))


@cache
def _operator(name: str) -> Any:
    return RemoveStatement() if name == REMOVE else get_operator(f"core/{name}")()


def mutants(root: Path, module: str) -> Iterator[Mutant]:
    """All mutants of a module, whose path is relative to `root`."""
    source = (root / module).read_text()
    lines = source.splitlines()
    tree = get_ast(source)
    for name in OPERATORS:
        seen: Counter[str] = Counter()
        for occurrence, position in enumerate(_positions(tree, _operator(name))):
            line = position[0][0]
            text = lines[line - 1].strip()
            seen[text] += 1
            key = f"{module}\n{name}\n{text}\n{seen[text]}"
            if not text.startswith(NOT_DECISIONS):
                yield Mutant(module, name, occurrence, line, text, _hash(key))


def _positions(tree: Any, operator: Any) -> Iterator[Any]:
    for node in ast_nodes(tree):
        yield from operator.mutation_positions(node)


def _hash(key: str) -> float:
    return int.from_bytes(hashlib.sha256(key.encode()).digest()[:8]) / 2**64
