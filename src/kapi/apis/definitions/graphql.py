"""GraphQL schemas (SDL): every field of the root types is an operation.

Called by `definitions/__init__.py`.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Any, Final

from kapi.apis import report as codes
from kapi.apis.definitions.model import Definition, DefinitionOperation
from kapi.apis.report import Mark
from kapi.apis.yaml_positions import decode

if TYPE_CHECKING:
    from kapi.apis.report import Report

TYPE: Final = "GRAPHQL"
_HEAD: Final = re.compile(
    rb"(?m)^[ \t]*(extend[ \t]+)?"
    rb"(type|schema|interface|union|enum|scalar|directive|input)\b[^:=]*[{=@\n]"
)
_MAX_BYTES: Final = 2_000_000
_MAX_TOKENS: Final = 200_000
_VERBS: Final = ("query", "mutation", "subscription")


def detect(content: bytes, file_name: str) -> bool:
    """Whether it looks like type definitions."""
    return file_name.endswith((".graphql", ".graphqls", ".gql")) or bool(
        _HEAD.search(content[:20_000])
    )


def parse(content: bytes, report: Report) -> Definition | None:
    """The definition, or None; every mistake goes to the report."""
    text = decode(content, report, limit=_MAX_BYTES)
    if text is None:
        return None
    try:
        schema, errors = _schema(text)
    except RecursionError:
        report.add(
            codes.LIMIT,
            "the schema is nested too deeply",
            Mark(1, 1),
            "Write lists of lists with fewer levels.",
        )
        return None
    except (TypeError, ValueError) as error:
        report.add(codes.DEFINITION, str(error)[:200], Mark(1, 1), "Mend the schema.")
        return None
    for mistake in errors:
        place = Mark(1, 1)
        if mistake.locations:
            place = Mark(mistake.locations[0].line, mistake.locations[0].column)
        report.add(codes.DEFINITION, mistake.message[:300], place, "Mend the schema.")
    if errors:
        return None
    operations = tuple(_operations(schema))
    empty = "the schema has no root fields"
    return Definition(TYPE, "", "", "", operations, names_api=False, no_operations=empty)


def _schema(text: str) -> tuple[Any, list[Any]]:
    """The schema and its mistakes. Raises RecursionError, TypeError or ValueError."""
    import graphql
    from graphql.validation.validate import validate_sdl

    try:
        document = graphql.parse(text, max_tokens=_MAX_TOKENS)
        errors = validate_sdl(document)
        if errors:
            return None, errors
        schema = graphql.build_ast_schema(document, assume_valid_sdl=True)
        return schema, graphql.validate_schema(schema)
    except graphql.GraphQLError as error:
        return None, [error]


def _operations(schema: Any) -> list[DefinitionOperation]:
    found = []
    for verb in _VERBS:
        root = getattr(schema, f"{verb}_type")
        found += [DefinitionOperation(name, verb.upper()) for name in (root.fields if root else ())]
    return found
