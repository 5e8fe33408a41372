"""Catalogues: documents beside the code, read when they are first needed."""

from __future__ import annotations

from pathlib import Path

import pytest

from kapi.front.web.openapi.catalogue import CATALOGUE as SYSTEM_APIS
from kapi.identity.openapi import CATALOGUE as PROVIDER
from kapi.openapi import Refusal, Row
from kapi.openapi.catalogue import Catalogue

OPERATIONS = """
shared:
  client: &client {client_id: the client}
  busy: &busy [too_many, too_busy]
operations:
  GET /health: {}
  POST /token:
    takes: [{code!: the code}, *client]
    refuses: [no_code, *busy]
"""
REFUSALS = """
no_code: {status: 400, when: the code is missing, example: {error: invalid_request}}
too_many: {status: 429, when: there are too many}
too_busy: {status: 503, when: there are too many}
"""


@pytest.fixture
def catalogue(tmp_path: Path) -> Catalogue:
    (tmp_path / "operations.yaml").write_text(OPERATIONS)
    (tmp_path / "refusals.yaml").write_text(REFUSALS)
    return Catalogue(tmp_path)


def test_shared_parts_are_merged(catalogue: Catalogue) -> None:
    assert catalogue.operations["GET /health"] == Row()
    assert catalogue.operations["POST /token"] == Row(
        {"code!": "the code", "client_id": "the client"},
        refuses=("no_code", "too_many", "too_busy"),
    )


def test_refusals_are_selected_by_name(catalogue: Catalogue) -> None:
    selected = list(catalogue.select(["no_code", "too_many", "no_code"]))
    assert selected == [
        ("no_code", Refusal(400, "the code is missing", {"error": "invalid_request"})),
        ("too_many", Refusal(429, "there are too many")),
    ]
    with pytest.raises(KeyError):
        list(catalogue.select(["unknown"]))


def test_an_unknown_member_is_refused(catalogue: Catalogue, tmp_path: Path) -> None:
    (tmp_path / "refusals.yaml").write_text(
        "a: {status: 400, when: always, exampel: {}}"
    )
    with pytest.raises(TypeError, match="exampel"):
        assert catalogue.refusals


def test_a_catalogue_is_read_on_demand(tmp_path: Path) -> None:
    later = Catalogue(tmp_path)
    (tmp_path / "operations.yaml").write_text(OPERATIONS)
    assert later.operations["GET /health"] == Row()


@pytest.mark.parametrize("catalogue", [SYSTEM_APIS, PROVIDER])
def test_each_refusal_that_an_operation_names_exists(catalogue: Catalogue) -> None:
    for row in catalogue.operations.values():
        assert len(list(catalogue.select(row.refuses))) == len(row.refuses)
