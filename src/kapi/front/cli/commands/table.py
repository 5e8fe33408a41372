"""The table of all commands, below the headings of the help, and the texts around it."""

from __future__ import annotations

from kapi.front.cli.root import Row

HELP = """kapi: an API platform. `kapi up` starts an identity provider, system APIs and a gateway.

They listen on one https port, 9095 by default.

First steps:

  kapi up                                start the platform (Ctrl-C stops it)
  kapi init openapi.yaml --write my.apk-conf --endpoint URL
                                         a conf for a definition and its backend
  kapi deploy my.apk-conf openapi.yaml   deploy the API
  kapi call PATH                         call it with a token
"""
EPILOG = (
    "Exit codes: 0 done · 1 failed · 2 usage · 3 invalid input · 4 unauthenticated or forbidden ·"
    " 5 not found · 6 refused by the gateway · 7 this machine cannot, or kapi is not running"
)

RUN, APIS, IDENTITY = "Run", "APIs", "Identity"
REMOTE, OPERATE = "Platforms elsewhere", "Operate"
COMMANDS = (
    Row(RUN, "up", "run.platform", "up"),
    Row(RUN, "down", "run.platform", "down"),
    Row(RUN, "reload", "run.platform", "reload"),
    Row(RUN, "status", "run.platform", "status"),
    Row(APIS, "init", "apis.init", "init"),
    Row(APIS, "generate", "apis.confs", "generate"),
    Row(APIS, "validate", "apis.confs", "validate"),
    Row(APIS, "deploy", "apis.deploying", "deploy"),
    Row(APIS, "call", "apis.calling", "call"),
    Row(APIS, "apis", "apis.deploying", "apis"),
    Row(APIS, "undeploy", "apis.deploying", "undeploy"),
    Row(APIS, "diff", "apis.declared", "diff"),
    Row(APIS, "apply", "apis.declared", "apply"),
    Row(APIS, "export", "apis.export", "export"),
    Row(APIS, "schema", "apis.confs", "schema"),
    Row(
        APIS,
        "secret",
        "apis.secrets",
        "app",
        "Set, list and remove the secrets and certificates that confs name.",
    ),
    Row(
        APIS,
        "app",
        "apis.applications",
        "app",
        "Applications: who calls APIs, by which consumer keys.",
    ),
    Row(
        APIS,
        "subscription",
        "apis.applications",
        "subscription",
        "What applications may call.",
    ),
    Row(IDENTITY, "token", "identity.tokens", "token"),
    Row(IDENTITY, "explain", "identity.tokens", "explain"),
    Row(
        IDENTITY,
        "testing",
        "identity.testing",
        "app",
        "Clock, faults, journal and issuers of a test.",
    ),
    Row(
        IDENTITY,
        "api-key",
        "identity.api_keys",
        "app",
        "Create, list and revoke API keys for deployed APIs.",
    ),
    Row(
        IDENTITY, "key", "identity.keys", "app", "Signing keys of the inbuilt provider."
    ),
    Row(
        IDENTITY,
        "user",
        "identity.users",
        "app",
        "People who can sign in at the inbuilt provider.",
    ),
    Row(
        IDENTITY,
        "client",
        "identity.clients",
        "app",
        "OAuth clients of the inbuilt provider.",
    ),
    Row(
        IDENTITY,
        "session",
        "identity.sessions",
        "session",
        "List and end sessions of people at the inbuilt provider.",
    ),
    Row(
        IDENTITY,
        "consent",
        "identity.sessions",
        "consent",
        "List and end what people allowed clients.",
    ),
    Row(
        IDENTITY,
        "issuer",
        "identity.issuers",
        "app",
        "Trust the tokens of other identity providers.",
    ),
    Row(REMOTE, "login", "remote.login", "login"),
    Row(REMOTE, "logout", "remote.login", "logout"),
    Row(REMOTE, "whoami", "remote.login", "whoami"),
    Row(
        REMOTE,
        "context",
        "remote.contexts",
        "app",
        "Platforms behind URLs, and which one is called.",
    ),
    Row(OPERATE, "get", "operate.objects", "get"),
    Row(OPERATE, "describe", "operate.objects", "describe"),
    Row(OPERATE, "delete", "operate.objects", "delete"),
    Row(OPERATE, "top", "operate.top", "top"),
    Row(OPERATE, "logs", "operate.logs", "logs"),
    Row(OPERATE, "why", "operate.logs", "why"),
    Row(OPERATE, "nodes", "operate.nodes", "nodes"),
    Row(OPERATE, "audit", "operate.audit", "audit"),
    Row(OPERATE, "ca", "operate.machine", "ca"),
    Row(OPERATE, "trust", "operate.trust", "trust"),
    Row(OPERATE, "doctor", "operate.machine", "doctor"),
    Row(OPERATE, "config", "operate.config", "config"),
    Row(OPERATE, "dump", "operate.backup", "dump"),
    Row(OPERATE, "restore", "operate.backup", "restore"),
    Row(
        OPERATE,
        "store",
        "operate.store",
        "app",
        "Copy the data of a platform to another database.",
    ),
    Row(OPERATE, "version", "operate.machine", "version"),
)
