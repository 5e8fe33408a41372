"""Tables of the commands: what others named does not command the terminal."""

from __future__ import annotations

import pytest

from kapi.front.cli.output import Format, show


def test_a_name_stays_in_its_cell(capsys: pytest.CaptureFixture[str]) -> None:
    rows = [
        {"client": "a\x1b[31m\x1b]0;t\x07\nb", "scopes": ["x\r", "ü"]},
        {"client": "c"},
    ]
    show(rows, Format.TABLE, rows)
    assert capsys.readouterr().out.splitlines() == [
        "CLIENT          SCOPES",
        "a?[31m?]0;t??b  x? ü",
        "c",
    ]
