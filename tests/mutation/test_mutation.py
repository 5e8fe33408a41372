"""How faults are planted: the sample is stable, and each mutant is the source with one fault. `make
mutation` runs them.
"""

from __future__ import annotations

from pathlib import Path

import pytest
from equivalent import EQUIVALENT
from mutants import mutants
from rooms import ROOMS
from run import MODULES, ROOT, run

TESTS = ROOT / "tests"


def test_an_edit_elsewhere_does_not_change_what_is_in_the_sample(
    tmp_path: Path,
) -> None:
    source = "def f(a):\n    if a > 1:\n        g(a)\n    return not a\n"
    before, after = tmp_path / "before", tmp_path / "after"
    for folder, text in ((before, source), (after, f"import x\n\n\nx.h(2)\n{source}")):
        folder.mkdir()
        (folder / "m.py").write_text(text)
    hashes = {item.hash for item in mutants(before, "m.py")}
    assert len(hashes) > 5
    assert hashes < {item.hash for item in mutants(after, "m.py")}


def test_a_mutant_is_the_source_with_one_fault(tmp_path: Path) -> None:
    (tmp_path / "m.py").write_text(
        "def f(a):\n    check(a)\n    if a:\n        raise E  # why\n"
    )
    source = (tmp_path / "m.py").read_text()
    made = {
        (item.operator, item.line): item.apply(source)
        .splitlines()[item.line - 1]
        .strip()
        for item in mutants(tmp_path, "m.py")
    }
    assert made == {
        ("AddNot", 3): "if not a:",
        ("RemoveStatement", 2): "pass",
        ("RemoveStatement", 4): "pass  # why",
    }


def test_the_modules_and_tests_of_each_room_exist() -> None:
    tests = {test for room in ROOMS for test in room.tests}
    assert sorted(test for test in tests if not (TESTS / test).exists()) == []
    modules = {pattern for room in ROOMS for pattern in room.modules}
    assert (
        sorted(item for item in modules if not any((ROOT / MODULES).glob(item))) == []
    )


@pytest.mark.long
@pytest.mark.parametrize("name", EQUIVALENT, ids=lambda name: f"{name[0]} {name[1]}")
def test_a_mutant_that_is_left_out_exists(name: tuple[str, str, str]) -> None:
    made = {
        (item.module, item.operator, item.text)
        for item in mutants(ROOT / MODULES, name[0])
    }
    assert name in made


PART = 0.03
"""Part of the mutants that is judged here: about 70, which take five minutes on two cores."""
SECONDS = 420
LEAST = 20
"""A slow machine judges fewer within the time, in the order of their hashes."""


@pytest.mark.long
def test_near_tests_notice_nine_of_ten_faults() -> None:
    report = run(part=PART, seconds=SECONDS)
    assert report.judged >= LEAST, str(report)
    assert report.score >= 0.9, str(report)
