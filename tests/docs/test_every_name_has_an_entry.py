"""Each error, metric, policy and event of the audit log has its entry in the documents, and the
documents name none that does not exist.
"""

from __future__ import annotations

import ast
import re
from pathlib import Path

import pytest

from kapi import error_codes
from kapi.error_codes import ErrorCode
from kapi.front.web.operate.auditing import EVENTS
from kapi.policies import POLICIES

ROOT = Path(__file__).parents[2]
DOCS = ROOT / "docs"
CODES = {
    name: code
    for name, code in vars(error_codes).items()
    if isinstance(code, ErrorCode)
}
FIGURES = "from kapi.figures import"
"""The modules that make metrics have this import."""


def rows(page: str) -> list[list[str]]:
    """The cells of each row of the tables of a page."""
    lines = (DOCS / page).read_text("utf-8").splitlines()
    return [
        [cell.strip() for cell in line.strip("|").split("|")]
        for line in lines
        if line.startswith("|")
    ]


def metrics_of(source: str) -> set[str]:
    """The names of metrics in a module."""
    texts = (
        node.value
        for node in ast.walk(ast.parse(source))
        if isinstance(node, ast.Constant)
    )
    return {
        text
        for text in texts
        if isinstance(text, str) and re.fullmatch("kapi_[a-z_]+", text)
    }


METRICS = set[str]().union(
    *(
        metrics_of(source)
        for source in (
            path.read_text("utf-8") for path in (ROOT / "src/kapi").rglob("*.py")
        )
        if FIGURES in source
    )
)

RECORDS = re.compile(r"store\.audit import|people\.audited import|self\.told\(")
"""The modules that write entries of the audit log have one of these."""


def events_of(source: str) -> set[str]:
    """The names of events with a dot in a module; not those of loggers and files."""
    texts = (
        node.value
        for node in ast.walk(ast.parse(source))
        if isinstance(node, ast.Constant)
    )
    dotted = re.compile(r"[a-z_]+\.[a-z_]+")
    names = {text for text in texts if isinstance(text, str) and dotted.fullmatch(text)}
    return {name for name in names if not re.match(r"kapi\.|.*\.(html|lock)$", name)}


OTHER_EVENTS = set[str]().union(
    *(
        events_of(source)
        for source in (
            path.read_text("utf-8") for path in (ROOT / "src/kapi").rglob("*.py")
        )
        if RECORDS.search(source)
    ),
    {"sign_in", "sign_out"},
)
"""Of the provider, the platform and the console: not of changes over the system APIs only."""


@pytest.mark.parametrize("name", CODES)
def test_every_error_has_a_row(name: str) -> None:
    code = CODES[name]
    found = [
        row for row in rows("errors.md") if code.number in re.findall(r"\d+", row[0])
    ]
    assert found, f"docs/errors.md has no row for {code.number} ({code.text})"
    sent = [row[1:3] for row in found if len(row) == 4]
    if sent:
        assert [str(code.status), code.text] in sent


def test_every_metric_has_a_row_and_no_row_is_of_another() -> None:
    named = set(
        re.findall(
            r"`(kapi_[a-z_]+)`", " ".join(row[0] for row in rows("operate/metrics.md"))
        )
    )
    assert len(METRICS) >= 30
    assert METRICS ^ named == set()


def test_the_dashboard_and_the_alerts_use_metrics_that_exist() -> None:
    used = set[str]()
    for path in (ROOT / "examples/monitoring").iterdir():
        used |= set(re.findall(r"\bkapi_[a-z_]+", path.read_text("utf-8")))
    known = METRICS | {
        f"{name}_{part}" for name in METRICS for part in ("bucket", "sum", "count")
    }
    assert used
    assert used - known == set()


def test_every_policy_of_a_conf_has_a_page() -> None:
    pages = "".join(
        page.read_text("utf-8") for page in (DOCS / "policies").glob("*.md")
    )
    names = {item.name for policy in POLICIES for item in policy.conf_part.listed}
    assert len(names) >= 20
    missing = sorted(name for name in names if not re.search(rf"\b{name}\b", pages))
    assert missing == [], "write a page in docs/policies"


def test_the_page_of_a_policy_is_linked_from_the_page_of_confs() -> None:
    conf = (DOCS / "apk-conf.md").read_text("utf-8")
    pages = ""
    for page in (DOCS / "policies").glob("*.md"):
        if f"policies/{page.name}" in conf:
            pages += page.read_text("utf-8")
    names = {item.name for policy in POLICIES for item in policy.conf_part.listed}
    missing = sorted(name for name in names if not re.search(rf"\b{name}\b", pages))
    assert missing == [], "link its page in docs/apk-conf.md"


def test_the_events_are_found() -> None:
    some = {
        "audit.limited",
        "client.authenticate",
        "console.try",
        "key.publish",
        "token.revoke",
    }
    assert some <= OTHER_EVENTS


@pytest.mark.parametrize("name", sorted({*EVENTS, *OTHER_EVENTS}))
def test_every_event_of_the_audit_log_has_a_row(name: str) -> None:
    named = " ".join(row[0] for row in rows("operate/audit.md"))
    assert f"`{name}`" in named


def test_every_policy_and_field_has_a_golden_folder() -> None:
    confs = "".join(
        path.read_text("utf-8") for path in (ROOT / "tests/golden").glob("*/*.apk-conf")
    )
    parts = [policy.conf_part for policy in POLICIES]
    names = {item.name for part in parts for item in (*part.listed, *part.fields)}
    missing = sorted(name for name in names if not re.search(rf"\b{name}\b", confs))
    assert missing == [], "write a golden folder in tests/golden"


@pytest.mark.parametrize(
    "name",
    [
        "BasicAuthentication",
        "BrowserSignIn",
        "Compression",
        "ExternalAuthorization",
        "FaultInjection",
        "IPRestriction",
        "JSONToXML",
        "MockResponse",
        "RequestValidation",
        "ResponseCache",
        "URLRewrite",
        "loadBalancing",
    ],
)
def test_what_an_everyday_policy_costs_is_measured(name: str) -> None:
    assert f'"{name}"' in (ROOT / "benchmarks/policies_cpu.py").read_text("utf-8")
