"""The pages about testing: each block of Python runs, and each recipe and fault is described."""

from __future__ import annotations

import inspect
import re
from pathlib import Path

import pytest

from kapi.testing.faults.catalogue import KINDS
from kapi.testing.minting.recipes import RECIPES

PAGES = Path(__file__).parents[2] / "docs" / "testing"
BLOCK = re.compile(r"^```python\n(.*?)^```$", re.MULTILINE | re.DOTALL)
BLOCKS = [
    pytest.param(text, id=f"{page.stem}-{number}")
    for page in sorted(PAGES.glob("*.md"))
    for number, text in enumerate(BLOCK.findall(page.read_text("utf-8")), 1)
]


@pytest.mark.parametrize("text", BLOCKS)
def test_a_block_runs(text: str, request: pytest.FixtureRequest) -> None:
    names: dict[str, object] = {}
    exec(text, names)
    for name, value in names.items():
        if name.startswith("test_") and callable(value):
            wanted = inspect.signature(value).parameters
            value(**{fixture: request.getfixturevalue(fixture) for fixture in wanted})
            request.getfixturevalue("kapi_issuer").reset()


@pytest.mark.parametrize(
    ("page", "names"),
    [("mint", [r.name for r in RECIPES]), ("faults", [k.name for k in KINDS])],
)
def test_every_name_has_a_row(page: str, names: list[str]) -> None:
    text = (PAGES / f"{page}.md").read_text("utf-8")
    assert [name for name in names if f"| `{name}` |" not in text] == []
