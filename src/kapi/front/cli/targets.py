"""Where an API is deployed: the running platform, or a Kubernetes cluster. Options and messages."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from kapi.front.cli.output import Exit, put, say, usage

if TYPE_CHECKING:
    from kapi.apis.compile import Compiled
    from kapi.front.cli.uploading import Upload
    from kapi.gateway.kubernetes.cluster.changes import Change
    from kapi.gateway.kubernetes.cluster.conditions import Verdict
    from kapi.gateway.kubernetes.cluster.deployment import Target
    from kapi.settings import Settings

DeployTo = Annotated[
    str,
    typer.Option(
        "--target", help="platform (the running one) or kubernetes (a cluster)."
    ),
]
Kubeconfig = Annotated[
    Path | None,
    typer.Option(
        "--kubeconfig",
        metavar="FILE",
        help="For kubernetes: else KUBECONFIG, ~/.kube/config or the own pod's cluster.",
        show_default=False,
    ),
]
Context = Annotated[
    str,
    typer.Option(
        "--context", help="For kubernetes: else the current one.", show_default=False
    ),
]
DryRun = Annotated[
    bool,
    typer.Option("--dry-run", help="For kubernetes: list the changes, and make none."),
]
Diff = Annotated[
    bool,
    typer.Option("--diff", help="For kubernetes: show the changes, and make none."),
]
Force = Annotated[
    bool,
    typer.Option(
        "--force", help="For kubernetes: take over fields that another tool set."
    ),
]
KUBERNETES = "kubernetes"
_TARGETS = ("platform", KUBERNETES)


def is_kubernetes(target: str, given: Sequence[object]) -> bool:
    """Whether the target is a cluster; `given` are the options that are only for a cluster."""
    if target not in _TARGETS:
        usage(f"--target {target} is unknown", f"Use one of: {', '.join(_TARGETS)}.")
    if target != KUBERNETES and any(given):
        usage(
            "these options are for a cluster",
            "Add --target kubernetes, or leave them out.",
        )
    return target == KUBERNETES


def cluster_target(
    settings: Settings, kubeconfig: Path | None, context: str, *, force: bool = False
) -> Target:
    """The cluster of a kubeconfig, and the namespace of the settings."""
    from kapi.gateway.kubernetes.cluster.client import connect
    from kapi.gateway.kubernetes.cluster.deployment import Target

    return Target(connect(kubeconfig, context), settings.kubernetes.namespace, force)


def deploy_to(
    target: Target, upload: Upload, settings: Settings, *, dry_run: bool, diff: bool
) -> None:
    """Deploy to a cluster and wait for Envoy Gateway, or show what would be changed."""
    from kapi.front.cli.kubernetes import manifests_of
    from kapi.gateway.kubernetes.cluster.deployment import awaited, deployed, planned

    api = _compiled(upload, settings).api
    manifests = manifests_of(api, settings, with_secrets=True)
    if dry_run or diff:
        _show(planned(target, api.id, manifests), diff=diff)
        return
    changes = deployed(target, api.id, manifests)
    _say_changes(changes, "applied")
    said = awaited(target, manifests, settings.kubernetes.wait_seconds)
    _say_conditions(said)
    put(api.id)
    if any(item.state != "ready" for item in said):
        say(
            "The objects are in the cluster, but Envoy Gateway does not serve all of them."
        )
        raise typer.Exit(Exit.REJECTED)
    say(f"Envoy Gateway serves {api.name} {api.version}")


def undeploy_from(target: Target, api_id: str) -> None:
    """Delete all objects of an API from a cluster."""
    from kapi.gateway.kubernetes.cluster.deployment import removed

    found = removed(target, api_id)
    if not found:
        say(f"no object of {api_id} is in the namespace {target.namespace}")
        raise typer.Exit(Exit.NOT_FOUND)
    say(f"undeployed {api_id}: {len(found)} objects are deleted")


def _compiled(upload: Upload, settings: Settings) -> Compiled:
    from kapi.apis.compile import compiler
    from kapi.errors import Invalid
    from kapi.front.cli.compiling import say_warnings
    from kapi.policies import POLICIES

    compile_api = compiler(settings.gateway.ai_providers)
    organization = settings.apis.organization
    try:
        made = compile_api(
            upload.conf, upload.definition, organization=organization, policies=POLICIES
        )
    except Invalid as error:
        raise upload.located(error) from error
    say_warnings(made.warnings)
    return made


def _show(changes: Sequence[Change], *, diff: bool) -> None:
    """The changes on standard output: a line for each, or a diff."""
    for item in changes:
        if item.what != "keep":
            put(item.diff() if diff else f"{item.what} {item.name}")
    _say_changes(changes, "a dry run; nothing was changed")


def _say_changes(changes: Sequence[Change], what: str) -> None:
    from kapi.gateway.kubernetes.cluster.changes import summary

    say(f"{what}: {summary(changes)}")


def _say_conditions(said: Sequence[Verdict]) -> None:
    for item in said:
        if item.text:
            say(item.line)
            if item.hint:
                say(f"  {item.hint}")
