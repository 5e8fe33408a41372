"""Golden folders: what goes in and what comes out, as files. A new case is a new folder and no Python.

In: `api.apk-conf` and `definition.*` (left out: one without operations), or `definition.*` alone, which is then generated from.
Out: `ir.yaml`, or `generated.apk-conf`; and `diagnostics.txt` when there are mistakes or warnings. `OUTPUTS` makes more from an IR.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import fields, is_dataclass
from pathlib import Path
from typing import Any

import pytest

from kapi.apis.compile import Compiled, compile_api
from kapi.apis.emit import emit
from kapi.apis.generate import generate
from kapi.errors import Diagnostic, Invalid
from kapi.policies import POLICIES

HERE = Path(__file__).parent
CASES = sorted(path for path in HERE.iterdir() if path.is_dir() and not path.name.startswith(("_", ".")))
NO_OPERATIONS = b'{"openapi": "3.0.3", "info": {"title": "t", "version": "1"}, "paths": {}}'
TYPES = {".graphql": "GRAPHQL", ".proto": "GRPC", ".zip": "GRPC"}


def values(thing: Any) -> Any:
    """Dataclasses as plain data, for the file."""
    if is_dataclass(thing) and not isinstance(thing, type):
        named = {"policy": thing.policy} if hasattr(thing, "policy") else {}
        return named | {field.name: values(getattr(thing, field.name)) for field in fields(thing)}
    if isinstance(thing, tuple | list):
        return [values(item) for item in thing]
    return {str(key): values(item) for key, item in thing.items()} if isinstance(thing, dict) else thing


OUTPUTS: dict[str, Callable[[Compiled], str]] = {"ir.yaml": lambda compiled: emit(values(compiled.api))}
"""File name → what it holds; a renderer adds its line."""


def lines(diagnostics: tuple[Diagnostic, ...]) -> str:
    return "".join(
        f"{item.source}:{item.line}:{item.column}: {item.severity} {item.code} {item.pointer}: {item.message}\n    hint: {item.hint}\n"
        for item in diagnostics
    )


def outputs(case: Path) -> dict[str, str]:
    definition = next(case.glob("definition.*"), None)
    content = definition.read_bytes() if definition else NO_OPERATIONS
    conf = case / "api.apk-conf"
    try:
        if not conf.exists():
            assert definition is not None, f"{case.name} has neither api.apk-conf nor definition.*"
            return {"generated.apk-conf": generate(content, TYPES.get(definition.suffix, "REST"), definition.name)}
        compiled = compile_api(conf.read_bytes(), content, organization="default", policies=POLICIES)
    except Invalid as error:
        return {"diagnostics.txt": lines(error.diagnostics)}
    made = {name: make(compiled) for name, make in OUTPUTS.items()}
    return made | ({"diagnostics.txt": lines(compiled.warnings)} if compiled.warnings and definition else {})


@pytest.mark.parametrize("case", CASES, ids=lambda case: case.name)
def test_a_case_gives_what_its_folder_says(case: Path, update_golden: bool) -> None:
    made = outputs(case)
    expected = [path for path in case.iterdir() if path.name != "api.apk-conf" and not path.name.startswith("definition.")]
    if update_golden:
        for stale in expected:
            stale.unlink()
        for name, text in made.items():
            (case / name).write_text(text, encoding="utf-8")
    else:
        assert {path.name: path.read_text(encoding="utf-8") for path in expected} == made
