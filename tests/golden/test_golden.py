"""Golden folders: what goes in and what comes out, as files. A new case is a new folder and no
Python.

In: `api.apk-conf` and `definition.*` (left out: one without operations), or `definition.*` alone,
which is then generated from. Out: `ir.yaml`, `envoy.yaml`, and `kubernetes.yaml` or
`kubernetes-error.txt`; or `generated.apk-conf`; and `diagnostics.txt` when there are mistakes or
warnings. `OUTPUTS` makes more from an IR.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import yaml

from kapi.apis.compile import Compiled, compile_api
from kapi.apis.emit import emit
from kapi.apis.generate import generated
from kapi.apis.ir_contents import plain
from kapi.apis.report import NOT_IN_DEFINITION
from kapi.apis.secrets import Secrets
from kapi.errors import Diagnostic, Invalid
from kapi.gateway.deployment.modules import with_modules
from kapi.gateway.envoy.process.check import EnvoyCheck
from kapi.gateway.envoy.process.process import find_envoy
from kapi.gateway.envoy.resources.context import render_context_from
from kapi.gateway.envoy.resources.render import render_api
from kapi.gateway.kubernetes.context import export_context
from kapi.gateway.kubernetes.export import NotExpressible, export_api
from kapi.gateway.kubernetes.files import as_one_text
from kapi.policies import POLICIES
from kapi.policies.admission import MODULE
from kapi.policies.mediation.wasm_modules import Module
from kapi.settings import Settings

HERE = Path(__file__).parent
CASES = sorted(
    path
    for path in HERE.iterdir()
    if path.is_dir() and not path.name.startswith(("_", "."))
)
NO_OPERATIONS = (
    b'{"openapi": "3.0.3", "info": {"title": "t", "version": "1"}, "paths": {}}'
)
TYPES = {".graphql": "GRAPHQL", ".mcp": "MCP", ".proto": "GRPC", ".zip": "GRPC"}


class AnySecret(dict[tuple[str, str, str], str]):
    """Every secret exists: a certificate or a script where its key says so, else a text with the
    characters that need care.
    """

    def get(self, secret: Any, default: Any = None) -> Any:
        if secret[2].endswith("lua"):
            return f"-- {secret[1]} {secret[2]}"
        if secret[2] == "users":
            return "partner-1:{SHA}W6ph5Mm5Pz8GgiULbPgzG37mj9g=\n"
        return (
            (HERE / "_ca.pem").read_text()
            if secret[2].endswith(".crt")
            else f"{secret[1]}:{secret[2]} 100%"
        )


CONTEXT = render_context_from(
    Settings(Path("/data")),
    ca_file="/etc/ssl/certs/ca-certificates.crt",
    control_socket="/run/control.sock",
    identity_sockets=("/run/identity-0.sock",),
    secrets=Secrets(AnySecret()),
)
"""A fixed installation, so that a golden file does not depend on the machine."""

KUBERNETES = export_context(Settings(Path("/data")), secrets=Secrets(AnySecret()))

OUTPUTS: dict[str, Callable[[Compiled], str]] = {
    "ir.yaml": lambda compiled: emit(plain(compiled.api)),
    "envoy.yaml": lambda compiled: emit(render_api(compiled.api, CONTEXT)),
}
"""File name → what it holds; a renderer adds its line."""


def on_kubernetes(compiled: Compiled) -> dict[str, str]:
    """The objects for Kubernetes, or what these cannot express."""
    try:
        return {"kubernetes.yaml": as_one_text(export_api(compiled.api, KUBERNETES))}
    except NotExpressible as error:
        return {"kubernetes-error.txt": error.detail + "\n"}


def fetched(module: Module) -> Module:
    """As if its URL had led to the tests' own module."""
    return dataclasses.replace(module, file="tests/wasm/probe.wasm")


def lines(diagnostics: tuple[Diagnostic, ...]) -> str:
    return "".join(
        (
            f"{item.source}:{item.line}:{item.column}: {item.severity} {item.code} {item.pointer}: "
            f"{item.message}\n    hint: {item.hint}\n"
        )
        for item in diagnostics
    )


def outputs(case: Path) -> dict[str, str]:
    definition = next(case.glob("definition.*"), None)
    content = definition.read_bytes() if definition else NO_OPERATIONS
    conf = case / "api.apk-conf"
    try:
        if not conf.exists():
            assert definition is not None, (
                f"{case.name} has neither api.apk-conf nor definition.*"
            )
            made = generated(
                content, TYPES.get(definition.suffix, "REST"), definition.name
            )
            found = {"diagnostics.txt": lines(made.warnings)} if made.warnings else {}
            return {"generated.apk-conf": made.conf_text, **found}
        compiled = compile_api(
            conf.read_bytes(), content, organization="default", policies=POLICIES
        )
        compiled = dataclasses.replace(
            compiled, api=with_modules(compiled.api, fetched)
        )
    except Invalid as error:
        return {"diagnostics.txt": lines(error.diagnostics)}
    stages = {
        name: make(compiled).replace(MODULE, "admission.wasm")
        for name, make in OUTPUTS.items()
    }
    stages |= on_kubernetes(compiled)
    # Without a definition, every operation would be one that the definition does not have.
    warnings = tuple(
        item
        for item in compiled.warnings
        if definition or item.code != NOT_IN_DEFINITION
    )
    return stages | ({"diagnostics.txt": lines(warnings)} if warnings else {})


@pytest.mark.parametrize("case", CASES, ids=lambda case: case.name)
def test_a_case_gives_what_its_folder_says(case: Path, update_golden: bool) -> None:
    made = outputs(case)
    expected = [
        path
        for path in case.iterdir()
        if path.name != "api.apk-conf" and not path.name.startswith("definition.")
    ]
    if update_golden:
        for stale in expected:
            stale.unlink()
        for name, text in made.items():
            (case / name).write_text(text, encoding="utf-8")
    else:
        assert {
            path.name: path.read_text(encoding="utf-8") for path in expected
        } == made


@pytest.mark.parametrize(
    "case",
    [case for case in CASES if (case / "envoy.yaml").exists()],
    ids=lambda case: case.name,
)
def test_the_real_envoy_loads_what_a_case_renders(case: Path) -> None:
    text = (
        (case / "envoy.yaml")
        .read_text("utf-8")
        .replace('"admission.wasm"', f'"{MODULE}"')
    )
    rendered = yaml.safe_load(text)
    EnvoyCheck(find_envoy(""))(rendered["clusters"], rendered["scopes"])
