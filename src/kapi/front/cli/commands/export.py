"""The command export: what becomes of a conf, without a running platform."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from kapi.errors import KapiError
from kapi.front.cli.compiling import ConfFile, Definition, compiled
from kapi.front.cli.options import Config, Output, settings_of
from kapi.front.cli.output import Format, put_into, say, show, usage

if TYPE_CHECKING:
    from kapi.apis.ir import Api
    from kapi.gateway.kubernetes.names import Manifest

To = Annotated[
    str,
    typer.Option(
        "--to",
        help="ir (what kapi understood), envoy (what Envoy would get) or kubernetes (Gateway API).",
    ),
]
Write = Annotated[
    Path | None,
    typer.Option(
        "--write",
        metavar="PATH",
        help="For kubernetes: this file, or a file for each object in this folder.",
        show_default=False,
    ),
]
WithSecrets = Annotated[
    bool,
    typer.Option(
        "--with-secrets",
        help="For kubernetes: Secrets with the credentials of backends too, as readable text.",
    ),
]
TARGETS = ("ir", "envoy", "kubernetes")


def export(
    conf: ConfFile,
    definition: Definition = None,
    to: To = "ir",
    write: Write = None,
    with_secrets: WithSecrets = False,
    output: Output = Format.YAML,
    config: Config = None,
) -> None:
    """Show what becomes of a conf, stage by stage, without a running platform.

    Examples:
      kapi export --to envoy petstore.apk-conf openapi.yaml
      kapi export --to kubernetes petstore.apk-conf openapi.yaml --write manifests/
    """
    from kapi.apis.ir import plain

    if to not in TARGETS:
        usage(f"--to {to} is unknown", f"Use one of: {', '.join(TARGETS)}.")
    if to != "kubernetes" and (write or with_secrets):
        usage("--write and --with-secrets are for --to kubernetes", "Redirect the output instead.")
    made, _, _ = compiled(conf, definition, config)
    if to == "kubernetes":
        _write(_manifests(made.api, config, with_secrets=with_secrets), write)
        return
    value = _rendered(made.api, config) if to == "envoy" else plain(made.api)
    show(value, Format.YAML if output is Format.TABLE else output)


def _rendered(api: Any, config: Path | None) -> dict[str, Any]:
    from kapi.gateway.envoy.resources.context import render_context
    from kapi.gateway.envoy.resources.render import render_api

    return render_api(api, render_context(settings_of(None, config)))


def _manifests(api: Api, config: Path | None, *, with_secrets: bool) -> tuple[Manifest, ...]:
    from kapi.front.cli.kubernetes import manifests_of

    return manifests_of(api, settings_of(None, config), with_secrets=with_secrets)


def _write(manifests: tuple[Manifest, ...], path: Path | None) -> None:
    from kapi.gateway.kubernetes.files import as_files, as_one_text
    from kapi.run_files import write_private

    if path is None:
        put_into(path, as_one_text(manifests))
        return
    files = as_files(manifests)
    folder = path
    if path.suffix in {".yaml", ".yml"}:
        files = {path.name: as_one_text(manifests)}
        folder = path.parent
    save = _saved
    if any(item["kind"] == "Secret" for item in manifests):
        save = write_private
    try:
        folder.mkdir(parents=True, exist_ok=True)
        for name, text in files.items():
            save(folder / name, text.encode())
    except OSError as error:
        raise KapiError(
            "output",
            f"cannot write {error.filename or path}: {error.strerror}",
            hint="Name a folder that you may write to, or a file that ends with .yaml.",
        ) from error
    say(f"wrote {len(manifests)} objects to {path}")


def _saved(path: Path, content: bytes) -> None:
    path.write_bytes(content)
