"""The documents name every setting and every command, and their links work."""

from __future__ import annotations

import ast
import dataclasses
import re
import typing
from pathlib import Path

import pytest

from kapi.identity.grants import GRANTS
from kapi.policies import POLICIES
from kapi.settings import SECTIONS
from kapi.settings.values import field_types

ROOT = Path(__file__).parents[2]


def names(cls: type, prefix: str = "") -> list[str]:
    """Dotted names of all settings below a class; `[]` is an item of a list."""
    made = []
    for name, kind in field_types(cls).items():
        nested = next(
            (
                item
                for item in (kind, *typing.get_args(kind))
                if dataclasses.is_dataclass(item)
            ),
            None,
        )
        made.append(prefix + name)
        if nested is not None:
            made += names(
                nested,
                f"{prefix}{name}{'[]' if typing.get_origin(kind) is tuple else ''}.",
            )
    return made


@pytest.mark.parametrize(
    "name",
    [
        "data_dir",
        *(
            name
            for section, cls in SECTIONS.items()
            for name in names(cls, f"{section}.")
        ),
    ],
)
def test_every_setting_has_a_row(name: str) -> None:
    assert f"`{name}`" in (ROOT / "docs/settings.md").read_text("utf-8")


def test_every_command_has_a_section() -> None:
    from kapi.front.cli.commands.table import COMMANDS

    text = (ROOT / "docs/cli.md").read_text("utf-8")
    assert COMMANDS
    missing = [row.name for row in COMMANDS if f"## kapi {row.name}" not in text]
    assert missing == [], "write a section in docs/cli.md"


def test_links_between_documents_lead_somewhere() -> None:
    broken = []
    for page in [*ROOT.glob("*.md"), *(ROOT / "docs").rglob("*.md")]:
        for target in re.findall(r"\]\(([^)#:]+)\)", page.read_text("utf-8")):
            if not (page.parent / target).exists():
                broken.append(f"{page.name}: {target}")
    assert broken == []


def test_pages_link_to_pages_only() -> None:
    """What is outside of docs is not in the site, and `make docs` refuses a link to it."""
    outside = []
    for page in (ROOT / "docs").rglob("*.md"):
        for target in re.findall(r"\]\(([^)#:]+)", page.read_text("utf-8")):
            if not (page.parent / target).resolve().is_relative_to(ROOT / "docs"):
                outside.append(f"{page.name}: {target}")
    # docs/conf.py makes a page of the file.
    assert outside == ["architecture.md: ../CONTRIBUTING.md"]


def test_links_to_headings_lead_somewhere() -> None:
    broken = []
    for page in (ROOT / "docs").rglob("*.md"):
        for target, heading in re.findall(
            r"\]\(([^)#:]*)#([^)]+)\)", page.read_text("utf-8")
        ):
            there = (page.parent / target) if target else page
            if heading not in headings(there.read_text("utf-8")):
                broken.append(f"{page.name}: {target}#{heading}")
    assert broken == []


def headings(text: str) -> set[str]:
    """The anchors of a page, as GitHub and the site make them."""
    found = re.findall(r"^#+ (.+)$", text, re.MULTILINE)
    return {re.sub(r"[^\w\- ]", "", title.lower()).replace(" ", "-") for title in found}


def test_no_text_for_people_names_a_file_that_an_installation_lacks() -> None:
    found = []
    for path in (ROOT / "src").rglob("*.py"):
        tree = ast.parse(path.read_text("utf-8"))
        docstrings = {
            id(node.value) for node in ast.walk(tree) if isinstance(node, ast.Expr)
        }
        for node in ast.walk(tree):
            text = (
                node.value
                if isinstance(node, ast.Constant) and id(node) not in docstrings
                else ""
            )
            if isinstance(text, str) and re.search(
                r"\b(?:docs|examples|tests)/\S", text
            ):
                found.append(f"{path.name}:{node.lineno}: {text}")
    assert found == []


def test_every_grant_is_documented() -> None:
    text = "".join(
        page.read_text("utf-8") for page in (ROOT / "docs/identity").glob("*.md")
    )
    types = [grant.facts.grant_type for grant in GRANTS]
    missing = [name for name in types if name not in text]
    assert missing == [], "write a page or section in docs/identity"


def test_every_field_and_name_of_a_policy_is_documented() -> None:
    pages = [*(ROOT / "docs").glob("*.md"), *(ROOT / "docs/policies").glob("*.md")]
    text = "".join(page.read_text("utf-8") for page in pages)
    parts = [policy.conf_part for policy in POLICIES]
    names = {item.name for part in parts for item in (*part.listed, *part.fields)}
    missing = sorted(name for name in names if name not in text)
    assert missing == [], "write a page in docs/policies"
