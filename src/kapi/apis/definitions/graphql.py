"""GraphQL schemas (SDL): every field of the root types is an operation.

Called by `definitions/__init__.py`.
"""

from __future__ import annotations

import dataclasses
import re
from typing import TYPE_CHECKING, Any, Final

from kapi.apis import report as codes
from kapi.apis.definitions.model import Definition, DefinitionOperation, Note
from kapi.apis.report import Mark
from kapi.apis.yaml_positions import decode

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

    from kapi.apis.report import Report

TYPE: Final = "GRAPHQL"
_HEAD: Final = re.compile(
    rb"(?m)^[ \t]*(extend[ \t]+)?"
    rb"(type|schema|interface|union|enum|scalar|directive|input)\b[^:=]*[{=@\n]"
)
_DEPRECATION: Final = re.compile(r"(must not be|cannot be) deprecated\.$")
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
    notes: list[Note] = []
    try:
        schema, errors = _schema(text, notes)
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
    return Definition(
        TYPE,
        "",
        "",
        "",
        operations,
        notes=tuple(notes),
        names_api=False,
        no_operations=empty,
    )


def _schema(text: str, notes: list[Note]) -> tuple[Any, list[Any]]:
    """The schema and its mistakes. Raises RecursionError, TypeError or ValueError."""
    import graphql
    from graphql.validation.validate import validate_sdl

    try:
        document = graphql.parse(text, max_tokens=_MAX_TOKENS)
        document = _without_repeated_fields(document, notes)
        errors = validate_sdl(document)
        if errors:
            return None, errors
        schema = graphql.build_ast_schema(document, assume_valid_sdl=True)
        return schema, _grave(graphql.validate_schema(schema), notes)
    except graphql.GraphQLError as error:
        return None, [error]


def _without_repeated_fields(document: Any, notes: list[Note]) -> Any:
    """The document without fields that a type defines twice, but for their descriptions.

    The specification forbids them (§3.6), but published schemas have some, and they say one thing.
    """
    definitions = []
    for definition in document.definitions:
        fields = getattr(definition, "fields", None) or ()
        kept = tuple(_distinct(definition.name.value, fields, notes)) if fields else ()
        if len(kept) < len(fields):
            definitions.append(dataclasses.replace(definition, fields=kept))
        else:
            definitions.append(definition)
    return dataclasses.replace(document, definitions=tuple(definitions))


def _distinct(owner: str, fields: Iterable[Any], notes: list[Note]) -> Iterator[Any]:
    seen: dict[str, Any] = {}
    for field in fields:
        first = seen.setdefault(field.name.value, field)
        if first is field or not _is_same(first, field):
            yield field
            continue
        message = f"{owner} defines {field.name.value} twice"
        notes.append(Note("#", message, "Remove one of them: they are the same."))


def _is_same(one: Any, other: Any) -> bool:
    import graphql

    first, second = (
        graphql.print_ast(dataclasses.replace(item, description=None))
        for item in (one, other)
    )
    return bool(first == second)


def _grave(errors: Iterable[Any], notes: list[Note]) -> list[Any]:
    """The mistakes of a schema but those about deprecation, which change no call."""
    found = []
    for error in errors:
        if _DEPRECATION.search(error.message):
            notes.append(Note("#", error.message[:300], "Calls do not depend on it."))
        else:
            found.append(error)
    return found


def _operations(schema: Any) -> list[DefinitionOperation]:
    found = []
    for verb in _VERBS:
        root = getattr(schema, f"{verb}_type")
        found += [
            DefinitionOperation(name, verb.upper())
            for name in (root.fields if root else ())
        ]
    return found
