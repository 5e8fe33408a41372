"""The pages about issuers: every command in them exists with its options, every preset and its
issuer is there.
"""

from __future__ import annotations

import os
import re
import shlex
import tomllib
from pathlib import Path

import pytest

import commands
from kapi.identity.issuers.declaration import declare
from kapi.identity.issuers.presets import PRESETS
from kapi.settings import IssuerSettings
from kapi.settings.values import checked

DOCS = Path(__file__).parents[2] / "docs"
PAGES = [*sorted((DOCS / "issuers").glob("*.md")), DOCS / "coming-from-keycloak.md"]


def _lines(page: Path) -> list[str]:
    return page.read_text("utf-8").replace("\\\n", "").splitlines()


COMMANDS = sorted(
    {
        line.strip()
        for page in PAGES
        for line in _lines(page)
        if line.startswith(("    kapi issuer ", "kapi issuer add"))
    }
)


@pytest.mark.parametrize("command", COMMANDS)
def test_a_command_is_understood(command: str, tmp_path: Path) -> None:
    """Without a platform it gets as far as looking for one."""
    arguments = [*shlex.split(command)[1:], "--data-dir", str(tmp_path)]
    done = commands.run(arguments, os.environ)
    assert (done.returncode, "nothing runs in" in done.stderr) == (7, True), done.stderr


@pytest.mark.parametrize("preset", PRESETS, ids=[preset.name for preset in PRESETS])
def test_a_preset_has_a_row_with_its_issuer(preset: object) -> None:
    text = (PAGES[0].parent / "oidc.md").read_text("utf-8")
    found = [
        line
        for line in text.splitlines()
        if line.startswith(f"| `{preset.name}` |")  # type: ignore[attr-defined]
    ]
    assert len(found) == 1, "write a row in docs/issuers/oidc.md"
    row = found[0]
    issuer = re.sub(r"\{(\w+)\}", r"<\1>", preset.issuer).replace(
        "https://<domain>/t/", "https://api.asgardeo.io/t/"
    )  # type: ignore[attr-defined]
    assert f"`{issuer}`" in row if issuer else "as given" in row


def test_the_examples_for_the_settings_hold(tmp_path: Path) -> None:
    from standin import Key

    found = []
    for block in re.findall(
        r"```toml\n(.*?)```",
        (PAGES[0].parent / "oidc.md").read_text("utf-8"),
        re.DOTALL,
    ):
        for item in tomllib.loads(block)["identity"]["issuers"]:
            if "public_key_file" in item:
                (tmp_path / "key.pem").write_text(Key.make("k").pem())
                item["public_key_file"] = str(tmp_path / "key.pem")
            found.append(
                declare(checked(IssuerSettings, item, "issuer", pytest.fail)).name
            )
    assert found == ["auth0", "partner", "keycloak"]
