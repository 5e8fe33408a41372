"""The command export: what becomes of a conf, and collections of requests for API clients."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from kapi.errors import KapiError
from kapi.front.cli.compiling import Definition, compiled
from kapi.front.cli.options import Config, DataDir, Output, settings_of
from kapi.front.cli.output import Format, put_into, say, show, usage

if TYPE_CHECKING:
    from kapi.apis.ir import Api
    from kapi.gateway.kubernetes.names import Manifest

To = Annotated[
    str,
    typer.Option(
        "--to",
        help="ir (what kapi understood), envoy (what Envoy would get), kubernetes (Gateway API),"
        " postman or bruno (requests for these API clients).",
    ),
]
Write = Annotated[
    Path | None,
    typer.Option(
        "--write",
        metavar="PATH",
        help="For kubernetes: this file, or a file for each object in this folder."
        " For postman a file, for bruno a folder.",
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
Deployed = Annotated[
    str,
    typer.Option(
        "--api",
        metavar="NAME[:VERSION]",
        help="For postman and bruno: this deployed API instead of a conf.",
        show_default=False,
    ),
]
System = Annotated[
    bool,
    typer.Option(
        "--system", help="For postman and bruno: the system APIs of the platform."
    ),
]
OptionalConf = Annotated[
    str | None,
    typer.Argument(
        metavar="[CONF]",
        help="An apk-conf file, or - for standard input.",
        show_default=False,
    ),
]
COLLECTIONS = ("postman", "bruno")
TARGETS = ("ir", "envoy", "kubernetes", *COLLECTIONS)


def export(
    conf: OptionalConf = None,
    definition: Definition = None,
    to: To = "ir",
    write: Write = None,
    with_secrets: WithSecrets = False,
    api: Deployed = "",
    system: System = False,
    output: Output = Format.YAML,
    data_dir: DataDir = None,
    config: Config = None,
) -> None:
    """Show what becomes of a conf, stage by stage, without a running platform.

    Or write its requests as a collection for Postman or Bruno; also those of a deployed API.

    Examples:
      kapi export --to envoy petstore.apk-conf openapi.yaml
      kapi export --to kubernetes petstore.apk-conf openapi.yaml --write manifests/
      kapi export --to postman petstore.apk-conf openapi.yaml --write petstore.json
      kapi export --to bruno --api Petstore --write petstore/
    """
    from kapi.apis.ir_contents import plain

    _refuse_mixed(to, conf, write, api, system=system, with_secrets=with_secrets)
    if to in COLLECTIONS:
        from kapi.front.cli.commands.apis.collecting import Chosen, write_collection

        write_collection(
            Chosen(to, conf, definition, api), settings_of(data_dir, config), write
        )
        return
    made, _, _ = compiled(conf or "", definition, config)
    if to == "kubernetes":
        _write(_manifests(made.api, config, with_secrets=with_secrets), write)
        return
    value = _rendered(made.api, config) if to == "envoy" else plain(made.api)
    show(value, Format.YAML if output is Format.TABLE else output)


def _refuse_mixed(
    to: str,
    conf: str | None,
    write: Path | None,
    api: str,
    *,
    system: bool,
    with_secrets: bool,
) -> None:
    """Stop with a usage error at options that are for something else."""
    if to not in TARGETS:
        usage(f"--to {to} is unknown", f"Use one of: {', '.join(TARGETS)}.")
    if with_secrets and to != "kubernetes":
        usage("--with-secrets is for --to kubernetes", "Leave it out.")
    if write and to in ("ir", "envoy"):
        usage(f"--write is not for --to {to}", "Redirect the output instead.")
    if (api or system) and to not in COLLECTIONS:
        usage(
            "--api and --system are for --to postman and bruno", "Name a conf instead."
        )
    if to == "bruno" and write is None:
        usage("a collection of Bruno is a folder", "Name it: --write FOLDER.")
    if [bool(conf), bool(api), system].count(True) != 1:
        usage(
            "export what?",
            "Name one: a conf, and for postman and bruno also --api or --system.",
        )


def _rendered(api: Any, config: Path | None) -> dict[str, Any]:
    from kapi.gateway.envoy.resources.context import render_context
    from kapi.gateway.envoy.resources.render import render_api

    return render_api(api, render_context(settings_of(None, config)))


def _manifests(
    api: Api, config: Path | None, *, with_secrets: bool
) -> tuple[Manifest, ...]:
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
